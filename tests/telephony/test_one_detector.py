"""One detector's verdicts by themselves: what it says now, since when it knows, how often it changed its mind."""

from datetime import UTC, datetime, timedelta

import pytest

from outdial.telephony.one_detector import Found, is_detectors
from outdial.telephony.verdict import DEADLINE, AnsweredBy, Verdict

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def found(*said, **facts):
    """After verdicts a second apart, the first one at START."""
    so_far = Found()
    for number, category in enumerate(said):
        at = START + timedelta(seconds=number)
        so_far = so_far.after(Verdict(answered_by=AnsweredBy(category), at=at, evidence=(f"{number}",), **facts))
    return so_far


def after(seconds):
    return START + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("said", "facts", "category", "known_at", "revisions"),
    [
        (("human",), {}, "human", after(0), 0),
        (("unknown",), {}, "unknown", None, 0),
        (("unknown", "silence", "human"), {}, "human", after(2), 0),
        (("machine", "machine"), {"message_end": True}, "machine", after(0), 0),
        (("human", "machine"), {}, "human", after(0), 0),  # a carrier's first word stays
        (("human", "machine"), {"revises": True, "is_ours": True}, "machine", after(0), 1),
        (("human", "screening"), {"is_ours": True}, "screening", after(0), 1),
        (("human", "unknown"), {"is_ours": True}, "human", after(0), 0),
    ],
)
def test_it_is_as_the_rule_of_a_call_has_it(said, facts, category, known_at, revisions):
    assert found(*said, **facts) == Found(category=AnsweredBy(category), known_at=known_at, revisions=revisions)


def test_what_the_rules_of_a_call_find_is_no_detectors():
    verdict = Verdict(answered_by=AnsweredBy.UNKNOWN, at=START, evidence=(DEADLINE,))
    assert not is_detectors(verdict)
    assert is_detectors(Verdict(answered_by=AnsweredBy.HUMAN, at=START, evidence=("twilio:human",)))
