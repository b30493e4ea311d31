"""Honest stand-ins for everything around a conversation: carrier, callee, speech engines, voice detection.

Audio is marked instead of recorded: every sample of an utterance is its number, so the recogniser knows the words by
what it was really fed, the detector takes any sound for voice, and the callee's ear can tell whose frames it hears.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from outdial.conversation.call_facts import CallFacts, Engines, MachinePolicy
from outdial.conversation.live_call import TransferFailed
from outdial.conversation.media_line import MediaLine
from outdial.conversation.session import Session
from outdial.conversation.session_end import SessionEnd
from outdial.conversation.transcript import Turn
from outdial.media.frames import FRAME_BYTES, FRAME_MS, SILENT_FRAME
from outdial.media.pacer import Pacer
from outdial.media.stream import (
    AudioReceived,
    BadFrame,
    DigitPressed,
    MarkReached,
    MarksAtClear,
    StreamEnded,
    StreamEvent,
    StreamStarted,
)
from outdial.speech.reading.reader import AMERICAN, Reading
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallDirection
from outdial.telephony.verdict import AnsweredBy, Verdict

MS_PER_CHAR = 60  # how fast everybody speaks here
WINDOW_BYTES = 512


def sound(number: int, ms: int) -> bytes:
    """Audio whose every sample is `number`."""
    return number.to_bytes(2, "little") * (8 * ms)


def speech_ms(text: str) -> int:
    return len(text) * MS_PER_CHAR


class PlainCodec:
    """A carrier's stream protocol at its barest: bytes are audio, text is everything else."""

    lead_ms = 200
    says_stop = True
    marks_at_clear = MarksAtClear.RETURNED

    def receive(self, message: str | bytes) -> StreamEvent | None:
        if isinstance(message, bytes):
            return AudioReceived(message, 0)
        match message.split(" "):
            case ["start"]:
                return StreamStarted(stream_id="stream-1", carrier_call_id="theirs", parameters={})
            case ["digit", digit]:
                return DigitPressed(digit)
            case ["mark", name]:
                return MarkReached(name)
            case ["stop"]:
                return StreamEnded()
            case ["connected"]:
                return None
        raise BadFrame("not of this protocol")

    def audio(self, pcm: bytes) -> bytes:
        return pcm

    def mark(self, name: str) -> str:
        return f"mark {name}"

    def clear(self) -> str:
        return "clear"


