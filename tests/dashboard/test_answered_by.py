"""Whoever may answer has words on the pages, and is in the filter of calls."""

from pathlib import Path

import outdial.dashboard
from outdial.dashboard.one_call import _VERDICTS
from outdial.dashboard.words import ANSWERED_BY
from outdial.telephony.verdict import AnsweredBy

CALLS = Path(outdial.dashboard.__file__).parent / "templates/calls.html"


def test_every_answer_has_words():
    assert set(ANSWERED_BY) == set(_VERDICTS) == set(AnsweredBy)


def test_calls_are_found_by_every_answer():
    (options,) = [line for line in CALLS.read_text().splitlines() if 'select_of("answered_by"' in line]
    assert [category for category in AnsweredBy if f'("{category}", ' not in options] == []
