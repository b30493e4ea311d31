"""What callees do that a conversation has to bear, a module each: plans, and how one that was played is judged."""

from bench.talk.situations import closed, echo, hold_on, listening_words, near_voice, numbers, opening, pauses
from bench.talk.situations.situation import Situation

SITUATIONS: dict[str, Situation] = {
    situation.name: situation
    for situation in (
        echo.ECHO, echo.INTERRUPTIONS, listening_words.BACKCHANNELS, listening_words.EARLY, pauses.PAUSES,
        hold_on.HOLD_ON, hold_on.WAIT_A_MOMENT, near_voice.BEHIND, closed.CLOSED, closed.DENIALS, closed.MISHEARD,
        numbers.SPOKEN, numbers.PRESSED, opening.HELLO, opening.MACHINE,
    )
}  # fmt: skip
