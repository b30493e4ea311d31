"""A part that is left out is one that Outdial has."""

import pytest

import outdial.role_parts
from chaos.without import PARTS, Nothing


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_can_be_left_out_is_there(part: str):
    assert callable(getattr(outdial.role_parts, PARTS[part]).run)


def test_nothing_can_be_made_as_any_part():
    assert callable(Nothing("engine", owner="worker").run)
