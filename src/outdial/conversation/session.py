"""One live call: the line, the turns and the agent, from the first audio to the last.

The agent is a coroutine that uses the verbs (it is the only user, so at most one verb is under way). Whatever ends
the call (the callee, a limit, the user, a machine's verdict) ends the verb first, with CallEnded or cancellation.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from outdial.calls.state import AnsweredBy, CallDirection, CallError, EndReason, Verdict
from outdial.carriers.base import CarrierError, StreamStarted
from outdial.conversation.hearing import Hearing, Utterance
from outdial.conversation.line import Line, Playback
from outdial.conversation.live_call import AgentCoroutine, CallEnded, Heard, LiveCall, Said
from outdial.conversation.turns import TurnEvent, TurnState, is_cut_in, next_turn
from outdial.media import tones
from outdial.media.frames import FRAME_MS, silence
from outdial.media.voice_activity import VoiceActivity
from outdial.speech.base import SpeechToText, TextToSpeech

logger = logging.getLogger(__name__)

DIGIT_GAP_S = 2.0        # after the last digit, the number is taken as complete
DEFAULT_SILENCE_MS = 500
MESSAGE_PAUSE_MS = 400   # between a machine's beep and our message


class Speaker:
    AGENT = "agent"
    CALLEE = "callee"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One line of the transcript. Times are ms on the call clock; `end_ms` is None while it is being spoken.

    `latency` of an agent's turn, in ms: `silence` (end of the callee's speech until we decided it was the end),
    `recognition`, `decision` (until the agent spoke), `synthesis` (until the first frame left), `total`.
    """

    seq: int
    speaker: str
    text: str
    start_ms: int
    end_ms: int | None = None
    interrupted: bool = False
    latency: dict[str, int] | None = None


class Journal(Protocol):
    """Where a conversation is written down. Must return at once; writing goes on behind it."""

    def turn(self, turn: Turn) -> None:
        """A turn, new or changed (same seq)."""
        ...

    def event(self, type_: str, data: dict[str, Any]) -> None: ...


