"""Values as people say them, on a Monday: every row of values_en.tsv, and most of those no rule was written for."""

import pytest

from conversation.understanding.asked import value_of
from conversation.understanding.tables import rows

LEAST_UNSEEN = 0.9


def is_right(of: str, said: str, value: str) -> bool:
    found = value_of(said, of)
    return ("" if found is None else str(found)) == value


@pytest.mark.parametrize(("of", "said", "value"), rows("values_en.tsv"))
def test_a_value_is_understood(of, said, value):
    assert is_right(of, said, value), value_of(said, of)


def test_so_are_most_that_no_rule_was_written_for():
    unseen = rows("values_en_unseen.tsv")
    right = sum(is_right(*row) for row in unseen)
    assert right / len(unseen) >= LEAST_UNSEEN, f"{right} of {len(unseen)}"
