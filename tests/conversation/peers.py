"""Honest stand-ins for everything around a conversation: those that are shipped for the tests of users
(outdial.testing), and what only our own tests look at."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from outdial.conversation.call_facts import CallFacts, Engines, MachinePolicy, turn_taking_of
from outdial.conversation.media_line import MediaLine
from outdial.conversation.opening import Greet
from outdial.conversation.session import Session
from outdial.conversation.session_end import SessionEnd
from outdial.conversation.transcript import Turn
from outdial.conversation.verb_results import TransferFailed
from outdial.media.pacer import Pacer
from outdial.speech.reading.reader import AMERICAN, Reading
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallDirection
from outdial.telephony.verdict import AnsweredBy, Verdict
from outdial.testing.engines import CALLEE, MS_PER_CHAR, Detector, EngineBroke, Recogniser, Voice, sound, speech_ms
from outdial.testing.line import Carrier, PlainCodec
from outdial.testing.sounds import SoundsInMemory

__all__ = [
    "CALLEE", "MS_PER_CHAR", "Carrier", "Detector", "EngineBroke", "Notes", "PlainCodec", "Recogniser", "Stage",
    "Switch", "Tape", "Voice", "refused", "sound", "speech_ms",
]  # fmt: skip


class Notes:
    """The journal: every turn as it was last told, and all events."""

    def __init__(self) -> None:
        self.told: list[Turn] = []
        self.events: list[tuple[str, dict[str, Any]]] = []

    def turn(self, turn: Turn) -> None:
        self.told.append(turn)

    def event(self, type_: str, data: dict[str, Any]) -> None:
        self.events.append((type_, data))

    @property
    def turns(self) -> list[Turn]:
        """The transcript, in its order."""
        latest = {turn.seq: turn for turn in self.told}
        return [latest[seq] for seq in sorted(latest)]

    @property
    def lines(self) -> list[str]:
        return [f"{turn.speaker}: {turn.text}" for turn in self.turns]


class Tape:
    """A recording that remembers what it was told."""

    def __init__(self) -> None:
        self.callee_frames: list[tuple[int, bytes]] = []
        self.agent_frames: list[tuple[int, bytes]] = []
        self.flushed: list[int] = []
        self.closed_ms: int | None = None

    def callee(self, at_ms: int, pcm: bytes) -> None:
        self.callee_frames.append((at_ms, pcm))

    def agent(self, at_ms: int, pcm: bytes) -> None:
        assert self.closed_ms is None
        self.agent_frames.append((at_ms, pcm))

    def truncate_agent(self, at_ms: int) -> None:
        self.agent_frames = [(at, pcm) for at, pcm in self.agent_frames if at < at_ms]

    def flush(self, now_ms: int) -> None:
        self.flushed.append(now_ms)

    def close(self, at_ms: int) -> None:
        assert self.closed_ms is None
        self.closed_ms = at_ms


def refused(code: FailureCode, message: str, *, carrier_code: str | None = None) -> TransferFailed:
    """How a carrier's no to a transfer reaches a conversation."""
    return TransferFailed(CallError(code=code, message=message, carrier_code=carrier_code))


class Switch:
    """What a call asks of its carrier."""

    def __init__(self) -> None:
        self.transfers: list[str] = []
        self.call_backs: list[tuple] = []
        self.failed_steps: list[str | None] = []  # where each goes on should nobody come
        self.refuses: Exception | None = None
        self.asked: list[tuple] = []  # to take the callee, and how
        self.answers_after_s = 12.0
        self.can_be_asked = True
        self.let_go = 0
        self.when_joining: Callable[[], object] = lambda: None

    async def transfer(self, to: str, *, failed: str | None) -> None:
        await asyncio.sleep(0.2)
        if self.refuses is not None:
            raise self.refuses
        self.transfers.append(to)
        self.failed_steps.append(failed)

    async def can_consult(self) -> bool:
        return self.can_be_asked

    async def consult(self, to, warm, joining) -> None:
        """Who is asked picks up, and answers after a while; then it takes a moment until they are connected."""
        self.asked.append((to, warm))
        try:
            await asyncio.sleep(self.answers_after_s)
        except asyncio.CancelledError:
            self.let_go += 1
            raise
        if self.refuses is not None:
            raise self.refuses
        joining()
        self.when_joining()
        await asyncio.sleep(0.2)
        self.transfers.append(to)

    async def call_back(self, at, noted, *, promised) -> None:
        self.call_backs.append((at, dict(noted), promised))