class Control(Protocol):
    """What a live call can ask of its carrier."""

    async def transfer(self, to: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePolicy:
    """What to do when a machine answers: `action` is hang_up, leave_message or continue; `message` words what is
    left ("" when there is nothing to say)."""

    action: str = "hang_up"
    message: Callable[[LiveCall], str] = lambda call: ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    call_id: str
    direction: CallDirection
    user_number: str
    agent_number: str
    max_duration_s: float
    variables: dict[str, Any] = field(default_factory=dict)
    machine: MachinePolicy = MachinePolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """The shared machinery every live call uses."""

    speech_to_text: SpeechToText
    text_to_speech: TextToSpeech
    voice_activity: VoiceActivity


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnd:
    """How a conversation ended, and whether the call itself is still up at the carrier or went elsewhere."""

    end_reason: EndReason
    error: CallError | None = None
    still_up: bool = True       # the carrier must be asked to end it
    transferred: bool = False   # the callee talks to somebody else now
    message_delivered: bool | None = None


class Session:
    """A live call (LiveCall) on a line (Listener). Create it, give it its line, then `run` it once."""

    def __init__(
        self, facts: CallFacts, agent: AgentCoroutine, engines: Engines, journal: Journal, control: Control
    ) -> None:
        self.call_id = facts.call_id
        self.user_id = facts.user_number
        self.variables: dict[str, Any] = dict(facts.variables)
        self.last_event = {
            "type": "launch",
            "payload": {
                "callType": facts.direction.value,
                "userNumber": facts.user_number,
                "agentNumber": facts.agent_number,
            },
        }
        self.line: Line  # set by whoever opens the media stream, before run()
        self._facts = facts
        self._agent = agent
        self._engines = engines
        self._journal = journal
        self._control = control
        self._hearing = Hearing(
            engines.speech_to_text, engines.voice_activity, self._now_ms, self._voice, self._utterance
        )
        self._loop = asyncio.get_running_loop()
        self._state = TurnState.THINKING
        self._seq = 0
        self._started = asyncio.Event()
        self._over = False
        self._orderly = True                 # the stream ended with the carrier's word
        self._waiter: asyncio.Future[None] | None = None  # what the verb under way waits for
        self._heard: Utterance | None = None              # the newest utterance that counts as a reply
        self._digits = ""
        self._interruptible = False
        self._playback: Playback | None = None
        self._greeting = True
        self._spoken_end: float | None = None  # loop time at which the callee stopped speaking
        self._decided: float | None = None     # … and at which we decided that it was the end
        self._recognised: float | None = None
        self._verdict: Verdict | None = None
        self._verdict_came = asyncio.Event()
        self._hang_up_asked = asyncio.Event()
        self._transferred = False
        self._background: set[asyncio.Task[None]] = set()

    # -- the whole call --------------------------------------------------------------------------------------

    async def run(self, start_timeout_s: float) -> SessionEnd:
        """From the stream's start to the end of the conversation. Never raises for what people or carriers do.

        The line is left as it is: whoever runs the session first notes why the call ends, then closes it.
        """
        try:
            async with asyncio.timeout(start_timeout_s):
                await self._started.wait()
        except TimeoutError:
            error = CallError(code="no_media", message="The carrier opened no audio for this call.")
            return SessionEnd(end_reason=EndReason.FAILED, error=error)
        try:
            return await self._converse()
        finally:
            self._hearing.disable()
            await self._settle()

    async def _converse(self) -> SessionEnd:
        agent = asyncio.create_task(self._agent(self))
        verdict = asyncio.create_task(self._verdict_came.wait())
        hang_up = asyncio.create_task(self._hang_up_asked.wait())
        tasks: set[asyncio.Task[Any]] = {agent, verdict, hang_up}
        try:
            async with asyncio.timeout(self._facts.max_duration_s):
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if verdict.done() and not agent.done() and not hang_up.done():
                    await _stop(agent)
                    self._yield_line()
                    machine = asyncio.create_task(self._machine_answered())
                    tasks.add(machine)
                    await asyncio.wait({machine, hang_up}, return_when=asyncio.FIRST_COMPLETED)
                    if machine.done():
                        return machine.result()
                if agent.done():
                    return self._after_agent(agent)
                return self._ended(EndReason.COMPLETED)
        except TimeoutError:
            self._journal.event("limit", {"max_duration_s": self._facts.max_duration_s})
            return self._ended(EndReason.COMPLETED)
        finally:
            for task in tasks:
                await _stop(task)

    def _after_agent(self, agent: asyncio.Task[None]) -> SessionEnd:
        try:
            agent.result()
        except CallEnded:
            pass
        except Exception:
            logger.exception("Agent failed", extra={"call_id": self.call_id})
            error = CallError(code="agent_failed", message="The agent stopped because of an error in it.")
            return SessionEnd(end_reason=EndReason.FAILED, error=error, still_up=not self._over)
        return self._ended(EndReason.COMPLETED)

    def _ended(self, reason: EndReason, message_delivered: bool | None = None) -> SessionEnd:
        error = None
        if not self._orderly and not self._transferred:
            reason = EndReason.FAILED
            error = CallError(code="audio_lost", message="The carrier's audio connection broke during the call.")
        return SessionEnd(
            end_reason=reason,
            error=error,
            still_up=not self._transferred and not (self._over and self._orderly),
            transferred=self._transferred,
            message_delivered=message_delivered,
        )

    async def _machine_answered(self) -> SessionEnd:
        """Leave the message, if there is one and the machine takes it; else hang up."""
        policy, verdict = self._facts.machine, self._verdict
        assert verdict is not None
        message = policy.message(self) if policy.action == "leave_message" else ""
        if verdict.answered_by is AnsweredBy.FAX or not message:
            return self._ended(EndReason.MACHINE)
        try:
            await self._pause(MESSAGE_PAUSE_MS)
            said = await self.say(message, interruptible=False)
        except CallEnded:
            return self._ended(EndReason.MACHINE, message_delivered=False)
        reason = EndReason.COMPLETED if said.complete else EndReason.MACHINE
        return self._ended(reason, message_delivered=said.complete)

    # -- told from outside -----------------------------------------------------------------------------------

    def ask_hang_up(self) -> None:
        """The user, or the server's shutdown, wants the call to end."""
        self._hang_up_asked.set()

    def answered_by_is(self, verdict: Verdict) -> None:
        """Answering machine detection has a result; a machine changes the call's course unless told otherwise."""
        self._verdict = verdict
        is_machine = verdict.answered_by in (AnsweredBy.MACHINE, AnsweredBy.FAX)
        if is_machine and self._facts.machine.action != "continue":
            self._verdict_came.set()

    # -- Listener --------------------------------------------------------------------------------------------

    def on_started(self, started: StreamStarted) -> None:
        self._started.set()

    def on_audio(self, pcm: bytes, at_ms: int) -> None:
        self._hearing.audio(pcm)

    def on_digit(self, digit: str, at_ms: int) -> None:
        self._journal.event("digit", {"at_ms": at_ms})  # which one may be part of a card number
        self._digits += digit
        if self._state is TurnState.SPEAKING and self._interruptible:
            self._cut_in()
        elif self._state is TurnState.LISTENING:
            self._wake()

    def on_closed(self, *, orderly: bool) -> None:
        self._over = True
        self._orderly = orderly or self._hang_up_asked.is_set()
        self._started.set()
        self._hearing.disable()
        self._wake()

    # -- LiveCall: the verbs ---------------------------------------------------------------------------------

    @property
    def answered_by(self) -> AnsweredBy | None:
        return self._verdict.answered_by if self._verdict else None

    async def say(self, text: str, *, interruptible: bool = True) -> Said:
        self._must_be_up()
        asked = self._loop.time()
        self._move(TurnEvent.SAY)
        self._begin_speaking(interruptible)
        playback = self._playback = self.line.play()
        producer = asyncio.create_task(self._synthesise(text, playback))
        turn = Turn(seq=self._next_seq(), speaker=Speaker.AGENT, text=text, start_ms=self._now_ms())
        try:
            both: set[asyncio.Future[Any]] = {producer, playback.done}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if playback.start_ms is not None:
                turn = replace(turn, start_ms=playback.start_ms, latency=self._latency(asked))
                self._journal.turn(turn)
            played_ms = await playback.done
        finally:
            failure = await _stop(producer)
            self._playback = None
            self._greeting = False
        interrupted = self._state is TurnState.INTERRUPTED
        if not interrupted:
            self._move(TurnEvent.PLAYED)
        cut_off = interrupted or self._over
        heard = heard_part(text, played_ms, playback.fed * FRAME_MS) if cut_off else text
        if playback.start_ms is not None:
            end_ms = playback.start_ms + played_ms
            self._journal.turn(replace(turn, text=heard, end_ms=end_ms, interrupted=cut_off))
        self._must_be_up()
        if failure is not None:
            raise failure
        return Said(text=heard, played_ms=played_ms, interrupted=interrupted, complete=playback.complete)

    async def listen(
        self, *, until_silence_s: float = 0.5, no_reply_s: float = 6.0, max_digits: int = 0
    ) -> Heard:
        self._must_be_up()
        self._move(TurnEvent.LISTEN)
        self._hearing.until_silence_ms = round(until_silence_s * 1000)
        self._hearing.enable()
        silent_since = self._loop.time()
        while True:
            if max_digits and self._digits:
                return self._reply(Heard(digits=await self._read_digits(max_digits)))
            if self._heard is not None:
                text = await self._recognised_text(self._heard)
                if text:
                    return self._reply(Heard(text=text))
                silent_since = self._loop.time()  # a cough; the callee gets the time again
                continue
            timeout_s = silent_since + no_reply_s - self._loop.time()
            if self._hearing.current is not None:
                timeout_s = max(timeout_s, 1.0)   # somebody is speaking: that isn't silence
            if timeout_s <= 0:
                self._move(TurnEvent.NO_REPLY)
                self._decided = None
                return Heard(silent=True)
            await self._wait(timeout_s)

    async def send_digits(self, digits: str) -> None:
        """In band: 100 ms tones in the call's own audio, which G.711 carries well on every carrier."""
        self._must_be_up()
        self._move(TurnEvent.SAY)
        self._interruptible = False
        playback = self.line.play()
        for digit in digits:
            playback.feed(silence(500) if digit in "wW," else tones.dtmf(digit, 100) + silence(100))
        playback.finish()
        await playback.done
        self._move(TurnEvent.PLAYED)
        self._journal.event("digits_sent", {"count": len(digits)})
        self._must_be_up()

    async def transfer(self, to: str) -> None:
        self._must_be_up()
        try:
            await self._control.transfer(to)
        except CarrierError as error:
            logger.warning("Transfer refused", extra={"call_id": self.call_id, "code": error.code})
            self._journal.event("transfer_failed", {"code": error.code, "message": error.message})
            raise
        self._transferred = True
        self._journal.event("transferred", {})
        raise CallEnded

    async def hang_up(self) -> None:
        raise CallEnded

    # -- inside ----------------------------------------------------------------------------------------------

    def _begin_speaking(self, interruptible: bool) -> None:
        self._interruptible = interruptible
        if (early := self._heard) is not None:  # said before the question: no answer to it
            self._heard = None
            self._in_background(self._note_backchannel(early))
        if interruptible:
            self._hearing.enable()
        else:
            self._hearing.disable()

    async def _synthesise(self, text: str, playback: Playback) -> None:
        try:
            async for pcm in self._engines.text_to_speech.speak(text):
                playback.feed(pcm)
        finally:
            playback.finish()

    async def _recognised_text(self, utterance: Utterance) -> str:
        """The text of a finished utterance, written into the transcript; "" for noise."""
        self._heard = None
        self._decided = self._loop.time()
        began_ms = self._now_ms()
        text = await utterance.text()
        self._recognised = self._loop.time()
        self._spoken_end = self._decided - (began_ms - utterance.end_ms) / 1000
        self._must_be_up()
        self._write_callee(utterance, text)
        return text

    async def _read_digits(self, max_digits: int) -> str:
        while len(self._digits) < max_digits and not self._digits.endswith("#"):
            before = len(self._digits)
            await self._wait(DIGIT_GAP_S)
            if len(self._digits) == before:
                break
        self._decided = self._recognised = self._spoken_end = self._loop.time()
        digits, self._digits = self._digits.rstrip("#")[:max_digits], ""
        if (utterance := self._hearing.current) is not None:
            utterance.discard()
        seq, now_ms = self._next_seq(), self._now_ms()
        text = f"[pressed {len(digits)} digit{'s' if len(digits) != 1 else ''}]" if len(digits) > 1 else f"[{digits}]"
        self._journal.turn(
            Turn(seq=seq, speaker=Speaker.CALLEE, text=text, start_ms=now_ms, end_ms=now_ms)
        )
        return digits

    def _reply(self, heard: Heard) -> Heard:
        self._move(TurnEvent.REPLIED)
        return heard

    def _latency(self, asked: float) -> dict[str, int] | None:
        """Of the turn whose first frame just left; None for a turn that answers nothing."""
        first = self.line.first_frame_at
        if first is None or None in (self._decided, self._recognised, self._spoken_end):
            return None
        assert self._decided is not None
        assert self._recognised is not None
        assert self._spoken_end is not None
        steps = {
            "silence": self._decided - self._spoken_end,
            "recognition": self._recognised - self._decided,
            "decision": asked - self._recognised,
            "synthesis": first - asked,
            "total": first - self._spoken_end,
        }
        self._decided = None
        return {name: max(0, round(seconds * 1000)) for name, seconds in steps.items()}

    def _voice(self, utterance: Utterance) -> None:
        """The callee's voice goes on; over the agent's, that may be an interruption."""
        playback = self._playback
        if self._state is not TurnState.SPEAKING or playback is None or playback.start_ms is None:
            return
        since_ms = max(utterance.start_ms, playback.start_ms)
        voice_ms = utterance.end_ms - since_ms
        began_after_ms = since_ms - playback.start_ms
        if self._interruptible and is_cut_in(
            voice_ms=voice_ms, began_after_ms=began_after_ms, greeting=self._greeting
        ):
            self._cut_in()

    def _cut_in(self) -> None:
        self._move(TurnEvent.CUT_IN)
        self.line.clear()

    def _utterance(self, utterance: Utterance) -> None:
        """The callee has finished an utterance. Over the agent's voice, and too short to interrupt: a backchannel."""
        if self._state is TurnState.SPEAKING:
            self._in_background(self._note_backchannel(utterance))
            return
        self._heard = utterance
        if self._state is TurnState.LISTENING:
            self._wake()

    async def _note_backchannel(self, utterance: Utterance) -> None:
        text = await utterance.text()
        self._write_callee(utterance, text)

    def _write_callee(self, utterance: Utterance, text: str) -> None:
        if text:
            turn = Turn(
                seq=self._next_seq(),
                speaker=Speaker.CALLEE,
                text=text,
                start_ms=utterance.start_ms,
                end_ms=utterance.end_ms,
            )
            self._journal.turn(turn)

    async def _pause(self, ms: int) -> None:
        playback = self.line.play()
        playback.feed(silence(ms))
        playback.finish()
        await playback.done
        self._must_be_up()

    def _yield_line(self) -> None:
        """Take the line from a stopped verb."""
        self.line.clear()
        self._hearing.disable()
        self._state = TurnState.THINKING

    def _move(self, event: TurnEvent) -> None:
        self._state = next_turn(self._state, event)

    def _must_be_up(self) -> None:
        if self._over:
            raise CallEnded

    async def _wait(self, timeout_s: float) -> None:
        """Until something happens or `timeout_s` passed. Raises CallEnded."""
        self._waiter = self._loop.create_future()
        try:
            async with asyncio.timeout(timeout_s):
                await self._waiter
        except TimeoutError:
            pass
        finally:
            self._waiter = None
        self._must_be_up()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _now_ms(self) -> int:
        return self.line.now_ms()

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def _in_background(self, work: Awaitable[None]) -> None:
        async def quietly() -> None:
            try:
                await work
            except Exception:
                logger.exception("Recognition failed", extra={"call_id": self.call_id})

        task = asyncio.create_task(quietly())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _settle(self) -> None:
        """Wait briefly for what still runs in the background, so that the transcript is whole."""
        if self._background:
            _, late = await asyncio.wait(set(self._background), timeout=2.0)
            for task in late:
                await _stop(task)


async def _stop(task: asyncio.Task[Any]) -> Exception | None:
    """Cancel a task, wait for its end and return what it failed with."""
    task.cancel()
    await asyncio.wait({task})
    return None if task.cancelled() else task.exception()  # type: ignore[return-value]


def heard_part(text: str, played_ms: int, total_ms: int) -> str:
    """The words of `text` that were spoken in the first `played_ms` of `total_ms`, to the nearest whole word."""
    if total_ms <= 0 or played_ms <= 0:
        return ""
    if played_ms >= total_ms:
        return text
    words = text.split()
    reach = len(text) * played_ms / total_ms
    kept: list[str] = []
    length = 0
    for word in words:
        length += len(word) + 1
        if length - 1 > reach:
            break
        kept.append(word)
    return " ".join(kept)


OpenSession = Callable[[Line], Session]