@dataclass
class Carrier:
    """The far end of a media websocket: buffers what we send, plays it in real time to an ear, returns marks when
    they are reached, and all pending ones at once after a clear. Sends the callee's audio, a frame every 20 ms."""

    mouth: deque[bytes] = field(default_factory=deque)  # what the callee says next
    marks_come: bool = True
    mark_delay_s: float = 0.0
    media_line: MediaLine = field(init=False)
    sent: list[tuple[float, str | bytes]] = field(default_factory=list)  # all we got, and when
    heard: list[tuple[float, bytes]] = field(default_factory=list)       # all that reached the ear, and when
    closed_with: int | None = None

    def __post_init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._buffer: deque[tuple[float, bytes]] = deque()
        self._played_until = 0.0
        self._marks: dict[str, asyncio.TimerHandle] = {}
        self._ticker: asyncio.TimerHandle | None = None
        self.muted = False
        self._held: list[bytes] | None = None  # by the network

    # -- MediaSocket

    def send(self, message: str | bytes) -> None:
        assert self.closed_with is None
        now = self._loop.time()
        self.sent.append((now, message))
        if isinstance(message, bytes):
            assert len(message) == FRAME_BYTES
            begin = max(now, self._played_until)
            self._played_until = begin + FRAME_MS / 1000
            assert self._played_until - now < 0.2001, "more than the lead is buffered"
            self._buffer.append((begin, message))
        elif message == "clear":
            self._let_hear(now)
            self._buffer.clear()
            self._played_until = now
            for name, timer in self._marks.items():
                timer.cancel()
                self._loop.call_soon(self._return_mark, name)
            self._marks.clear()
        elif self.marks_come:
            name = message.removeprefix("mark ")
            reached = max(now, self._played_until) + self.mark_delay_s
            self._marks[name] = self._loop.call_at(reached, self._mark_reached, name)

    def close(self, code: int = 1000) -> None:
        if self.closed_with is None:
            self.closed_with = code
            self._end()

    # -- the carrier's own doing

    def start(self) -> None:
        self.media_line.received("start")
        self._next_frame = self._loop.time() + FRAME_MS / 1000
        self._ticker = self._loop.call_at(self._next_frame, self._frame)

    def stop(self) -> None:
        """The callee has hung up."""
        self.media_line.received("stop")
        self._end()

    def cut(self) -> None:
        """The network is gone."""
        self._end()
        self.media_line.disconnected()

    def hang_up(self) -> None:
        """The websocket is closed in due form, without a word."""
        self._end()
        self.media_line.disconnected(orderly=True)

    def press(self, digits: str) -> None:
        for digit in digits:
            self.media_line.received(f"digit {digit}")

    def say(self, number: int, ms: int) -> None:
        pcm = sound(number, ms)
        self.mouth.extend(pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm), FRAME_BYTES))

    def ear(self) -> list[tuple[float, bytes]]:
        """Every frame the callee has heard the beginning of."""
        self._let_hear(self._loop.time())
        return self.heard

    def _let_hear(self, now: float) -> None:
        while self._buffer and self._buffer[0][0] < now:
            self.heard.append(self._buffer.popleft())

    def _frame(self) -> None:
        self._next_frame += FRAME_MS / 1000
        self._ticker = self._loop.call_at(self._next_frame, self._frame)
        frame = self.mouth.popleft() if self.mouth else SILENT_FRAME
        if self._held is not None:
            self._held.append(frame)
        elif not self.muted:
            self.media_line.received(frame)

    def hold_up(self, seconds: float) -> None:
        """The network delivers nothing of the callee's for so long; then all of it at once."""
        if self._held is None:
            self._held = []
            self._loop.call_later(seconds, self._release)

    def _release(self) -> None:
        held, self._held = self._held or [], None
        for frame in held:
            self.media_line.received(frame)

    def _mark_reached(self, name: str) -> None:
        del self._marks[name]
        self._return_mark(name)

    def _return_mark(self, name: str) -> None:
        self.media_line.received(f"mark {name}")

    def _end(self) -> None:
        self._let_hear(self._loop.time())
        if self._ticker is not None:
            self._ticker.cancel()
        for timer in self._marks.values():
            timer.cancel()
        self._marks.clear()


class Detector:
    """Voice detection that takes every sound for voice. Reports windows as they are there, unless it is stalled."""

    def __init__(self) -> None:
        self._streams: set[DetectorStream] = set()
        self._stalled = False

    @property
    def open_streams(self) -> int:
        return len(self._streams)

    def open(self, on_window: Callable[[float], None]) -> "DetectorStream":
        stream = DetectorStream(self, on_window)
        self._streams.add(stream)
        return stream

    def stall(self, seconds: float) -> None:
        """No window is reported for so long; then all that wait are."""
        self._stalled = True
        asyncio.get_running_loop().call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._stalled = False
        self.work()

    def work(self) -> None:
        for stream in list(self._streams):
            while not self._stalled and stream in self._streams and stream.report():
                pass

    def forget(self, stream: "DetectorStream") -> None:
        self._streams.discard(stream)


class DetectorStream:
    def __init__(self, detector: Detector, on_window: Callable[[float], None]) -> None:
        self._detector = detector
        self._on_window = on_window
        self._pcm = bytearray()
        self._closed = False

    @property
    def waiting_ms(self) -> int:
        return len(self._pcm) // 16

    def feed(self, pcm: bytes) -> None:
        assert not self._closed
        self._pcm += pcm
        asyncio.get_running_loop().call_soon(self._detector.work)

    def report(self) -> bool:
        if len(self._pcm) < WINDOW_BYTES:
            return False
        window = bytes(self._pcm[:WINDOW_BYTES])
        del self._pcm[:WINDOW_BYTES]
        self._on_window(0.95 if window.count(0) < WINDOW_BYTES * 0.6 else 0.02)
        return True

    def close(self) -> None:
        self._closed = True
        self._detector.forget(self)


