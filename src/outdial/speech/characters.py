"""The voices of the package: what is made of the one that is recorded."""

from dataclasses import dataclass
from enum import StrEnum


class Voice(StrEnum):
    """One recorded voice is in the wheel; the second is made from it."""

    AGENT = "agent"    # as it is: a woman
    CALLEE = "callee"  # a man: lower pitch, longer vocal tract


@dataclass(frozen=True, slots=True, kw_only=True)
class Character:
    """What makes a voice out of the recorded one. `size` stretches the spectrum (a longer vocal tract has
    lower formants) by playing the audio slower; `pitch` moves the fundamental before that; `tempo` is what
    is heard in the end."""

    pitch: float
    size: float
    tempo: float


# The callee's fundamental ends at 0.65 * 0.88 of 230 Hz, a man's. Chosen among twenty by the words that
# Moonshine gets wrong in short answers through mu-law: the lowest that is understood as well as the agent.
CHARACTERS = {
    Voice.AGENT: Character(pitch=1.0, size=1.0, tempo=1.0),
    Voice.CALLEE: Character(pitch=0.65, size=0.88, tempo=0.9),
}
