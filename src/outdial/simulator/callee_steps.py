"""What a callee does on an answered phone, step by step."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Say:
    text: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Silence on this end of the line."""

    ms: int


@dataclass(frozen=True, slots=True)
class WaitForTurn:
    """Until the other side has spoken and then been silent for `pause_ms`.

    When it says nothing for `patience_ms`, say `nudge` and wait again; after `nudges` of them, hang up.
    """

    pause_ms: int = 700
    patience_ms: int = 8000
    nudge: str = "Hello? Is anybody there?"
    nudges: int = 2


@dataclass(frozen=True, slots=True)
class WaitForSpeech:
    """Until the other side begins to speak, or `patience_ms` have passed."""

    patience_ms: int = 10_000


class Sound(StrEnum):
    """What can be heard of a callee in one frame; answering machine detection goes by it."""

    SILENCE = "silence"
    SPEECH = "speech"
    BEEP = "beep"
    FAX = "fax"
    SIT = "sit"      # three rising tones before a network announcement
    MUSIC = "music"
    DIGIT = "digit"


@dataclass(frozen=True, slots=True)
class Tone:
    sound: Sound  # BEEP, FAX or MUSIC; SIT has a length of its own
    ms: int = 0


@dataclass(frozen=True, slots=True)
class Press:
    digits: str


@dataclass(frozen=True, slots=True)
class AskForDigit:
    """Say `prompt` and wait `wait_ms`, again and again, until a digit is heard; it cuts the prompt short.

    After `times` rounds without one, hang up.
    """

    prompt: str
    wait_ms: int = 4000
    times: int = 4


@dataclass(frozen=True, slots=True)
class HangUp:
    pass


Step = Say | Wait | WaitForTurn | WaitForSpeech | Tone | Press | AskForDigit | HangUp


def utterances(script: tuple[Step, ...]) -> set[str]:
    """Everything a script may say, so that it can be synthesised before the phone is answered."""
    said: set[str] = set()
    for step in script:
        match step:
            case Say(text=text) | AskForDigit(prompt=text):
                said.add(text)
            case WaitForTurn(nudge=text, nudges=nudges) if nudges:
                said.add(text)
    return said
