"""outdial speech: which vendors there are, and whether a key works."""

import pytest

from outdial.cli.failures import explanation


@pytest.fixture(autouse=True)
def workspace(outdial_json):
    return outdial_json("workspaces", "create", "Acme")


def test_vendors_are_listed_and_one_without_a_key_takes_no_calls(outdial, outdial_json):
    deepgram = next(one for one in outdial_json("speech", "list") if one["name"] == "deepgram")
    assert (deepgram["secret"], deepgram["has_key"]) == ("deepgram_api_key", False)
    checked = outdial("speech", "check", "deepgram")
    assert checked.exit_code == 1
    assert "deepgram (recognition) takes no calls: unauthorized." in checked.output
    assert "no speech vendor 'acme'" in explanation(outdial("speech", "check", "acme").exception)
