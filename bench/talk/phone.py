"""Who holds the phone in memory (`outdial.testing.audio_phone`), and does what a plan says."""

from collections.abc import Callable
from functools import partial

from bench.talk.plans import AfterTurn, HangsUp, OnSpeech, Plan, Presses, Says, Waits
from outdial.media.frames import FRAME_MS
from outdial.testing.audio_phone import SILENCE, Acts, AudioPhone
from outdial.testing.callee_voice import Samples
from outdial.testing.line_audio import LineAudio

GIVE_UP_MS = 15_000  # waiting for an agent that doesn't speak, or isn't silent


class Phone(AudioPhone):
    """The media socket of one call, and who holds the phone. `speech` gives what a voice says of a text."""

    def __init__(self, plan: Plan, line: LineAudio, speech: Callable[[str], Samples]) -> None:
        super().__init__(line, speech)
        self._plan = plan
        self._spoke = False

    def pick_up(self) -> None:
        self.start(self._follow(self._plan))

    def agent_spoke(self) -> None:
        self._spoke = True

    def _follow(self, plan: Plan) -> Acts:
        for step in plan.steps:
            match step:
                case Waits(ms=ms):
                    yield from self.wait(ms)
                case AfterTurn():
                    yield from self._until(partial(self._turn_is_over, step))
                case OnSpeech():
                    self._forget()
                    yield from self._until(lambda: self.speaking)
                case Says(parts=parts):
                    yield from self.say(parts)
                    self._forget()
                case Presses(keys=keys):
                    yield from self.press(keys)
                    self._forget()
                case HangsUp():
                    self.hang_up()
        while True:
            yield SILENCE

    def _until(self, happened: Callable[[], bool]) -> Acts:
        for _ in range(GIVE_UP_MS // FRAME_MS):
            if happened():
                return
            yield SILENCE

    def _turn_is_over(self, turn: AfterTurn) -> bool:
        heard_ms = sum(self.sound.agent) * FRAME_MS
        return self._spoke and self.silent_ms >= turn.silence_ms and heard_ms >= turn.heard_ms

    def _forget(self) -> None:
        """What the agent said so far is no turn to be waited for; one that goes on is."""
        self._spoke = self.speaking
