"""Who holds the phone on a call with audio, and does what its lines say: each line as on a call without."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from outdial.media.frames import FRAME_MS
from outdial.telephony.transfer import TransferOutcome
from outdial.testing.agent_heard import AgentHeard
from outdial.testing.audio_phone import SILENCE, Acts, AudioPhone
from outdial.testing.callee import (
    GIVEN_UP,
    NO_TRANSFER,
    NOT_INTERRUPTIBLE,
    REPLY_MS,
    CalleeLine,
    HangsUp,
    Hears,
    Interrupts,
    Presses,
    Says,
    Silent,
    TransferEnds,
    Waits,
    WentWrong,
    find_words,
    not_heard,
    over_before,
)
from outdial.testing.callee_voice import Samples, cough
from outdial.testing.line_audio import LineAudio


@dataclass(frozen=True, slots=True)
class Spoken:
    """Something said: by which line, counted from 0, and which of the phone's utterances it is."""

    line: int
    utterance: int


class AudioCallee(AudioPhone):
    """`wrong`: the first thing that didn't come about; then the callee has hung up."""

    def __init__(
        self,
        lines: Sequence[CalleeLine],
        agent: AgentHeard,
        line: LineAudio,
        speech: Callable[[str], Samples],
        is_over: Callable[[], bool],
    ) -> None:
        super().__init__(line, speech)
        self.wrong: WentWrong | None = None
        self.spoken: list[Spoken] = []
        self._agent = agent
        self._lines = lines
        self._place = 0      # of the next line
        self._told_to = 0    # up to where lines have heard what is told
        self._answered = 0   # the listening that has its answer
        self._acted_ms = 0   # when the callee has done what it did last
        self._spoke_ms = 0   # of the agent's voice so far
        self._is_over = is_over

    def pick_up(self) -> None:
        self.start(self._follow())

    def agent_spoke(self) -> None:
        self._spoke_ms += FRAME_MS

    def transfer(self) -> TransferOutcome | str:
        """The agent transfers the call now: what becomes of that."""
        self._hear_rest()
        line = self._next()
        outcome = TransferOutcome.ANSWERED if not isinstance(line, TransferEnds) else line.outcome
        if isinstance(line, TransferEnds):
            self._place += 1
        self._forget()
        self._answered = self._agent.listens
        return outcome

    def check_lines(self) -> None:
        """After the call: whether everything was done. Raises WentWrong."""
        self._hear_rest()
        if self.wrong is None and self._place < len(self._lines):
            self.wrong = WentWrong(over_before(self._agent.told()), self._place)
        if self.wrong is not None:
            raise self.wrong

    # -- one line after the other -------------------------------------------------------------------------------

    def _follow(self) -> Acts:
        while (line := self._next()) is not None:
            place = self._place
            yield from self._do(line)
            if self.wrong is not None:
                break
            if self._place == place:
                self._place += 1
        while True:
            if self._has_stopped():
                self.hang_up()
            yield SILENCE

    def _do(self, line: CalleeLine) -> Acts:
        match line:
            case Hears():
                yield from self._listen_for(line)
            case Says():
                yield from self._until(self._has_turn)
                yield from self._speak(line)
            case Presses(keys=keys):
                yield from self._until(self._has_turn)
                wanted = self._agent.wants_keys
                self._forget()
                yield from self.press("" if self.wrong else keys)
                if wanted:
                    self._act_done()
            case Interrupts():
                yield from self._interrupt(line)
            case Silent():
                yield from self._until(self._is_asked)
                self._forget()
                self._act_done()
            case Waits(seconds=seconds):
                yield from self._wait_while_asked(round(seconds * 1000))
            case HangsUp():
                yield from self._until(self._has_turn)
                if self.wrong is None:
                    self.hang_up()
            case TransferEnds():
                place = self._place
                yield from self._until(lambda: self._place > place or self._has_turn())
                if self._place == place:
                    self._fail(NO_TRANSFER)

    def _listen_for(self, line: Hears) -> Acts:
        while self._next() is line and not self._hears(line):
            if self._has_turn():
                self._fail(not_heard(line, self._agent.told()))
            if self._has_stopped():
                return
            yield SILENCE

    def _speak(self, line: Says) -> Acts:
        if self.wrong is None:
            self._forget()
            yield from self._utter(line.parts)
            self._act_done()

    def _interrupt(self, line: Interrupts) -> Acts:
        spoke_from_ms = self._spoke_ms
        while not self._is_time(line, spoke_from_ms):
            if self._has_turn():
                self._fail(not_heard(line, self._agent.told()))
            if self._has_stopped():
                return
            yield SILENCE
        if not self._agent.interruptible:
            self._fail(NOT_INTERRUPTIBLE)
            return
        answers = self._agent.listens + (0 if self._agent.listening else 1)  # the listening that gets it
        if line.says or line.presses:
            self._forget()
        if line.says:
            yield from self._utter((line.says,))
        elif line.presses:
            yield from self.press(line.presses)
        else:
            yield from self.sound_of(cough())
            return
        self._act_done()
        self._answered = answers

    def _is_time(self, line: Interrupts, spoke_from_ms: int) -> bool:
        if not isinstance(line.after, str):
            return self.speaking and self._spoke_ms - spoke_from_ms >= line.after * 1000
        return find_words(self._agent.told(), line.after, self._told_to) is not None

    def _wait_while_asked(self, ms: int) -> Acts:
        while ms > 0 and not self._has_stopped():
            if self._is_asked() and not self.speaking:
                ms -= FRAME_MS
            yield SILENCE

    def _utter(self, parts: Sequence[str | float]) -> Acts:
        """Words, and silences in seconds between them."""
        self.spoken.append(Spoken(self._place, len(self.sound.utterances)))
        yield from self.say(tuple(part if isinstance(part, str) else round(part * 1000) for part in parts))

    # -- whose turn it is ---------------------------------------------------------------------------------------

    def _is_asked(self) -> bool:
        """Whether the agent listens, and not to what was answered already."""
        agent = self._agent
        return agent.listening and (agent.listens > self._answered or agent.has_spoken_since(self._acted_ms))

    def _has_turn(self) -> bool:
        return self._is_asked() and not self.speaking and self.silent_ms >= REPLY_MS

    def _until(self, happened: Callable[[], bool]) -> Acts:
        while not happened() and not self._has_stopped():
            yield SILENCE

    def _has_stopped(self) -> bool:
        if self.wrong is None and self._is_over():
            self.wrong = WentWrong(GIVEN_UP, None)
        return self.wrong is not None

    def _act_done(self) -> None:
        self._answered, self._acted_ms = self._agent.listens, self.now_ms

    def _forget(self) -> None:
        """What was told so far is answered now."""
        self._agent.forget()
        self._told_to = 0

    def _hears(self, line: Hears) -> bool:
        end = find_words(self._agent.told(), line.words, self._told_to)
        self._told_to = self._told_to if end is None else end
        return end is not None

    def _hear_rest(self) -> None:
        while isinstance(line := self._next(), Hears) and self._hears(line):
            self._place += 1

    def _next(self) -> CalleeLine | None:
        return self._lines[self._place] if self._place < len(self._lines) else None

    def _fail(self, reason: str) -> None:
        if self.wrong is None:
            self.wrong = WentWrong(reason, self._place)
