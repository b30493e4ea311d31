"""How a conversation ended, and the errors it may end with."""

from dataclasses import dataclass, replace

from outdial.conversation.verb_results import AgentFailed, CallEnded, SpeechFailed
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import EndedBy, Ending, EndReason

NO_MEDIA = CallError(code=FailureCode.NO_MEDIA, message="The carrier opened no audio for this call.")
AUDIO_LOST = CallError(code=FailureCode.AUDIO_LOST, message="The carrier's audio connection broke during the call.")
AGENT_FAILED = CallError(code=FailureCode.AGENT_FAILED, message="The agent stopped because of an error in it.")
SPEECH_FAILED = CallError(code=FailureCode.SPEECH_FAILED, message="Speech could not be synthesised or recognised.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnd:
    """How a conversation ended, and whether the call itself is still up at the carrier or went elsewhere.

    `ended_by`: who left first, as it was seen here; None where the callee talks on with somebody else.
    `callee_responded`: whether the callee spoke or pressed a key; None where nobody could have heard it.
    """

    end_reason: EndReason
    error: CallError | None = None
    ended_by: EndedBy | None = None
    callee_responded: bool | None = None
    still_up: bool = True       # the carrier must be asked to end it
    transferred: bool = False   # the callee talks to somebody else now
    message_delivered: bool | None = None  # to a machine; None when there was none to deliver

    @property
    def ending(self) -> Ending:
        """How the call ends with it, unless it was transferred."""
        return Ending(end_reason=self.end_reason, error=self.error, ended_by=self.ended_by)


def failure_of(error: BaseException | None) -> CallError | None:
    """Why a conversation failed that stopped by itself, with this error or by being cancelled; None where it only
    noticed that the call is over."""
    if error is not None and _is_all(CallEnded, error):
        return None
    if isinstance(error, AgentFailed):
        return replace(AGENT_FAILED, message=error.reason)
    return SPEECH_FAILED if error is not None and _is_all(SpeechFailed, error) else AGENT_FAILED


def _is_all(kind: type[Exception], error: BaseException) -> bool:
    """Whether an error is of this kind, or a group (of an agent's own task group) with nothing else in it."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(kind)[1] is None
    return isinstance(error, kind)
