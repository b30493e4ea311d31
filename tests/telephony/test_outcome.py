"""Every word for what came of a conversation, and their order."""

from dataclasses import replace

import pytest

from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.outcome import (
    MAX_WORD_CHARS,
    DecidedBy,
    Decision,
    Facts,
    Outcome,
    decide,
    decided_by,
    outcome_of,
    own_word,
)
from outdial.telephony.state import EndedBy, EndReason
from outdial.telephony.verdict import AnsweredBy

# A call of which all holds at once, but that it was silent: that excludes most of the others.
ALL = Facts(
    answered=True,
    end_reason=EndReason.COMPLETED,
    ended_by=EndedBy.CALLEE,
    callee_responded=True,
    transferred=False,
    message_delivered=True,
    noted={"do_not_call": True, "outcome": "confirmed"},
)
NOTED = {"outcome": "confirmed"}
NOTHING = replace(ALL, transferred=None, message_delivered=False, noted={})


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        (ALL, "do_not_call"),
        (replace(ALL, callee_responded=False), "do_not_call"),
        (replace(ALL, callee_responded=False, noted=NOTED), "silent"),
        (replace(ALL, noted=NOTED), "transfer_failed"),
        (replace(ALL, transferred=True, noted=NOTED), "confirmed"),
        (replace(ALL, transferred=True, called_back=True, noted={}), "call_back"),
        (replace(ALL, transferred=True, called_back=True, noted=NOTED), "confirmed"),
        (replace(ALL, transferred=True, noted={"call_back_at": "2026-02-03T15:00:00-05:00"}), "transferred"),
        (replace(ALL, transferred=True, noted={}), "transferred"),
        (replace(ALL, transferred=None, noted={}), "left_message"),
        (NOTHING, "hung_up_early"),
        (replace(NOTHING, ended_by=EndedBy.AGENT), None),
    ],
)
def test_the_first_word_that_holds_is_the_outcome(facts, word):
    assert outcome_of(facts) == word


def test_our_words_are_those_and_in_that_order():
    assert [word.value for word in Outcome] == [
        "do_not_call",
        "silent",
        "transfer_failed",
        "call_back",
        "transferred",
        "left_message",
        "hung_up_early",
    ]


@pytest.mark.parametrize("ended_by", sorted(set(EndedBy) - {EndedBy.CALLEE}))
def test_only_a_callee_hangs_up_early(ended_by):
    assert outcome_of(replace(NOTHING, ended_by=ended_by)) is None


def test_nobody_left_early_who_may_have_been_connected_to_somebody_else():
    assert outcome_of(replace(NOTHING, transfer_rings=True)) is None
    assert outcome_of(replace(NOTHING, transfer_rings=True, message_delivered=True)) == "left_message"


@pytest.mark.parametrize("reason", sorted(set(EndReason) - {EndReason.COMPLETED}))
def test_a_call_that_nobody_answered_has_no_outcome(reason):
    assert outcome_of(replace(ALL, answered=False, end_reason=reason)) is None


@pytest.mark.parametrize("code", [FailureCode.AGENT_FAILED, FailureCode.SPEECH_FAILED])
def test_an_agent_that_broke_has_no_outcome_whatever_it_had_noted(code):
    broke = CallError(code=code, message="Sorry.")
    failed = replace(ALL, end_reason=EndReason.FAILED, ended_by=EndedBy.SYSTEM, error=broke)
    assert outcome_of(failed) is None
    assert outcome_of(replace(failed, noted={}, callee_responded=False)) is None


@pytest.mark.parametrize("code", [FailureCode.AUDIO_LOST, FailureCode.INTERRUPTED])
def test_a_call_that_was_cut_off_keeps_what_had_come_of_it(code):
    lost = CallError(code=code, message="Sorry.")
    cut = replace(NOTHING, end_reason=EndReason.FAILED, ended_by=EndedBy.CARRIER, error=lost)
    assert outcome_of(replace(cut, noted={"do_not_call": True})) == "do_not_call"
    assert outcome_of(replace(cut, noted=NOTED)) == "confirmed"
    assert outcome_of(replace(cut, callee_responded=False)) is None  # who knows what the callee said then
    assert outcome_of(cut) is None


