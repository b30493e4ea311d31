"""The examples have every field of a call, and no other."""

import pytest

from outdial.history import example_call
from outdial.history.views import CallSummary, CallView


@pytest.mark.parametrize("name", ["SUMMARY", "FAILED", "WAITING"])
def test_an_example_is_as_a_call_is_shown(name):
    assert getattr(example_call, name).keys() == CallSummary.__required_keys__
    assert example_call.WHOLE.keys() == CallView.__required_keys__
