import pytest

from outdial.dashboard.api_fields import Schemas

DOCUMENT = {
    "components": {
        "schemas": {
            "Order": {
                "type": "object",
                "required": ["to"],
                "properties": {
                    "to": {"type": "string", "maxLength": 40, "description": "Whom."},
                    "retry": {"anyOf": [{"$ref": "#/components/schemas/Retry"}, {"type": "null"}]},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}},
                    "note": {
                        "type": "object",
                        "properties": {
                            "in": {"type": "object", "properties": {"words": {"type": "string", "minLength": 1}}}
                        },
                    },
                    "at": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
                },
            },
            "Retry": {"type": "object", "properties": {"on": {"type": "string", "enum": ["busy", "no_answer"]}}},
            "Part": {
                "type": "object",
                "properties": {
                    "count": {"type": "integer", "minimum": 1.0, "maximum": 9.0, "default": 1},
                    "of": {"$ref": "#/components/schemas/Part"},
                },
            },
        }
    }
}
ORDER = {"$ref": "#/components/schemas/Order"}


@pytest.fixture
def schemas():
    return Schemas(DOCUMENT)


def test_a_body_is_told_whatever_its_depth_and_never_without_end(schemas):
    assert [field.name for field in schemas.fields(ORDER)] == [
        "to", "retry", "retry.on", "parts", "parts[].count", "parts[].of",
        "note", "note.in", "note.in.words", "at",
    ]  # fmt: skip


def test_a_field_says_what_it_takes(schemas):
    fields = {field.name: field for field in schemas.fields(ORDER)}
    assert (fields["to"].type, fields["to"].limits, fields["to"].required) == ("string", "at most 40 characters", True)
    assert fields["to"].description == "Whom."
    assert fields["retry"].type == "object or null"
    assert fields["retry.on"].type == "`busy` or `no_answer`"
    assert fields["parts"].type == "list of object"
    assert fields["parts[].count"].limits == "at least 1, at most 9, default 1"
    assert fields["note.in.words"].limits == "not empty"
    assert fields["at"].type == "instant or null"


def test_a_list_is_told_by_what_is_in_it(schemas):
    first, *_ = schemas.fields({"type": "array", "items": ORDER})
    assert first.name == "[].to"


def test_anything_is_told_as_such(schemas):
    assert schemas.type_of({}) == "anything"
    assert schemas.type_of({"type": "array"}) == "list of anything"
    assert schemas.fields({"type": "string"}) == []
