"""A live call handed on: what of it is to be otherwise, a class of its own says."""

from collections.abc import AsyncIterator, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

from outdial.conversation.endpointing import PAUSE_MS, Patience
from outdial.conversation.languages import Languages
from outdial.conversation.live_call import NORMAL, LiveCall
from outdial.conversation.straight_audio import Ears, StraightAudio
from outdial.conversation.turn_words import NOTHING, Asked
from outdial.conversation.verb_results import FailedTransfer, Heard, Said
from outdial.conversation.warm import Warm
from outdial.conversation.whispers import Whispers
from outdial.media.sounds import Sound
from outdial.telephony.verdict import AnsweredBy


class PassedOn:
    """A LiveCall that does what `call` does."""

    def __init__(self, call: LiveCall) -> None:
        self._call = call
        self.call_id = call.call_id
        self.user_id = call.user_id  # the other party's number, E.164
        self.last_event = call.last_event

    @property
    def variables(self) -> Mapping[str, Any]:
        """What was sent with the call, as it was sent."""
        return self._call.variables

    @property
    def noted(self) -> MutableMapping[str, Any]:
        """What the agent writes down, kept with the call. Under "outcome": the word for what came of it."""
        return self._call.noted

    @property
    def failed_transfer(self) -> FailedTransfer | None:
        return self._call.failed_transfer

    @property
    def answered_by(self) -> AnsweredBy | None:
        return self._call.answered_by

    @property
    def whispers(self) -> Whispers:
        return self._call.whispers

    @property
    def languages(self) -> Languages:
        return self._call.languages

    def tell(self, type_: str, data: Mapping[str, Any]) -> None:
        self._call.tell(type_, data)

    async def greeting(self, then: str = "") -> Heard:
        return await self._call.greeting(then)

    async def say(
        self, text: str | AsyncIterator[str], *, interruptible: bool = True, asks: bool | None = None
    ) -> Said:
        return await self._call.say(text, interruptible=interruptible, asks=asks)

    async def listen(
        self, *, until_silence_s: float = PAUSE_MS / 1000, no_reply_s: float = 6.0, max_digits: int = 0,
        asked: Asked = NOTHING, patience: Patience = NORMAL,
    ) -> Heard:  # fmt: skip
        return await self._call.listen(
            until_silence_s=until_silence_s,
            no_reply_s=no_reply_s,
            max_digits=max_digits,
            asked=asked,
            patience=patience,
        )

    async def play(self, sound: str | Sound, *, loop: int = 1, interruptible: bool = True) -> Said:
        return await self._call.play(sound, loop=loop, interruptible=interruptible)

    async def fetch_sound(self, source: str) -> Sound:
        return await self._call.fetch_sound(source)

    def straight(self, ears: Ears) -> AbstractAsyncContextManager[StraightAudio] | None:
        return self._call.straight(ears)

    async def send_digits(self, digits: str) -> None:
        await self._call.send_digits(digits)

    async def transfer(self, to: str, *, failed: str | None = None, warm: Warm | None = None) -> None:
        await self._call.transfer(to, failed=failed, warm=warm)

    async def call_back(self, at: datetime, *, promised: bool) -> None:
        """Have the other party called back: see LiveCall. Say when before you call it with `promised`."""
        await self._call.call_back(at, promised=promised)

    async def hang_up(self) -> None:
        await self._call.hang_up()
