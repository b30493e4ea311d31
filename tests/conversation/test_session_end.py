"""Why a conversation failed that stopped by itself."""

import pytest

from outdial.conversation.session_end import AGENT_FAILED, SPEECH_FAILED, failure_of
from outdial.conversation.verb_results import AgentFailed, CallEnded, SpeechFailed
from outdial.telephony.failures import CallError, FailureCode


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (CallEnded(), None),
        (ExceptionGroup("of a task group", [CallEnded(), CallEnded()]), None),
        (SpeechFailed("no voice"), SPEECH_FAILED),
        (ExceptionGroup("of a task group", [SpeechFailed("no voice")]), SPEECH_FAILED),
        (ExceptionGroup("of a task group", [CallEnded(), KeyError("a bug")]), AGENT_FAILED),
        (KeyError("a bug"), AGENT_FAILED),
        (None, AGENT_FAILED),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_an_error_of_the_agent_itself_is_its_failure(error, failure):
    assert failure_of(error) is failure


def test_an_agent_that_knows_why_it_failed_says_so():
    failure = failure_of(AgentFailed("The agent's model failed: timeout."))
    assert failure == CallError(code=FailureCode.AGENT_FAILED, message="The agent's model failed: timeout.")
