"""Whose key a vendor of speech is asked with."""

import pytest

from outdial.agents.own_speech import SpeechVendors
from outdial.secrets.store import SecretMissing, SecretNotForHost, SecretUnreadable
from outdial.speech.vendor import KeyMissing
from outdial.vendor_settings import SpeechServer

KEPT_BACK = [SecretNotForHost("deepgram_api_key", "api.deepgram.com"), SecretUnreadable("deepgram_api_key")]
PROBLEMS = [SecretMissing("deepgram_api_key"), *KEPT_BACK]


def key_of(vendor, server, problem=None):
    async def secrets(names, host):
        if problem is not None:
            raise problem
        return dict.fromkeys(names, f"the workspace's for {host}")

    servers = {} if server is None else {vendor: server}
    return SpeechVendors(servers, lambda workspace_id: secrets).access("ws_1", vendor).key()


async def test_a_workspaces_own_key_comes_first():
    assert await key_of("deepgram", SpeechServer(key="operator")) == "the workspace's for api.deepgram.com"


async def test_the_operators_key_is_for_workspaces_without_one():
    missing = SecretMissing("deepgram_api_key")
    assert await key_of("deepgram", SpeechServer(key="operator"), missing) == "operator"
    with pytest.raises(KeyMissing, match="there is no secret deepgram_api_key"):
        await key_of("deepgram", None, missing)


@pytest.mark.parametrize("problem", KEPT_BACK, ids=["bound", "unreadable"])
async def test_the_operator_does_not_pay_for_a_workspace_whose_own_key_can_not_be_used(problem):
    with pytest.raises(KeyMissing, match=str(problem)):
        await key_of("deepgram", SpeechServer(key="operator"), problem)


@pytest.mark.parametrize("problem", PROBLEMS, ids=["missing", "bound", "unreadable"])
@pytest.mark.parametrize("key", [None, "operator"])
async def test_the_operators_own_server_is_asked_with_the_operators_key_or_none(problem, key):
    server = SpeechServer(url="http://127.0.0.1:8000/v1", key=key)
    assert await key_of("openai", server, problem) == (key or "")