@pytest.mark.parametrize("who", [AnsweredBy.MACHINE, AnsweredBy.NETWORK, AnsweredBy.FAX])
def test_a_machine_is_never_silent_for_its_greeting_spoke(who):
    """Where nobody listened to it, too: before a message, or an announcement."""
    machine = replace(NOTHING, callee_responded=False, answered_by=who, ended_by=EndedBy.AGENT)
    assert outcome_of(replace(machine, message_delivered=True)) == "left_message"
    assert outcome_of(replace(machine, end_reason=EndReason.MACHINE)) is None
    assert outcome_of(replace(machine, answered_by=AnsweredBy.UNKNOWN)) == "silent"
    assert outcome_of(replace(machine, answered_by=AnsweredBy.SILENCE)) == "silent"
    assert outcome_of(replace(machine, answered_by=AnsweredBy.HUMAN)) == "silent"


@pytest.mark.parametrize("responded", [True, None])
def test_silence_is_only_said_where_somebody_listened(responded):
    assert outcome_of(replace(NOTHING, callee_responded=responded)) == "hung_up_early"


@pytest.mark.parametrize("asked", ["true", 1, "yes", None, False, [True]])
def test_only_true_is_the_wish_not_to_be_called(asked):
    assert outcome_of(replace(NOTHING, noted={"do_not_call": asked})) == "hung_up_early"


@pytest.mark.parametrize(
    ("noted", "word"),
    [
        ("call_back", "call_back"),
        ("  wrong person ", "wrong person"),
        ("x" * MAX_WORD_CHARS, "x" * MAX_WORD_CHARS),
        ("x" * (MAX_WORD_CHARS + 1), None),
        ("", None),
        ("  ", None),
        ("two\nlines", None),
        ("nul\0", None),
        (3, None),
        (True, None),
        (["confirmed"], None),
        (None, None),
    ],
)
def test_an_agents_word_is_a_short_text_in_one_line(noted, word):
    assert own_word({"outcome": noted}) == word


# -- what a model makes of it afterwards -----------------------------------------------------------------------

JUDGED = replace(NOTHING, judged="declined")  # the callee left, and the model says why


@pytest.mark.parametrize(
    ("facts", "outcome", "by"),
    [
        (JUDGED, "declined", DecidedBy.MODEL),
        (replace(JUDGED, ended_by=EndedBy.AGENT), "declined", DecidedBy.MODEL),
        (replace(JUDGED, transferred=True), "declined", DecidedBy.MODEL),
        (replace(JUDGED, judged="do_not_call"), "hung_up_early", DecidedBy.RULE),  # nobody is on the list by that
        (replace(JUDGED, judged="transferred"), "hung_up_early", DecidedBy.RULE),
        (replace(JUDGED, noted={"do_not_call": True}), "do_not_call", DecidedBy.RULE),
        (replace(JUDGED, noted=NOTED), "confirmed", DecidedBy.AGENT),
        (replace(JUDGED, transferred=False), "transfer_failed", DecidedBy.RULE),
        (replace(JUDGED, callee_responded=False), "silent", DecidedBy.RULE),
        (replace(JUDGED, message_delivered=True), "left_message", DecidedBy.RULE),
        (replace(JUDGED, answered_by=AnsweredBy.MACHINE), "hung_up_early", DecidedBy.RULE),
        (replace(JUDGED, answered_by=AnsweredBy.FAX), "hung_up_early", DecidedBy.RULE),
        (replace(NOTHING, transferred=True), "transferred", DecidedBy.RULE),
    ],
)
def test_a_model_decides_where_neither_rule_nor_agent_has(facts, outcome, by):
    assert decide(facts) == Decision(outcome=outcome, by=by)


@pytest.mark.parametrize(
    "facts",
    [
        replace(JUDGED, answered=False),
        replace(JUDGED, end_reason=EndReason.FAILED, ended_by=EndedBy.CARRIER),
        replace(JUDGED, end_reason=EndReason.FAILED, error=CallError(code=FailureCode.AGENT_FAILED, message="")),
        replace(JUDGED, error=CallError(code=FailureCode.SPEECH_FAILED, message="")),
        replace(JUDGED, ended_by=EndedBy.AGENT, answered_by=AnsweredBy.MACHINE),
    ],
)
def test_a_model_makes_no_success_of_a_failure_or_a_machine(facts):
    assert decide(facts) is None


@pytest.mark.parametrize(
    ("outcome", "noted", "judged", "by"),
    [
        (None, NOTED, "declined", None),
        ("confirmed", NOTED, "confirmed", DecidedBy.AGENT),
        ("hung_up_early", {}, "declined", DecidedBy.RULE),
        ("declined", {}, "declined", DecidedBy.MODEL),
        ("confirmed", {}, None, DecidedBy.AGENT),
    ],
)
def test_who_has_decided_is_known_of_what_is_stored(outcome, noted, judged, by):
    assert decided_by(outcome, noted, judged) is by
