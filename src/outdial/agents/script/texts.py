"""A script's texts and tests, filled in for a call."""

import re
from typing import Any

from outdial.agents.script.model import Ask, Block, If, Say, Script
from outdial.agents.script.template import Slot, Text, lookup, render
from outdial.agents.script.values import exists, is_one_of, known
from outdial.conversation.live_call import LiveCall
from outdial.telephony.e164 import plain

_NUMBER = re.compile(r"\+[1-9]\d{7,14}")


class ScriptTexts:
    def __init__(self, script: Script, call: LiveCall) -> None:
        self._script = script
        self._call = call

    def shown(self, text: Text) -> str:
        return render(text, known(self._call), self._script.variables)

    def to_say(self, text: Text) -> str:
        return render(text, known(self._call), self._script.variables, to_say=True)

    def first_words(self, block: Block) -> str:
        """What a block begins with, as far as that is known before anything is done or heard."""
        match block[:1]:
            case [Say(text=text)] | [Ask(question=text)]:
                return self.to_say(text)
            case [If() as test]:
                return self.first_words(test.then if self.holds(test) else test.otherwise)
        return ""

    def raw(self, text: Text) -> str:
        """A text for machines: values as they were sent, not as they are spoken."""
        return "".join(part if isinstance(part, str) else str(self._slot(part) or "") for part in text.parts)

    def number(self, text: Text) -> str | None:
        """A number to go to, in E.164; None where its variable has none."""
        number = re.sub(r"[\s().-]", "", plain(self.raw(text)))
        return number if _NUMBER.fullmatch(number) else None

    def value(self, text: Text) -> Any:
        """What `set` stores: a lone {variable} is copied as it is."""
        match text.parts:
            case (Slot() as slot,):
                return self._slot(slot)
        return self.shown(text)

    def holds(self, test: If) -> bool:
        value = self._slot(Slot(test.variable))
        return is_one_of(value, test, self._call) if test.exists is None else exists(value) == test.exists

    def _slot(self, slot: Slot) -> Any:
        value = lookup(slot.path, known(self._call))
        if exists(value):
            return value
        return lookup(slot.path, self._script.variables) if slot.fallback is None else slot.fallback
