"""Values as people say them, on a Monday: every row of values_<tag>.tsv, and most of those no rule was written for."""

import pytest

from conversation.understanding.asked import value_of
from conversation.understanding.tables import rows

TAGS = ("en", "de", "es", "fr")
LEAST_UNSEEN = 0.9


def is_right(tag: str, of: str, said: str, value: str) -> bool:
    found = value_of(said, of, tag)
    return ("" if found is None else str(found)) == value


@pytest.mark.parametrize(
    ("tag", "of", "said", "value"), [(tag, *row) for tag in TAGS for row in rows(f"values_{tag}.tsv")]
)
def test_a_value_is_understood(tag, of, said, value):
    assert is_right(tag, of, said, value), value_of(said, of, tag)


@pytest.mark.parametrize("tag", TAGS)
def test_so_are_most_that_no_rule_was_written_for(tag):
    unseen = rows(f"values_{tag}_unseen.tsv")
    wrong = [said for of, said, value in unseen if not is_right(tag, of, said, value)]
    assert 1 - len(wrong) / len(unseen) >= LEAST_UNSEEN, wrong
