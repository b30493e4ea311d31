"""What a callee does on a call in memory (text_call.py, audio_call.py), line by line."""

import re
from dataclasses import dataclass

from outdial.conversation.own_words import has_been_asked
from outdial.conversation.transcript import MS_PER_CHAR
from outdial.conversation.turn_words import TurnWords
from outdial.telephony.transfer import TransferOutcome

CARRIER_REFUSES = "refused"
REPLY_MS = 600  # from the agent's last word to the callee's first
MAX_TOLD = 200  # characters of what the agent said, in a reason


@dataclass(frozen=True, slots=True)
class Hears:
    """The agent says this before the callee does what comes next: these words, in this order, wherever in its text."""

    words: str


@dataclass(frozen=True, slots=True)
class Says:
    """Words, or stretches of them with silences between, in seconds: ("I think", 0.9, "Friday.")."""

    words: str | tuple[str | float, ...]

    @property
    def parts(self) -> tuple[str | float, ...]:
        return (self.words,) if isinstance(self.words, str) else self.words

    @property
    def text(self) -> str:
        return " ".join(part for part in self.parts if isinstance(part, str))

    @property
    def pauses_s(self) -> float:
        return sum(part for part in self.parts if not isinstance(part, str))


@dataclass(frozen=True, slots=True)
class Presses:
    keys: str  # 0-9, * and #


@dataclass(frozen=True, slots=True)
class Interrupts:
    """Once these words of the agent were heard, or so many seconds of them since the line before, the callee speaks, or
    presses keys; without either it coughs. Words that only listen ("okay", "mhm") and coughs stop no agent."""

    after: str | float
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


class WentWrong(Exception):
    """The call didn't go as its lines say; `line` is the number of the line from 0, None where it is none's fault."""

    def __init__(self, reason: str, line: int | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


def not_heard(line: Hears | Interrupts, told: str) -> str:
    """Why a line doesn't come about: the agent listens, and has said no more than that."""
    if isinstance(line, Interrupts) and not isinstance(line.after, str):
        return f"the agent doesn't speak for {line.after:g} s; it said {quoted(told)}"
    return f"the callee doesn't hear this; the agent said {quoted(told)}"


def over_before(told: str) -> str:
    return f"the call was over before this; the agent said {quoted(told)}"


def quoted(told: str) -> str:
    told = " ".join(told.split())
    return f"“{told if len(told) <= MAX_TOLD else '…' + told[-MAX_TOLD:]}”" if told else "nothing"


NOT_INTERRUPTIBLE = "this is said to its end: the callee can't interrupt it"
NO_TRANSFER = "the agent listens here, and makes no transfer"
GIVEN_UP = "this took too long, and was given up"


def find_words(text: str, words: str, start: int = 0) -> int | None:
    """Where in `text` these words end, looked for from `start`: whole ones, one after the other, whatever their case
    and whatever stands between them that is no word. None where they aren't there."""
    wanted = re.findall(r"\w+", words)
    if not wanted:
        return None
    found = re.compile(r"\b" + r"\W+".join(map(re.escape, wanted)) + r"\b", re.IGNORECASE).search(text, start)
    return found.end() if found else None


def interrupts_at(told: str, after: str | float, start: int, told_to: int) -> int | None:
    """Where in what is told since `start`, and heard up to `told_to`, an Interrupts is due; at the end of a word."""
    if isinstance(after, str):
        return find_words(told, after, max(told_to, start))
    reached = max(start, told_to + round(after * 1000 / MS_PER_CHAR))
    if reached > len(told):
        return None
    end = told.find(" ", reached)
    return len(told) if end < 0 else end


def stops_for(turn_words: TurnWords, words: str, told: str, heard: str, asks: bool | None) -> bool:
    """Whether the agent stops for them; for those that only listen it does where it had asked its question."""
    asks = told.rstrip().endswith("?") if asks is None else asks
    return (asks and has_been_asked(told, heard)) or not turn_words.is_backchannel(words)
