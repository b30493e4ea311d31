"""What came of a conversation, in one word. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import EndedBy, EndReason
from outdial.telephony.verdict import AnsweredBy

MAX_WORD_CHARS = 64

# What is noted under these names means something to Outdial.
NAMED = "outcome"     # the agent's own word for what came of the call
WISH = "do_not_call"  # True: the callee wants no more calls


class Outcome(StrEnum):
    """Our own words; an agent has others. In the order in which they are tried, the agent's after `transfer_failed`."""

    DO_NOT_CALL = "do_not_call"          # the callee asked for it
    SILENT = "silent"                    # answered, and the callee never spoke nor pressed a key
    TRANSFER_FAILED = "transfer_failed"
    TRANSFERRED = "transferred"
    LEFT_MESSAGE = "left_message"        # on a machine; the carrier's marks prove it
    HUNG_UP_EARLY = "hung_up_early"      # the callee left before any of these


OUR_WORDS: frozenset[str] = frozenset(Outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a call that has ended, and of its last attempt.

    `callee_responded`: whether the callee spoke or pressed a key; None where nobody listened to the end.
    `transferred`: what became of the last transfer; None where none was tried, or it isn't known yet: then
    `transfer_rings`.
    `noted`: what the agent wrote down.
    """

    answered: bool
    end_reason: EndReason
    ended_by: EndedBy
    error: CallError | None = None
    answered_by: AnsweredBy | None = None
    callee_responded: bool | None = None
    transferred: bool | None = None
    transfer_rings: bool = False
    message_delivered: bool = False
    noted: Mapping[str, Any]


def outcome_of(facts: Facts) -> str | None:
    """The first word that holds; None when none does."""
    if not facts.answered or _agent_broke(facts):
        return None
    if facts.noted.get(WISH) is True:
        return Outcome.DO_NOT_CALL
    if is_silent(facts):
        return Outcome.SILENT
    if facts.transferred is False:
        return Outcome.TRANSFER_FAILED
    if (word := own_word(facts.noted)) is not None:
        return word
    if facts.transferred:
        return Outcome.TRANSFERRED
    if facts.message_delivered:
        return Outcome.LEFT_MESSAGE
    left = facts.end_reason is EndReason.COMPLETED and facts.ended_by is EndedBy.CALLEE
    if left and not facts.transfer_rings:
        return Outcome.HUNG_UP_EARLY
    return None


def is_silent(facts: Facts) -> bool:
    """Whether nobody made themselves heard. A machine did, with its greeting; and who was to be heard on a call that
    failed can't be known."""
    return (
        facts.callee_responded is False
        and facts.end_reason is not EndReason.FAILED
        and facts.answered_by not in (AnsweredBy.MACHINE, AnsweredBy.FAX)
    )


def own_word(noted: Mapping[str, Any]) -> str | None:
    """The outcome an agent names: a short text in one line; None where it names none, or what can't be one."""
    word = noted.get(NAMED)
    if not isinstance(word, str):
        return None
    word = word.strip()
    return word if 0 < len(word) <= MAX_WORD_CHARS and word.isprintable() else None


def _agent_broke(facts: Facts) -> bool:
    broken = (FailureCode.AGENT_FAILED, FailureCode.SPEECH_FAILED)
    return facts.error is not None and facts.error.code in broken
