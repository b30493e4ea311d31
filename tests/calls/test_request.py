import math
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from outdial.calls.records import DetectionWanted
from outdial.calls.request import MAX_JSON_BYTES, NotStorable, OutboundRequest, check_json_object
from outdial.telephony.verdict import DetectedBy

TO = "+15551234567"


@pytest.mark.parametrize(
    ("amd", "stored"),
    [
        (None, None),
        (False, None),
        (True, {"on_machine": None, "message": None, "max_wait_s": 30}),
        ({}, {"on_machine": None, "message": None, "max_wait_s": 30}),
        ({"on_machine": "continue", "max_wait_s": 5}, {"on_machine": "continue", "message": None, "max_wait_s": 5}),
        ({"message": "Hi {name}"}, {"on_machine": "leave_message", "message": "Hi {name}", "max_wait_s": 30}),
    ],
)
def test_detection_is_stored_in_one_form(amd, stored):
    request = OutboundRequest.model_validate({"to": TO, "amd": amd})
    by = {} if stored is None else {"by": "carrier"}
    assert request.detection(DetectedBy.CARRIER) == (None if stored is None else stored | by)


@pytest.mark.parametrize("asked", [None, *DetectedBy])
@pytest.mark.parametrize("default", list(DetectedBy))
def test_who_detects_is_the_servers_word_unless_the_request_has_its_own(asked, default):
    amd = True if asked is None else {"by": asked.value}
    stored = OutboundRequest.model_validate({"to": TO, "amd": amd}).detection(default)
    assert stored is not None
    assert stored["by"] == (asked or default)
    assert DetectionWanted.from_json(stored).by is (asked or default)


def test_instants_of_any_zone_become_utc():
    request = OutboundRequest.model_validate({"to": TO, "not_before": "2030-01-31T10:00:00+01:00"})
    assert request.not_before == datetime(2030, 1, 31, 9, tzinfo=UTC)


def test_a_retry_has_defaults_worth_having():
    retry = OutboundRequest.model_validate({"to": TO, "retry": {}}).retry
    assert retry is not None
    assert retry.model_dump() == {"max_attempts": 3, "on": ["busy", "no_answer"], "delays_s": [1800]}


def test_json_of_exactly_the_allowed_size_and_depth_passes():
    frame = len('{"a":""}')
    check_json_object({"a": "x" * (MAX_JSON_BYTES - frame)})
    deep: object = 1
    for _ in range(19):
        deep = [deep]
    check_json_object({"a": deep})
    with pytest.raises(ValueError, match="20 levels"):
        check_json_object({"a": [deep]})
    with pytest.raises(ValueError, match="64001 bytes"):
        check_json_object({"a": "x" * (MAX_JSON_BYTES - frame + 1)})


def test_size_counts_bytes_and_not_characters():
    with pytest.raises(ValueError, match="bytes"):
        check_json_object({"a": "ü" * (MAX_JSON_BYTES // 2)})


@pytest.mark.parametrize(
    ("variables", "path", "reason"),
    [
        ({str(n): n for n in range(201)}, (), "has 201 keys, at most 200 are allowed"),
        ({"a": {"ids": [1, 2**63]}}, ("a", "ids", 1), "is an integer of more than 64 bits; send it as text"),
        ({"a": [-(2**63) - 1]}, ("a", 0), "is an integer of more than 64 bits; send it as text"),
        ({"a": {"b": math.inf}}, ("a", "b"), "is a number that JSON can't express (NaN or infinity)"),
        ({"a": [math.nan]}, ("a", 0), "is a number that JSON can't express (NaN or infinity)"),
        ({"a": ["x", "y\0"]}, ("a", 1), "must not contain the character U+0000"),
        ({"a": {"\ud800": 1}}, ("a", "\ud800"), "must not contain half of a surrogate pair"),
        ({"a": {"k" * 129: 1}}, ("a", "k" * 129), "is a key longer than 128 characters"),
        ({"a": {"b": [[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]}}, ("a",), "is nested more than 20 levels deep"),
    ],
)
def test_what_can_not_be_stored_is_named(variables, path, reason):
    with pytest.raises(NotStorable) as refused:
        check_json_object(variables)
    assert (refused.value.path, str(refused.value)) == (path, reason)


def test_integers_of_64_bits_are_taken():
    check_json_object({"most": 2**63 - 1, "least": -(2**63)})


def test_a_depth_that_would_break_recursion_is_measured_without_it():
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValidationError, match="20 levels"):
        OutboundRequest.model_validate({"to": TO, "variables": {"a": deep}})
