"""What comes of an agent's verbs on a call: what they give, and what they raise (see live_call.LiveCall)."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.transfer import TransferOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What came of a `say`: what the carrier really played, in words, and whether the callee barged in."""

    text: str
    played_ms: int
    interrupted: bool
    complete: bool  # the carrier's mark proves that everything was played
    taken_back: bool = False  # the callee goes on with its last answer: the next `listen` gives all of it
    cut_off: bool = False  # somebody from outside didn't wait for the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What the callee said or pressed; `silent` when neither came in time. `back`: it had asked for a moment, and is
    there again without an answer: ask once more. `doubtful`: the words may as well have been another answer. `lost`:
    it said something that won't be known, which agents aren't told: it is asked to say that again."""

    text: str = ""
    digits: str = ""
    silent: bool = False
    back: bool = False
    doubtful: bool = False
    lost: bool = False


class Thought:
    """Texts of a model's, for `say`, and when (event loop's clock) its first token came and its first sentence was
    whole; None where neither has."""

    def __init__(
        self, texts: AsyncGenerator[str], *, first_token_at: float | None = None, first_sentence_at: float | None = None
    ) -> None:
        self.first_token_at = first_token_at
        self.first_sentence_at = first_sentence_at
        self._texts = texts

    def __aiter__(self) -> AsyncIterator[str]:
        return self._texts

    async def __anext__(self) -> str:
        return await anext(self._texts)

    async def aclose(self) -> None:
        await self._texts.aclose()


class CallEnded(Exception):  # an outcome the agent may ignore, not an error
    """The call is over (the callee hung up, a limit was reached); raised out of every verb."""


class SpeechFailed(Exception):
    """Speech could not be synthesised or recognised. The call itself is still up."""


class AgentFailed(Exception):
    """The agent can't go on, and knows why: `reason` is a sentence for the call's record, with nothing in it of what
    was said, and no secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TransferFailed(Exception):
    """The carrier wouldn't transfer the call, or didn't say that it has; or who was asked first didn't take it, and
    `result` says how that went. The call itself is still up."""

    def __init__(self, error: CallError, result: TransferOutcome = TransferOutcome.FAILED) -> None:
        # Its sentence may name a phone number; it stays out of logs.
        super().__init__(error.code if error.carrier_code is None else f"{error.code} ({error.carrier_code})")
        self.error = error
        self.result = result


# Why an agent goes on with a callee whom somebody was asked to take; how it went is the transfer's result.
NOT_TAKEN = CallError(code=FailureCode.NOT_CONNECTED, message="Who was asked to take the call didn't take it.")


class CallBackRefused(Exception):
    """The other party can't be called back as asked: `reason` is a sentence without its number. The call is up."""

    def __init__(self, reason: str) -> None:
        super().__init__("call back refused")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTransfer:
    """Why a call is back at its agent: nobody took the transfer to `to`. `step` is what the agent called its way on."""

    step: str
    to: str
    result: TransferOutcome
