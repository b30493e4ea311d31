"""The signature of Telnyx's callbacks. Telnyx's own SDK is the judge of what it should be."""

import json
import time
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from telnyx import Telnyx

from outdial.carriers.telnyx.callbacks import verify

FIXTURES = Path(__file__).parents[1] / "fixtures"
VECTORS = json.loads((FIXTURES / "telnyx_signatures.json").read_text())["vectors"]
RECORDED = json.loads((FIXTURES / "telnyx_callbacks.json").read_text())
REQUESTS = [
    pytest.param(each["request"], id=f"{name}-{each['name']}")
    for name, callbacks in [*RECORDED["scenarios"].items(), ("single", RECORDED["single"].values())]
    for each in callbacks
]
PUBLIC = RECORDED["public_key"]
CLIENT = Telnyx(api_key="KEY1", public_key=PUBLIC)
PRIVATE = Ed25519PrivateKey.from_private_bytes(b64decode(RECORDED["private_key_seed"]))


def signed(body: bytes, at: datetime) -> dict[str, str]:
    timestamp = str(int(at.timestamp()))
    signature = PRIVATE.sign(timestamp.encode() + b"|" + body)
    return {"telnyx-timestamp": timestamp, "telnyx-signature-ed25519": b64encode(signature).decode()}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["source"][-40:])
def test_published_vectors(vector):
    headers = {"Telnyx-Timestamp": vector["timestamp"], "Telnyx-Signature-Ed25519": vector["signature"]}
    now = datetime.fromtimestamp(vector["checked_at"], UTC)
    body = vector["body"].encode()
    assert verify(headers=headers, body=body, public_key=vector["public_key"], now=now) is vector["valid"]


@pytest.mark.parametrize("request_", REQUESTS)
def test_every_recorded_callback_is_genuine_until_a_byte_changes(request_):
    headers, body = request_["headers"], request_["body"].encode()
    now = datetime.fromtimestamp(int(headers["telnyx-timestamp"]), UTC)
    assert verify(headers=headers, body=body, public_key=PUBLIC, now=now)
    for seconds, good in ((300, True), (-300, True), (301, False), (-301, False)):
        then = now + timedelta(seconds=seconds)
        assert verify(headers=headers, body=body, public_key=PUBLIC, now=then) is good
    assert not verify(headers=headers, body=body + b" ", public_key=PUBLIC, now=now)
    later = {**headers, "telnyx-timestamp": str(int(headers["telnyx-timestamp"]) + 1)}
    assert not verify(headers=later, body=body, public_key=PUBLIC, now=now)
    assert not verify(headers={}, body=body, public_key=PUBLIC, now=now)


@settings(deadline=None, max_examples=20)  # the library takes its time
@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5)))
def test_what_we_accept_telnyxs_own_library_accepts_and_the_other_way_round(content):
    body = json.dumps({"data": {"event_type": "call.answered", "id": "1", "payload": content}})
    now = datetime.now(UTC)
    headers = signed(body.encode(), now)
    assert CLIENT.webhooks.unwrap(body, headers=headers)
    assert verify(headers=headers, body=body.encode(), public_key=PUBLIC, now=now)
    headers["telnyx-timestamp"] = str(int(time.time()) - 1000)
    with pytest.raises(ValueError, match="too old"):
        CLIENT.webhooks.unwrap(body, headers=headers)
    assert not verify(headers=headers, body=body.encode(), public_key=PUBLIC, now=now)


@pytest.mark.parametrize("key", ["", "x", "☎", b64encode(bytes(31)).decode(), "secret"])
def test_a_key_that_is_none_verifies_nothing(key):
    now = datetime.now(UTC)
    assert not verify(headers=signed(b"{}", now), body=b"{}", public_key=key, now=now)


@given(st.text(), st.text(), st.binary(), st.text())
def test_hostile_requests_are_refused_without_an_error(timestamp, signature, body, key):
    now = datetime.now(UTC)
    for stamp in (timestamp, str(int(now.timestamp())), "-1", "1e9", "٣"):
        headers = {"telnyx-timestamp": stamp, "telnyx-signature-ed25519": signature}
        assert not verify(headers=headers, body=body, public_key=PUBLIC, now=now)
        assert not verify(headers=headers, body=body, public_key=key, now=now)
