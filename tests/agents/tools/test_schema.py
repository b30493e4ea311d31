"""JSON schemas of tools, also of authors and servers that mean no good."""

import time

import pytest

from outdial.agents.tools.schema import BadSchema, faults, sound

PERSON = {
    "type": "object",
    "properties": {"who": {"$ref": "#/$defs/Person"}, "code": {"type": "string", "pattern": "^[A-Z]{2}$"}},
    "required": ["who"],
    "additionalProperties": False,
    "$defs": {"Person": {"type": "object", "properties": {"age": {"type": "integer", "minimum": 0}}}},
}


def test_references_are_put_in_place_of_where_they_lead():
    schema = sound(PERSON)
    assert schema["properties"]["who"] == PERSON["$defs"]["Person"]
    assert "$defs" not in schema


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ({"who": {"age": 3}, "code": "AB"}, []),
        ({}, ["The call needs who"]),
        ({"who": {"age": "a secret"}}, ['who.age is of type "integer"']),
        ({"who": {"age": -1}}, ["who.age must have minimum 0"]),
        ({"who": {}, "code": "a secret"}, ['code must have pattern "^[A-Z]{2}$"']),
        ({"who": {}, "what": "a secret"}, ["what is no argument of this tool"]),
    ],
)
def test_what_is_wrong_is_told_without_the_value(value, wrong):
    assert faults(sound(PERSON), value) == wrong


@pytest.mark.parametrize(
    "schema",
    [
        [],
        {"type": "array"},
        {"type": "object", "properties": {"x": {"$ref": "https://169.254.169.254/latest"}}},
        {"type": "object", "properties": {"x": {"$ref": "#/$defs/nothing"}}},
        {"type": "object", "properties": {"x": {"$ref": "#"}}},
        {"type": "object", "properties": {"x": {"pattern": "(?<=a)b"}}},
        {"type": "object", "properties": {"x": {"type": "strin"}}},
        {"type": "object", "properties": {"x": {"enum": ["y" * 11_000]}}},
        {"type": "object", "unevaluatedProperties": False},
    ],
)
def test_a_schema_that_cannot_be_kept_is_refused(schema):
    with pytest.raises(BadSchema):
        sound(schema)


def test_a_schema_that_doubles_and_doubles_is_refused_at_once():
    defs = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]} for n in range(30)}
    began = time.monotonic()
    with pytest.raises(BadSchema):
        sound({"type": "object", "properties": {"x": {"$ref": "#/$defs/d0"}}, "$defs": {**defs, "d30": {}}})
    assert time.monotonic() - began < 1


def test_no_pattern_takes_long_whatever_it_is_matched_with():
    schema = sound({"type": "object", "properties": {"x": {"type": "string", "pattern": "^(a+)+$"}},
                    "patternProperties": {"^(b+)+$": {}}, "additionalProperties": False})  # fmt: skip
    began = time.monotonic()
    assert len(faults(schema, {"x": "a" * 5000 + "!", "b" * 3000 + "!": 1})) == 2
    assert time.monotonic() - began < 1


def test_what_a_stranger_writes_and_cannot_be_matched_is_left_out():
    schema = sound({"type": "object", "properties": {"x": {"pattern": "(?<=a)b"}}}, strict=False)
    assert faults(schema, {"x": "c"}) == []


def test_numbers_that_no_check_was_written_for_are_a_fault_and_no_error():
    schema = sound({"type": "object", "properties": {"x": {"type": "number", "multipleOf": 0.01}}})
    faults(schema, {"x": 10**400})
    faults(schema, {"x": 1e308})
