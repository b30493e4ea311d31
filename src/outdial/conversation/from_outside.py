"""What somebody outside does on a live call, beside its agent: says a sentence, presses keys, transfers the call, takes
it over, whispers to the agent."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol, TypeVar

from outdial.background import Background
from outdial.conversation.commands import (
    Command,
    CommandRefused,
    Say,
    SendDigits,
    SetVariables,
    TakeOver,
    Transfer,
    Whisper,
)
from outdial.conversation.floor import Floor
from outdial.conversation.listening import Listening
from outdial.conversation.media_line import MediaLine
from outdial.conversation.notice import Notice
from outdial.conversation.saying import Saying
from outdial.conversation.understanding.language import language_of
from outdial.conversation.verb_results import CallEnded, Said, SpeechFailed, TransferFailed
from outdial.conversation.whispers import NobodyListens, TooMany, Whispers
from outdial.telephony.failures import FailureCode

LET_FINISH_MS = 100      # words from outside wait for the callee's; whether they have ended is looked at this often
NO_WHISPER = (
    "Nobody can be whispered to on this call now: a model takes whispers while it talks; a script's own steps and "
    "agents in Python can't. Say a sentence to the other party instead."
)
TOO_MANY_WHISPERS = "The agent has not had a turn since the last whispers; wait for it."

T = TypeVar("T")


class OneDialogue(Protocol):
    """What is done to it: see dialogue.Dialogue."""

    call_id: str
    whispers: Whispers
    notice: Notice

    @property
    def noted(self) -> MutableMapping[str, Any]: ...
    def tell(self, type_: str, data: dict[str, Any]) -> None: ...
    def end(self) -> None: ...
    async def press(self, digits: str) -> None: ...
    async def connect_to(self, to: str, failed_step: str | None = None) -> None:
        """Raises CallEnded and TransferFailed."""
        ...


class FromOutside:
    """Of one dialogue. `transfer`: one that is under way, or was."""

    def __init__(
        self,
        dialogue: OneDialogue,
        floor: Floor,
        saying: Saying,
        listening: Listening,
        media_line: MediaLine,
        background: Background,
    ) -> None:
        self.transfer: asyncio.Task[None] | None = None
        self._dialogue = dialogue
        self._floor = floor
        self._saying = saying
        self._listening = listening
        self._media_line = media_line
        self._background = background

    async def carry_out(self, command: Command) -> dict[str, Any]:
        """Do what somebody outside wants, as soon as the conversation allows; what came of it.

        Raises CallEnded, and CommandRefused when it can't be done.
        """
        try:
            match command:
                case Say():
                    said = await self._say(command.text, interrupt=command.interrupt)
                    return {"played_ms": said.played_ms, "complete": said.complete}
                case SendDigits():
                    await self._send_digits(command.digits)
                case Transfer():
                    await self._leave(self._dialogue.connect_to(command.to))
                case TakeOver():
                    sentence = command.text or language_of(self._dialogue.notice.language).texts["taking_over"]
                    await self._leave(self._hand_over(command.to, sentence))
                case Whisper():
                    self._whisper(command.text)
                case SetVariables():
                    self._dialogue.noted.update(command.values)
                    self._dialogue.tell("variables", {"names": sorted(command.values)})
        except SpeechFailed:
            raise CommandRefused(FailureCode.SPEECH_FAILED, FailureCode.SPEECH_FAILED.meaning) from None
        except TransferFailed as failed:
            raise CommandRefused(FailureCode.CARRIER_REFUSED, failed.error.message) from None
        except ValueError as error:
            raise CommandRefused("not_possible", f"{error}.") from None
        return {}

    async def _say(self, text: str, *, interrupt: bool = False) -> Said:
        """Speak between the agent's utterances; `interrupt` cuts the one under way short, and the callee's too.

        The callee can't interrupt. Raises CallEnded and SpeechFailed.
        """

        async def speak() -> Said:
            async with self._step_in(interrupt=interrupt):
                self._listening.answered = None  # the agent's next words will be late because of these
                return await self._saying.speak(text, interruptible=False)

        return await self._until_settled(self._start(speak()))

    async def _send_digits(self, digits: str) -> None:
        """Press keys between the agent's utterances. Raises CallEnded, and ValueError for keys there aren't."""

        async def press() -> None:
            async with self._step_in(interrupt=False):
                await self._dialogue.press(digits)

        await self._until_settled(self._start(press()))

    async def _leave(self, connecting: Coroutine[Any, Any, None]) -> None:
        """Connect the callee to another number, whatever the agent is doing; it is told that the call is over.

        Raises CallEnded, and TransferFailed when the carrier won't.
        """
        if self._floor.has_ended:
            connecting.close()
            raise CallEnded
        self.transfer = self._start(connecting)
        await self._until_settled(self.transfer)
        self._dialogue.end()
        self._media_line.clear()  # what the agent is saying

    async def _hand_over(self, to: str, sentence: str) -> None:
        """Nobody speaks between the sentence and the carrier's word; the agent goes on should it be a no."""
        async with self._step_in(interrupt=True):
            self._listening.answered = None
            with suppress(SpeechFailed):  # the person comes all the same
                await self._saying.speak(sentence, interruptible=False)
            await self._dialogue.connect_to(to)

    def _whisper(self, text: str) -> None:
        """Raises CallEnded and CommandRefused."""
        if self._floor.has_ended:
            raise CallEnded
        try:
            self._dialogue.whispers.add(text)
        except NobodyListens:
            raise CommandRefused("no_whisper", NO_WHISPER) from None
        except TooMany:
            raise CommandRefused("no_whisper", TOO_MANY_WHISPERS) from None
        self._dialogue.tell("whispered", {"chars": len(text)})

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Something done from outside, which the dialogue's `settle` ends."""
        return self._background.start(work, name=f"command on {self._dialogue.call_id}", awaited=True)

    async def _until_settled(self, task: asyncio.Task[T]) -> T:
        """Its result. The end of the call takes it with it, as CallEnded."""
        await asyncio.wait({task})
        if task.cancelled():
            raise CallEnded
        return task.result()

    @asynccontextmanager
    async def _step_in(self, *, interrupt: bool) -> AsyncIterator[None]:
        """Have the floor as somebody else than the agent; whoever is speaking finishes first, unless interrupted."""
        hearing = self._listening.hearing
        if interrupt:
            self._saying.cut_off()
        async with self._floor.step_in(interrupt=interrupt):
            while not interrupt and hearing.current is not None and not self._floor.has_ended:
                await asyncio.sleep(LET_FINISH_MS / 1000)
                hearing.check()
            if self._floor.has_ended:
                raise CallEnded
            was_hearing = hearing.enabled
            yield
            if was_hearing and not self._floor.has_ended:
                hearing.enable()
