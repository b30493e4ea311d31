"""What somebody outside may ask of a live call: the words of the API, checked there and carried out by the session."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """Have a sentence spoken once the agent and the callee have finished theirs; `interrupt` waits for neither."""

    text: str
    interrupt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SendDigits:
    digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Whisper:
    """Tell the agent something, for its next turn; the callee never hears it."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOver:
    """Transfer the call to a person at once, who has listened to it. Before, the agent says `text`; None: that it
    connects the callee, in its own language."""

    to: str
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVariables:
    """Noted in the call, where it comes before what was sent. What isn't named stays as it is."""

    values: Mapping[str, Any]


Command = Say | SendDigits | Transfer | Whisper | TakeOver | SetVariables


class CommandRefused(Exception):
    """It can't be done on this call (now). `code` is stable, `message` a sentence for the user."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)  # the sentence may name a phone number; it stays out of logs
        self.code = code
        self.message = message


def refusal(*, transferred: bool, closed: bool) -> CommandRefused:
    """Why nothing can be done on a call of which this is known."""
    if transferred:
        return CommandRefused("call_transferred", "The other party was transferred; the agent has left the call.")
    if closed:
        return CommandRefused("call_ended", "The call has ended already.")
    return CommandRefused("call_not_in_progress", "The agent does not talk on this call now.")
