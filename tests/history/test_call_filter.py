"""Filters as they stand in an address."""

import pytest
from pydantic import ValidationError

from outdial.history.call_filter import CallFilter


def test_metadata_is_gathered_from_both_ways_to_write_it():
    asked = {"metadata.crm_id": "4711", "metadata[a.b]": "x", "metadata.[c]": "y", "state": ["ended"]}
    wanted = CallFilter.model_validate(asked)
    assert wanted.metadata == {"crm_id": "4711", "a.b": "x", "[c]": "y"}
    assert CallFilter.model_validate({}).metadata == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"metadata": "4711"},
        {"metadata.": "x"},
        {"metadata[]": "x"},
        {"metadatacrm": "x"},
        {"metadata.key": "\0"},
        {"metadata.\0": "x"},
        {"metadata.key": "x" * 501},
        {f"metadata.{'k' * 129}": "x"},
        {f"metadata.{number}": "x" for number in range(6)},
    ],
)
def test_other_metadata_is_refused(wrong):
    with pytest.raises(ValidationError):
        CallFilter.model_validate(wrong)
