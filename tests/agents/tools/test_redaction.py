"""What may be seen of a tool's arguments and answers."""

import pytest

from outdial.agents.tools.plain_json import read_json
from outdial.agents.tools.redaction import HIDDEN, bounded, redacted, without

SECRET = "sk-a b/c"


def obj(**properties):
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize("mark", [{"x-redact": True}, {"writeOnly": True}, {"format": "password"}])
@pytest.mark.parametrize(
    ("schema", "value", "shown"),
    [
        (lambda m: obj(pin=m, day={}), {"pin": "4711", "day": "x"}, {"pin": HIDDEN, "day": "x"}),
        (lambda m: obj(card=obj(no=m)), {"card": {"no": 1}}, {"card": {"no": HIDDEN}}),
        (lambda m: obj(all={"items": m}), {"all": ["a", "b"]}, {"all": [HIDDEN, HIDDEN]}),
        (lambda m: obj(all={"prefixItems": [{}, m]}), {"all": ["a", "b"]}, {"all": ["a", HIDDEN]}),
        (lambda m: obj(x={"anyOf": [{"type": "null"}, m]}), {"x": "b"}, {"x": HIDDEN}),
        (lambda m: {"type": "object", "additionalProperties": m}, {"x": "b"}, {"x": HIDDEN}),
        (lambda m: {"allOf": [obj(x=m), obj(x={})]}, {"x": "b"}, {"x": HIDDEN}),
        (lambda m: obj(pin=m), {"pni": "4711"}, {"pni": HIDDEN}),  # what nobody declared may be the same thing
        (lambda m: {**obj(x={}), "x-redact": True, **m}, {"x": 1}, HIDDEN),
    ],
)
def test_what_is_marked_is_not_shown(mark, schema, value, shown):
    assert redacted(value, schema(mark)) == shown


def test_without_marks_all_is_shown():
    assert redacted({"a": [1]}, obj(b={})) == {"a": [1]}
    assert redacted("text", None) == "text"


@pytest.mark.parametrize(
    "text", ["Bearer sk-a b/c", "?key=sk-a%20b%2Fc", "?key=sk-a+b%2Fc", "sk-a%20b/c"]
)
def test_a_secret_that_comes_back_is_hidden_wherever_it_stands(text):
    said = str(without({"echo": [text], text: 1}, [SECRET]))
    assert "sk-a" not in said
    assert said.count("[secret]") == 2


def test_what_is_long_is_cut():
    assert bounded({"a": "b" * 50}, 20) == '{"a": "bbbbbbbbbbbbb…'
    assert bounded({"a": 1}, 20) == {"a": 1}


def test_what_no_database_takes_is_read_into_what_it_does():
    assert read_json('{"a\\u0000": [1e999, NaN, "\\ud800"]}') == {"a\ufffd": ["inf", "nan", "\ufffd"]}
    with pytest.raises(ValueError):
        read_json("[" * 100_000)