class EngineBroke(RuntimeError):
    pass


@dataclass
class Recogniser:
    """Knows the words of each sound's number; what it doesn't know is noise."""

    name: str = "recogniser"
    words: dict[int, str] = field(default_factory=dict)
    takes_s: float = 0.1
    fails: bool = False
    running: int = 0
    started: int = 0

    def recognition(self) -> "Recognised":
        return Recognised(self)


class Recognised:
    def __init__(self, engine: Recogniser) -> None:
        self._engine = engine
        self._numbers: dict[int, int] = {}
        self._busy = False

    def feed(self, pcm: bytes) -> None:
        for at in range(0, len(pcm), FRAME_BYTES):
            number = int.from_bytes(pcm[at : at + 2], "little")
            if number:
                self._numbers[number] = self._numbers.get(number, 0) + len(pcm[at : at + FRAME_BYTES])

    def fed_ms(self, number: int) -> int:
        return self._numbers.get(number, 0) // 16

    async def text(self) -> str:
        assert not self._busy, "one task at a time"
        self._busy = True
        engine = self._engine
        engine.running += 1
        engine.started += 1
        numbers = list(self._numbers)
        try:
            await asyncio.sleep(engine.takes_s)
            if engine.fails:
                raise EngineBroke
        finally:
            engine.running -= 1
            self._busy = False
        return " ".join(word for number in numbers if (word := engine.words.get(number)))


@dataclass
class Voice:
    """Speaks at MS_PER_CHAR in pieces of `piece_ms`, the first one after `first_s`, then one every `piece_s`."""

    name: str = "voice"
    number: int = 1000
    first_s: float = 0.03
    piece_ms: int = 1000
    piece_s: float = 0.0
    fails_after: int | None = None  # pieces
    hangs_after: int | None = None
    spoken: list[str] = field(default_factory=list)
    running: int = 0

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        self.spoken.append(text)
        self.running += 1
        try:
            await asyncio.sleep(self.first_s)
            left = speech_ms(text)
            pieces = 0
            while True:
                if pieces == self.fails_after:
                    raise EngineBroke
                if pieces == self.hangs_after:
                    await asyncio.get_running_loop().create_future()
                if left <= 0:
                    return
                ms = min(left, self.piece_ms)
                yield sound(self.number, ms)
                left -= ms
                pieces += 1
                if left > 0:
                    await asyncio.sleep(self.piece_s)
        finally:
            self.running -= 1


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
        self.failed_steps: list[str | None] = []  # where each goes on should nobody come
        self.refuses: Exception | None = None

    async def transfer(self, to: str, *, failed: str | None) -> None:
        await asyncio.sleep(0.2)
        if self.refuses is not None:
            raise self.refuses
        self.transfers.append(to)
        self.failed_steps.append(failed)


class Stage:
    """One call with everything around it. Words the callee says are given as text; noise as None."""

    def __init__(
        self, agent: Callable[[Any], Any], *, machine: MachinePolicy | None = None, max_duration_s: float = 600.0,
        variables: Mapping[str, Any] | None = None, noted: Mapping[str, Any] | None = None, reading: Reading = AMERICAN,
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
            direction=CallDirection.OUTBOUND,
            user_number="+15550001",
            agent_number="+15550002",
            max_duration_s=max_duration_s,
            variables=variables or {},
            noted=noted or {},
            machine=machine or MachinePolicy(),
            reading=reading,
        )
        engines = Engines(
            speech_to_text=self.ears,
            text_to_speech=self.voice,
            voice_activity=self.detector,  # type: ignore[arg-type]
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
        number = 1 + len(self.ears.words)
        self.ears.words[number] = text or ""
        self.carrier.say(number, ms or speech_ms(text or "cough"))

    def answered_by(self, category: AnsweredBy) -> None:
        self.session.answered_by_is(Verdict(answered_by=category, at=datetime.now(UTC), message_end=True))

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
