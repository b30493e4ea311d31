import ast
import json
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.dashboard.literals import as_javascript, as_json, as_python, in_shell, rounds, text_literal

TEXTS = st.text(st.characters(exclude_categories=("Cs",)))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)
UNSEEN = "\x00\x1b\x7f\x85\u00a0\u200b\u2028\u202e\ufeff\U000e0041"


@given(VALUES)
def test_json_is_the_value(value):
    assert json.loads(as_json(value)) == value


@given(VALUES)
def test_python_is_the_value(value):
    found = ast.literal_eval(as_python(value))
    assert (found, type(found)) == (value, type(value))


@given(TEXTS)
def test_a_shell_passes_it_on_as_one_word(text):
    assert shlex.split(in_shell(text)) == [text]


@pytest.mark.parametrize("written", [as_json, as_python, as_javascript, text_literal])
def test_what_can_not_be_seen_is_escaped_and_what_can_stays(written):
    assert written("Zoë 🎉 日本 'x' $1") == '"Zoë 🎉 日本 \'x\' $1"'
    shown = written(f'"{UNSEEN}\\\n')
    assert shown.isascii()
    assert shown.isprintable()


def test_javascript_s_prototype_is_a_name_like_any_other():
    assert as_javascript({"__proto__": 1}) == '{\n  ["__proto__"]: 1\n}'


@pytest.mark.parametrize(("value", "is_so"), [
    (2**53 - 1, False), (2**53, True), (-(2**53), True), ({"a": [1, {"b": 2**60}]}, True), (1e300, False),
    ("9007199254740993", False), (True, False), (None, False),
])  # fmt: skip
def test_a_number_that_javascript_would_round_is_found(value, is_so):
    assert rounds(value) is is_so
