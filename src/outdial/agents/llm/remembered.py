"""A live call on which others talk, while a model that may talk later is told what was said and heard."""

from collections.abc import AsyncIterator, Mapping, MutableMapping
from datetime import datetime
from typing import Any

from outdial.agents.llm.chat import AgentSaid, Message
from outdial.agents.llm.talking import forget_answered, heard_as
from outdial.conversation.endpointing import PAUSE_MS, Patience
from outdial.conversation.live_call import NORMAL, FailedTransfer, Heard, LiveCall, Said
from outdial.conversation.turn_words import NOTHING, Asked
from outdial.telephony.verdict import AnsweredBy


class RememberedCall:
    """A LiveCall. `history` grows: of what was said with what the callee heard of it."""

    def __init__(self, call: LiveCall, history: list[Message]) -> None:
        self._call = call
        self._history = history
        self.call_id = call.call_id
        self.user_id = call.user_id
        self.last_event = call.last_event

    @property
    def variables(self) -> Mapping[str, Any]:
        return self._call.variables

    @property
    def noted(self) -> MutableMapping[str, Any]:
        return self._call.noted

    @property
    def failed_transfer(self) -> FailedTransfer | None:
        return self._call.failed_transfer

    @property
    def answered_by(self) -> AnsweredBy | None:
        return self._call.answered_by

    def tell(self, type_: str, data: Mapping[str, Any]) -> None:
        self._call.tell(type_, data)

    async def greeting(self) -> Heard:
        return self._heard(await self._call.greeting())

    async def say(
        self, text: str | AsyncIterator[str], *, interruptible: bool = True, asks: bool | None = None
    ) -> Said:
        said = await self._call.say(text, interruptible=interruptible, asks=asks)
        if said.taken_back:
            forget_answered(self._history)
        elif said.text:
            self._history.append(AgentSaid(said.text))
        return said

    async def listen(
        self, *, until_silence_s: float = PAUSE_MS / 1000, no_reply_s: float = 6.0, max_digits: int = 0,
        asked: Asked = NOTHING, patience: Patience = NORMAL,
    ) -> Heard:  # fmt: skip
        heard = await self._call.listen(
            until_silence_s=until_silence_s,
            no_reply_s=no_reply_s,
            max_digits=max_digits,
            asked=asked,
            patience=patience,
        )
        return self._heard(heard)

    async def send_digits(self, digits: str) -> None:
        await self._call.send_digits(digits)

    async def transfer(self, to: str, *, failed: str | None = None) -> None:
        await self._call.transfer(to, failed=failed)

    async def call_back(self, at: datetime, *, promised: bool) -> None:
        await self._call.call_back(at, promised=promised)

    async def hang_up(self) -> None:
        await self._call.hang_up()

    def _heard(self, heard: Heard) -> Heard:
        if not heard.silent:
            self._history += heard_as(heard)
        return heard