class Stage:
    """One call with everything around it. Words the callee says are given as text; noise as None."""

    def __init__(
        self, agent: Callable[[Any], Any], *, machine: MachinePolicy | None = None, max_duration_s: float = 600.0,
        variables: Mapping[str, Any] | None = None, noted: Mapping[str, Any] | None = None, reading: Reading = AMERICAN,
        greet: Greet = Greet.AT_ONCE, direction: CallDirection = CallDirection.OUTBOUND,
        closed: Any = None, sounds: Any = None,
    ) -> None:  # fmt: skip
        self.loop = asyncio.get_running_loop()
        self.began = self.loop.time()
        self.carrier = Carrier()
        self.ears = Recogniser()
        self.voice = Voice()
        self.detector = Detector()
        self.notes = Notes()
        self.tape = Tape()
        self.switch = Switch()
        self.pacer = Pacer()
        self.commands: list[asyncio.Task[None]] = []  # somebody outside asks for something
        facts = CallFacts(
            call_id="call_1",
            direction=direction,
            user_number="+15550001",
            agent_number="+15550002",
            max_duration_s=max_duration_s,
            variables=variables or {},
            noted=noted or {},
            machine=machine or MachinePolicy(),
            reading=reading,
            turn_taking=turn_taking_of(reading.language, greet=greet),
        )
        engines = Engines(
            speech_to_text=self.ears,
            text_to_speech=self.voice,
            voice_activity=self.detector,  # type: ignore[arg-type]
            closed=closed,
            sounds=sounds or SoundsInMemory(),
        )
        self.session = Session(facts, agent, engines, self.notes, self.switch)
        self.media_line = MediaLine(PlainCodec(), self.carrier, self.pacer, self.session, lambda: self.tape)  # type: ignore
        self.session.media_line = self.carrier.media_line = self.media_line

    def at(self, seconds: float, do: Callable[..., Any], *args: Any) -> None:
        """Do something on the call clock."""
        self.loop.call_at(self.began + seconds, do, *args)

    def now_s(self) -> float:
        return self.loop.time() - self.began

    def callee_says(self, text: str | None, ms: int | None = None) -> None:
        number = CALLEE + len(self.ears.words)
        self.ears.words[number] = text or ""
        self.carrier.say(number, ms or speech_ms(text or "cough"))

    def answered_by(self, category: AnsweredBy) -> None:
        self.session.answering.judged(Verdict(answered_by=category, at=datetime.now(UTC), message_end=True))

    async def run(self, start_timeout_s: float = 10.0) -> SessionEnd:
        """The whole call; checks that nothing is left of it."""
        before = asyncio.all_tasks()
        unheard: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda loop, context: unheard.append(context))
        if not self.media_line.closed:
            self.loop.call_soon(self.carrier.start)
        end = await self.session.run(start_timeout_s)
        await asyncio.sleep(0)  # who asked from outside is told that it is over
        assert asyncio.all_tasks() - {*self.commands} == before, "tasks left behind"
        self.media_line.close()
        self.carrier.close()
        assert self.detector.open_streams == 0
        assert self.ears.running == self.voice.running == 0
        assert self.tape.closed_ms is not None or not self.tape.agent_frames
        assert unheard == []
        assert all(turn.end_ms is not None and turn.end_ms >= turn.start_ms for turn in self.notes.turns)
        return end
