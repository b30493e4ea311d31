"""The token of an inbound call's audio, told the same however often a carrier asks."""

from outdial.calls.inbound_token import new_token
from secret_box import BOX


def test_it_is_the_same_for_a_call_and_another_for_the_next():
    assert new_token(BOX, "att_1") == new_token(BOX, "att_1") != new_token(BOX, "att_2")
