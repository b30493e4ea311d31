"""What of an agent's notes is kept, and what is told of the rest."""

import json
import math
from datetime import UTC, datetime
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.calls.noted import MAX_NOTED, MAX_NOTED_BYTES, MAX_VALUE_BYTES, Loss, keep


class Mood(StrEnum):
    GOOD = "good"


class Size(IntEnum):
    BIG = 3


class Old(str, Enum):  # noqa: UP042 - as older code writes it
    A = "a"


class Odd(dict):
    def items(self):
        raise RuntimeError("a bug in the agent")


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


LOOP: list[object] = []
LOOP.append(LOOP)


def test_plain_values_are_kept_as_they_are():
    noted = {
        "outcome": "confirmed", "yes": True, "no": None, "n": -(2**63), "m": 2**63 - 1, "x": 1.2345678901234567e19,
        "tiny": 5e-324, "list": [1, {"a": []}], "": "", "ü☎": "𝄞", "deep": nested(19), "large": "x" * MAX_VALUE_BYTES,
    }  # fmt: skip
    kept = keep(noted)
    assert (kept.values, kept.losses, kept.told()) == (noted, (), None)


def test_what_is_nearly_json_becomes_json():
    kept = keep({"mood": Mood.GOOD, "size": Size.BIG, "old": Old.A, "pair": (1, (2,)), 7: {8: "x"}})
    assert kept.values == {"mood": "good", "size": 3, "old": "a", "pair": [1, [2]], "7": {"8": "x"}}
    assert {type(value) for value in kept.values.values()} == {str, int, list, dict}
    assert kept.losses == ()


BAD = [
    ("no JSON", datetime(2026, 1, 1, tzinfo=UTC), "is or holds what JSON has no word for (datetime)"),
    ("no JSON inside", {"a": [b"x"]}, "is or holds what JSON has no word for (bytes)"),
    ("NaN", math.nan, "is or holds a number that JSON can't express (NaN or infinity)"),
    ("infinity", [math.inf], "is or holds a number that JSON can't express (NaN or infinity)"),
    ("many digits", 2**63, "is or holds an integer of more than 64 bits; note it as text"),
    ("too deep", nested(20), "is nested more than 20 levels deep"),
    ("much too deep", nested(100_000), "is nested more than 20 levels deep"),
    ("into itself", LOOP, "is nested more than 20 levels deep"),
    ("too large", {"a": "x" * MAX_VALUE_BYTES}, "is larger than 16000 bytes"),
    ("larger as bytes", ["ü" * 10_000], "is larger than 16000 bytes"),
    ("too many items", [0] * 1_000_000, "is larger than 16000 bytes"),
    ("odd object", Odd(a=1), "can't be read (RuntimeError)"),
    ("odd name inside", {"a": {(1, 2): 3}}, "has a name that is no text (tuple)"),
    ("long name inside", {"k" * 129: 1}, "has a name of more than 128 characters"),
]


@pytest.mark.parametrize(("value", "reason"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_a_value_that_can_not_be_kept_is_dropped_alone(value, reason):
    kept = keep({"before": 1, "bad": value, "do_not_call": True, "after": [2]})
    assert kept.values == {"do_not_call": True, "before": 1, "after": [2]}
    assert kept.losses == (Loss(name="bad", reason=reason, cut=False),)


@pytest.mark.parametrize(
    ("name", "told"),
    [("k" * 129, "k" * 128), (None, "(NoneType)"), (True, "(bool)"), ((1, 2), "(tuple)"), (2**70, "(int)")],
    ids=["long", "none", "bool", "tuple", "many digits"],
)
def test_a_value_whose_name_can_not_be_kept_is_dropped_alone(name, told):
    kept = keep({name: 1, "after": 2})
    assert kept.values == {"after": 2}
    assert [loss.name for loss in kept.losses] == [told]


def test_a_long_text_is_cut_and_characters_that_can_not_be_stored_are_left_out():
    kept = keep({"long": "x" * 20_000, "bytes": "ü" * 10_000, "nul": "a\0b", "half": "a\ud800b", "in": {"n\0": ["\0"]}})
    assert kept.values["long"] == "x" * 16_000
    assert kept.values["bytes"] == "ü" * 8_000
    assert (kept.values["nul"], kept.values["half"], kept.values["in"]) == ("ab", "a\ufffdb", {"n": [""]})
    assert [(loss.name, loss.cut) for loss in kept.losses] == [
        ("long", True), ("bytes", True), ("nul", True), ("half", True), ("in", True),
    ]  # fmt: skip


def test_no_other_value_takes_the_place_of_a_wish_or_an_outcome():
    many = {f"k{n}": "v" for n in range(MAX_NOTED)}
    kept = keep(many | {"outcome": "confirmed", "do_not_call": True})
    assert len(kept.values) == MAX_NOTED
    assert (kept.values["do_not_call"], kept.values["outcome"]) == (True, "confirmed")
    assert [loss.name for loss in kept.losses] == ["k198", "k199"], "what was noted first is kept"

    large = {f"k{n}": "v" * 15_900 for n in range(5)}
    kept = keep(large | {"small": 1, "outcome": "confirmed", "do_not_call": True, "do_not_call\0": False})
    assert set(kept.values) == {"do_not_call", "outcome", "k0", "k1", "k2", "k3", "small"}
    assert kept.values["do_not_call"] is True
    assert [(loss.name, loss.reason) for loss in kept.losses] == [
        ("k4", "has no room: all together are at most 64000 bytes"), ("do_not_call", "has the name of another one"),
    ]  # fmt: skip


def test_thousands_of_losses_are_told_in_short():
    told = keep({f"k{n}": math.nan for n in range(5_000)}).told()
    assert told["count"] == 5_000
    assert len(told["values"]) == 20
    assert told["values"][0] == {
        "name": "k0", "reason": "is or holds a number that JSON can't express (NaN or infinity)", "cut": False
    }  # fmt: skip


def test_a_view_can_be_kept_too():
    assert keep(MappingProxyType({"a": 1})).values == {"a": 1}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)) | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec=None)) | st.integers(), inner),
)


@given(st.dictionaries(st.text(st.characters(codec=None)) | st.integers() | st.none(), anything))
def test_whatever_was_noted_what_is_kept_is_json_and_everything_else_is_told(noted):
    kept = keep(noted)
    assert len(json.dumps(kept.values, ensure_ascii=False, allow_nan=False).encode()) <= MAX_NOTED_BYTES
    assert "\0" not in "".join(kept.values)
    dropped = [loss for loss in kept.losses if not loss.cut]
    assert len(kept.values) + len(dropped) == len(noted)
    assert keep(kept.values).values == kept.values
