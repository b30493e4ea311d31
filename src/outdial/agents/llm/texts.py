"""What an agent with a model has written down, filled in for a call; and what others say, kept apart from that."""

import json
import re
from collections.abc import Mapping
from typing import Any

from outdial.agents.llm.free_talk import FreeTalk, TransferTarget
from outdial.agents.script.template import Slot, Text, lookup, render
from outdial.agents.script.values import known
from outdial.conversation.live_call import LiveCall
from outdial.telephony.e164 import plain

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
        written = "".join(part if isinstance(part, str) else str(self._slot(part) or "") for part in target.to.parts)
        number = re.sub(r"[\s().-]", "", plain(written))
        return number if _NUMBER.fullmatch(number) else None

    def _slot(self, slot: Slot) -> Any:
        value = lookup(slot.path, self.known)
        return (slot.fallback or lookup(slot.path, self._talk.variables)) if value in (None, "") else value


def without_brackets(text: str) -> str:
    """What stands in brackets is told by Outdial, so nobody else's words may."""
    return text.translate({ord("["): None, ord("]"): None})


def as_data(values: Mapping[str, Any]) -> str:
    return without_brackets(json.dumps(values, ensure_ascii=False, default=str))
