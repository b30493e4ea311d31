"""What a callee does on a call in memory (text_call.py), line by line."""

import re
from dataclasses import dataclass

from outdial.telephony.transfer import TransferOutcome

CARRIER_REFUSES = "refused"


@dataclass(frozen=True, slots=True)
class Hears:
    """The agent says this before the callee does what comes next: these words, in this order, wherever in its text."""

    words: str


@dataclass(frozen=True, slots=True)
class Says:
    words: str


@dataclass(frozen=True, slots=True)
class Presses:
    keys: str  # 0-9, * and #


@dataclass(frozen=True, slots=True)
class Interrupts:
    """Once these words of the agent were heard the callee speaks, or presses keys; without either it was a noise that
    stops the agent."""

    after: str
    says: str = ""
    presses: str = ""


@dataclass(frozen=True, slots=True)
class Silent:
    """No answer, until the agent speaks again."""


@dataclass(frozen=True, slots=True)
class Waits:
    """This long of the agent's listening goes by before the callee does what comes next."""

    seconds: float


@dataclass(frozen=True, slots=True)
class HangsUp:
    pass


@dataclass(frozen=True, slots=True)
class TransferEnds:
    """What becomes of the transfer that the agent makes; CARRIER_REFUSES: it isn't even tried. Where this isn't
    written somebody answers it."""

    outcome: TransferOutcome | str = TransferOutcome.ANSWERED


CalleeLine = Hears | Says | Presses | Interrupts | Silent | Waits | HangsUp | TransferEnds


def find_words(text: str, words: str, start: int = 0) -> int | None:
    """Where in `text` these words end, looked for from `start`: whole ones, one after the other, whatever their case
    and whatever stands between them that is no word. None where they aren't there."""
    wanted = re.findall(r"\w+", words)
    if not wanted:
        return None
    found = re.compile(r"\b" + r"\W+".join(map(re.escape, wanted)) + r"\b", re.IGNORECASE).search(text, start)
    return found.end() if found else None
