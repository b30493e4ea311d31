"""JSON that strangers send: taken as it is, or refused with the place of the fault."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.api.strict_json import parse_json
from outdial.calls.request import NotStorable

texts = st.text(st.characters(codec="utf-8"))
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
documents = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(texts, inner))


@given(documents)
def test_what_is_taken_is_what_was_sent(document):
    assert parse_json(json.dumps(document).encode()) == document


@pytest.mark.parametrize("text", ["0", "-0", "-0.0", "0e400", "0.000e-400", "-0E+400", "5e-324", "1.797693134862e308"])
def test_numbers_that_are_written_oddly_are_taken(text):
    assert parse_json(text.encode()) == float(text)


FAULTS = [
    (b"\xff", (), "must be UTF-8"),
    (b"{", (), "must be JSON: Expecting property name enclosed in double quotes (line 1, column 2)"),
    (b"[" * 500_000, (), "is nested too deeply"),
    (b"Infinity", (), "must be JSON: Infinity is no JSON number"),
    (b'{"a": 1, "b": {"a": 2, "a": 2}}', ("b", "a"), "is there twice"),
    (b'{"a": NaN, "a": 1}', ("a",), "is there twice"),
    (b'{"a": [0, {"b": -Infinity}], "c": 1e999}', ("a", 1, "b"), "must be JSON: -Infinity is no JSON number"),
    (b"[[1.5, 1e-324]]", (0, 1), "is a number too close to 0 to be kept; send it as text"),
    (b"[-0.0001E-400]", (0,), "is a number too close to 0 to be kept; send it as text"),
    (b"[1e309]", (0,), "is a number too large to be kept; send it as text"),
    (b"[" + b"1" * 401 + b"]", (0,), "is an integer of more than 64 bits; send it as text"),
]


@pytest.mark.parametrize(("body", "path", "reason"), FAULTS, ids=[reason for _, _, reason in FAULTS])
def test_a_fault_is_told_with_its_place(body, path, reason):
    with pytest.raises(NotStorable) as refused:
        parse_json(body)
    assert (refused.value.path, str(refused.value)) == (path, reason)
