"""What is asked of the Voice API, without a server."""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from outdial.simulator.vonage import requests
from outdial.simulator.vonage.account import RollingSecond
from outdial.simulator.vonage.validation import Invalid


@settings(max_examples=50, deadline=None)
@given(st.binary() | st.sampled_from([b"[]", b"{}", b"null", b'{"to":[{}]}', b'{"to":[{"type":5}]}']))
def test_any_body_is_a_call_or_invalid(body):
    with suppress(Invalid):
        requests.create_call(body)


def test_a_rolling_second_forgets():
    window = RollingSecond(2)
    assert [window.admits(now) for now in (0, 0.5, 0.9, 1.0, 1.1, 1.5)] == [True, True, False, True, False, True]
    assert all(RollingSecond(0).admits(0) for _ in range(5))
