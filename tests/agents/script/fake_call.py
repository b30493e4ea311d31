"""A live call without audio: a callee whose words are listed beforehand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from outdial.conversation.verb_results import NOT_TAKEN, CallEnded, FailedTransfer, Heard, Said, TransferFailed
from outdial.conversation.warm import Warm
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.transfer import TransferOutcome
from outdial.telephony.verdict import AnsweredBy


@dataclass(frozen=True)
class BargeIn:
    """The callee says `words` or presses `digits` once `after` words of a text with `into` were played."""

    words: str = ""
    into: str = ""
    after: int = 3
    digits: str = ""


def pressed(digits: str) -> Heard:
    return Heard(digits=digits)


SILENCE = Heard(silent=True)


@dataclass
class FakeCall:
    """Every listen takes the next of `callee` (a text, a Heard); afterwards the callee is silent."""

    callee: list[str | Heard | BargeIn] = field(default_factory=list)
    variables: Mapping[str, Any] = field(default_factory=dict)
    noted: dict[str, Any] = field(default_factory=dict)
    answered_by: AnsweredBy | None = None
    call_id: str = "call_1"
    user_id: str = "+12025550100"
    hello: str = ""  # said before the agent speaks
    last_event: dict[str, Any] = field(
        default_factory=lambda: {
            "type": "launch",
            "payload": {"callType": "outbound", "userNumber": "+12025550100", "agentNumber": "+12025550199"},
        }
    )
    said: list[str] = field(default_factory=list)
    listened: list[dict[str, Any]] = field(default_factory=list)
    how: list[dict[str, Any]] = field(default_factory=list)  # every listen was asked to be done, beside that
    digits_sent: list[str] = field(default_factory=list)
    failed_transfer: FailedTransfer | None = None
    refuses_transfers: bool = False
    takes_call: TransferOutcome = TransferOutcome.ANSWERED  # what who is asked first makes of it
    warm: Warm | None = None  # how they were asked
    transferred_to: str | None = None
    goes_on_at: str | None = None  # should nobody take the transfer
    ended: bool = False
    _started: str | Heard | None = None

    async def greeting(self, then: str = "") -> Heard:
        self._up()
        return Heard(text=self.hello, silent=not self.hello)

    async def say(self, text: str, *, interruptible: bool = True, asks: bool | None = None) -> Said:
        self._up()
        assert text, "nothing to say"
        self.said.append(text)
        match self.callee:
            case [BargeIn() as told, *rest] if interruptible and told.into in text:
                self.callee = rest
                self._started = Heard(text=told.words, digits=told.digits, silent=not (told.words or told.digits))
                played = " ".join(text.split()[: told.after])
                return Said(text=played, played_ms=told.after * 300, interrupted=True, complete=False)
        return Said(text=text, played_ms=len(text.split()) * 300, interrupted=False, complete=True)

    async def listen(self, *, no_reply_s: float = 6.0, max_digits: int = 0, **how: Any) -> Heard:
        self._up()
        self.how.append(how)
        self.listened.append({"no_reply_s": no_reply_s, "max_digits": max_digits})
        if self._started is not None:
            reply, self._started = self._started, None
        elif self.callee and not isinstance(self.callee[0], BargeIn):
            reply = self.callee.pop(0)
        else:
            reply = SILENCE
        if reply == "(hangs up)":
            self.ended = True
            raise CallEnded
        return Heard(text=reply) if isinstance(reply, str) else reply

    async def send_digits(self, digits: str) -> None:
        self._up()
        self.digits_sent.append(digits)

    async def transfer(self, to: str, *, failed: str | None = None, warm: Warm | None = None) -> None:
        self._up()
        self.warm = warm
        if warm is not None and self.takes_call is not TransferOutcome.ANSWERED:
            raise TransferFailed(NOT_TAKEN, self.takes_call)
        if self.refuses_transfers:
            raise TransferFailed(CallError(code=FailureCode.CARRIER_REFUSED, message="The carrier refused."))
        self.transferred_to, self.goes_on_at = to, failed
        self.ended = True
        raise CallEnded

    async def hang_up(self) -> None:
        self._up()
        self.ended = True
        raise CallEnded

    def _up(self) -> None:
        if self.ended:
            raise CallEnded
