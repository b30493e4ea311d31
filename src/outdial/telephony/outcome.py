"""What came of a conversation, in one word. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import EndedBy, EndReason
from outdial.telephony.verdict import MACHINES, AnsweredBy

MAX_WORD_CHARS = 64

# What is noted under these names means something to Outdial.
NAMED = "outcome"     # the agent's own word for what came of the call
WISH = "do_not_call"  # True: the callee wants no more calls
CALL_BACK = "call_back_at"  # when it is to be called back, as was promised and arranged


class Outcome(StrEnum):
    """Our own words; an agent has others. In the order in which they are tried, the agent's after `transfer_failed`."""

    DO_NOT_CALL = "do_not_call"          # the callee asked for it
    SILENT = "silent"                    # answered, and the callee never spoke nor pressed a key
    TRANSFER_FAILED = "transfer_failed"
    CALL_BACK = "call_back"              # promised to the callee, and arranged
    TRANSFERRED = "transferred"
    LEFT_MESSAGE = "left_message"        # on a machine; the carrier's marks prove it
    HUNG_UP_EARLY = "hung_up_early"      # the callee left before any of these


AGENTS_WORD = "agent"  # instead of an agent's own, where anybody's words must not stand, nor any number of them


def closed_word(outcome: str | None) -> str | None:
    """`outcome`, or AGENTS_WORD: one of a closed set."""
    return outcome if outcome is None or outcome in _OUR_WORDS else AGENTS_WORD


_OUR_WORDS: frozenset[str] = frozenset(Outcome)


class DecidedBy(StrEnum):
    """Who has decided what came of a call."""

    RULE = "rule"    # Outdial, by what is known of the call
    AGENT = "agent"  # the agent, which named it in the call
    MODEL = "model"  # the agent's model, which read the transcript after the call


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a call that has ended, and of its last attempt.

    `callee_responded`: whether the callee spoke or pressed a key; None where nobody listened to the end.
    `transferred`: what became of the last transfer; None where none was tried, or it isn't known yet: then
    `transfer_rings`.
    `called_back`: whether a call back is arranged for it, which no note can say.
    `noted`: what the agent wrote down. `judged`: the outcome that a model named after the call, in its wrap-up.
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
    called_back: bool = False
    noted: Mapping[str, Any]
    judged: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What came of a call, and who decided it."""

    outcome: str
    by: DecidedBy


def decide(facts: Facts) -> Decision | None:
    """The first word that holds; None when none does. What is known of the call comes first, then what the agent named
    in it, then what its model made of it afterwards."""
    if not facts.answered or _agent_broke(facts):
        return None
    if (before := _before_any_word(facts)) is not None:
        return Decision(outcome=before, by=DecidedBy.RULE)
    if (word := own_word(facts.noted)) is not None:
        return Decision(outcome=word, by=DecidedBy.AGENT)
    if facts.judged is not None and is_for_a_model(facts):
        return Decision(outcome=facts.judged, by=DecidedBy.MODEL)
    rule = _after_any_word(facts)
    return None if rule is None else Decision(outcome=rule, by=DecidedBy.RULE)


def outcome_of(facts: Facts) -> str | None:
    """The word of `decide`."""
    decision = decide(facts)
    return None if decision is None else decision.outcome


def decided_by(outcome: str | None, noted: Mapping[str, Any], judged: str | None) -> DecidedBy | None:
    """Who has decided an outcome that is stored, by what was noted and what a model named after the call."""
    if outcome is None:
        return None
    if own_word(noted) == outcome:
        return DecidedBy.AGENT
    if outcome in set(Outcome):
        return DecidedBy.RULE
    return DecidedBy.MODEL if judged == outcome else DecidedBy.AGENT


def is_for_a_model(facts: Facts) -> bool:
    """Whether words that were said may decide what came of it: not those of a machine, nor on a call that failed. Our
    own words are for rules alone: they say what was proved."""
    return (
        facts.answered
        and facts.judged not in set(Outcome)
        and facts.end_reason is not EndReason.FAILED
        and facts.answered_by not in MACHINES
        and not facts.message_delivered
    )


def _before_any_word(facts: Facts) -> Outcome | None:
    """What holds whatever anybody says of it."""
    if facts.noted.get(WISH) is True:
        return Outcome.DO_NOT_CALL
    if is_silent(facts):
        return Outcome.SILENT
    return Outcome.TRANSFER_FAILED if facts.transferred is False else None


def _after_any_word(facts: Facts) -> Outcome | None:
    if facts.called_back:
        return Outcome.CALL_BACK
    if facts.transferred:
        return Outcome.TRANSFERRED
    if facts.message_delivered:
        return Outcome.LEFT_MESSAGE
    left = facts.end_reason is EndReason.COMPLETED and facts.ended_by is EndedBy.CALLEE
    return Outcome.HUNG_UP_EARLY if left and not facts.transfer_rings else None


def is_silent(facts: Facts) -> bool:
    """Whether nobody made themselves heard. A machine did, with its greeting; and who was to be heard on a call that
    failed can't be known."""
    return (
        facts.callee_responded is False
        and facts.end_reason is not EndReason.FAILED
        and facts.answered_by not in MACHINES
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
