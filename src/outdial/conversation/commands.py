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
class SetVariables:
    """Noted in the call, where it comes before what was sent. What isn't named stays as it is."""

    values: Mapping[str, Any]


Command = Say | SendDigits | Transfer | SetVariables


class CommandRefused(Exception):
    """It can't be done on this call (now). `code` is stable, `message` a sentence for the user."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)  # the sentence may name a phone number; it stays out of logs
        self.code = code
        self.message = message
