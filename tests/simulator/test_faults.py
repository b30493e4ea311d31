import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.simulator.control import BadRequest, fault_of
from outdial.simulator.faults import Fault, FaultKind, Faults

KIND = FaultKind.CALLBACK_LOST


def test_a_fault_with_a_count_is_used_up():
    faults = Faults((Fault(kind=KIND, count=2),))
    assert [bool(faults.strike(KIND, account="AC1")) for _ in range(3)] == [True, True, False]
    assert faults.all() == []


def test_a_fault_can_be_given_to_several_simulators():
    fault = Fault(kind=KIND, count=1)
    for _ in range(2):
        assert Faults((fault,)).strike(KIND, account="AC1")


@pytest.mark.parametrize(
    ("narrowed", "strikes"),
    [
        ({"number": "+12025550103"}, True),
        ({"number": "+12025550104"}, False),
        ({"account": "AC1"}, True),
        ({"account": "AC2"}, False),
        ({"callbacks": frozenset({"ringing"})}, True),
        ({"callbacks": frozenset({"status"})}, True),
        ({"callbacks": frozenset({"completed", "amd"})}, False),
    ],
)
def test_a_fault_strikes_only_what_it_is_narrowed_to(narrowed, strikes):
    faults = Faults((Fault(kind=KIND, **narrowed),))
    struck = faults.strike(KIND, account="AC1", numbers=("+12025550103", "+15551230002"), callback="ringing")
    assert bool(struck) is strikes


def test_a_fault_of_another_kind_does_not_strike():
    assert Faults((Fault(kind=KIND),)).strike(FaultKind.THROTTLED, account="AC1") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"probability": 0},
        {"probability": 1.5},
        {"count": 0},
        {"delay_s": -1},
        {"delay_s": math.inf},
        {"delay_s": math.nan},
        {"after_ms": -1},
    ],
)
def test_impossible_faults_are_refused(wrong):
    with pytest.raises(ValueError):
        Fault(kind=KIND, **wrong)


JSON = st.sampled_from(
    [None, True, -1, 0, 3, 10**400, 0.5, math.inf, math.nan, "", "throttled", "\x00", [], ["amd"], [1], {}, {"a": []}]
)
FIELDS = st.sampled_from(
    ["kind", "number", "account", "callbacks", "count", "probability", "delay_s", "after_ms", "other"]
)


@given(st.dictionaries(FIELDS, JSON, max_size=4))
def test_any_json_object_is_a_fault_or_a_bad_request(body):
    with suppress(BadRequest):
        assert isinstance(fault_of({"kind": "throttled", **body}), Fault)
