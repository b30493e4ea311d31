"""What a call tells of its agent's disclosure."""

import pytest

from outdial.history.disclosure_views import disclosure_view


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        (None, None),
        ({"heard_at_ms": None}, {"heard": False, "heard_at_ms": None}),
        ({"heard_at_ms": 0}, {"heard": True, "heard_at_ms": 0}),
        ({"heard_at_ms": 3510}, {"heard": True, "heard_at_ms": 3510}),
    ],
)
def test_it_was_heard_or_not_or_there_was_nothing_to_hear(stored, told):
    assert disclosure_view(stored) == told
