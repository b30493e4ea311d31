"""A live call on which others talk, while a model that may talk later is told what was said and heard."""

from collections.abc import AsyncIterator

from outdial.agents.llm.chat import AgentSaid, Message
from outdial.agents.llm.history import forget_answered
from outdial.agents.llm.talking import heard_as
from outdial.conversation.endpointing import PAUSE_MS, Patience
from outdial.conversation.live_call import NORMAL, LiveCall
from outdial.conversation.passed_on import PassedOn
from outdial.conversation.turn_words import NOTHING, Asked
from outdial.conversation.verb_results import Heard, Said


class RememberedCall(PassedOn):
    """`history` grows: of what was said with what the callee heard of it."""

    def __init__(self, call: LiveCall, history: list[Message]) -> None:
        super().__init__(call)
        self._history = history

    async def greeting(self, then: str = "") -> Heard:
        return self._heard(await super().greeting(then))

    async def say(
        self, text: str | AsyncIterator[str], *, interruptible: bool = True, asks: bool | None = None
    ) -> Said:
        said = await super().say(text, interruptible=interruptible, asks=asks)
        if said.taken_back:
            forget_answered(self._history)
        elif said.text:
            self._history.append(AgentSaid(said.text))
        return said

    async def listen(
        self, *, until_silence_s: float = PAUSE_MS / 1000, no_reply_s: float = 6.0, max_digits: int = 0,
        asked: Asked = NOTHING, patience: Patience = NORMAL,
    ) -> Heard:  # fmt: skip
        heard = await super().listen(
            until_silence_s=until_silence_s,
            no_reply_s=no_reply_s,
            max_digits=max_digits,
            asked=asked,
            patience=patience,
        )
        return self._heard(heard)

    def _heard(self, heard: Heard) -> Heard:
        if not heard.silent:
            self._history += heard_as(heard)
        return heard
