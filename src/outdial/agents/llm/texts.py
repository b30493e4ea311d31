"""What an agent with a model has written down, filled in for a call; and what others say, kept apart from that."""

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from outdial.agents.llm.free_talk import FreeTalk, TransferTarget
from outdial.agents.script.template import Slot, Text, lookup, render
from outdial.agents.script.values import known
from outdial.conversation.live_call import LiveCall
from outdial.telephony.e164 import plain

_BRACKETS = frozenset("[]\uff3b\uff3d\ufe47\ufe48\u2045\u2046\u27e6\u27e7\u301a\u301b\u3010\u3011\u3014\u3015")
_NUMBER = re.compile(r"\+[1-9]\d{7,14}")


class Texts:
    def __init__(self, talk: FreeTalk, call: LiveCall) -> None:
        self._talk = talk
        self._call = call

    @property
    def known(self) -> Mapping[str, Any]:
        return known(self._call)

    def shown(self, text: Text) -> str:
        return render(text, self.known, self._talk.variables)

    def to_say(self, text: Text) -> str:
        return render(text, self.known, self._talk.variables, to_say=True)

    def number(self, target: TransferTarget) -> str | None:
        """None where its variable has no number."""
        return number_of(target.to, self._call, self._talk.variables)


def number_of(to: Text, call: LiveCall, defaults: Mapping[str, Any]) -> str | None:
    """To which a call is transferred; None where its variable has no number."""

    def value_of(slot: Slot) -> Any:
        value = lookup(slot.path, known(call))
        return (slot.fallback or lookup(slot.path, defaults)) if value in (None, "") else value

    written = "".join(part if isinstance(part, str) else str(value_of(part) or "") for part in to.parts)
    number = re.sub(r"[\s().-]", "", plain(written))
    return number if _NUMBER.fullmatch(number) else None


def without_brackets(text: str) -> str:
    """What stands in brackets is told by Outdial, so nobody else's words may: in none that a model may take for them,
    and without signs that nobody sees, behind which words could hide."""
    return "".join(c for c in text if c not in _BRACKETS and unicodedata.category(c) not in ("Cc", "Cf"))


def as_data(values: Mapping[str, Any]) -> str:
    return without_brackets(json.dumps(values, ensure_ascii=False, default=str))
