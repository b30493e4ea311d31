"""Signatures, against the published vectors and Telnyx's own SDK."""

import base64
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.simulator.telnyx.signature import Signer
from simulator.telnyx.telnyx_customer import is_genuine

VECTORS = json.loads((Path(__file__).parents[2] / "carriers/fixtures/telnyx_signatures.json").read_text())
VALID = [vector for vector in VECTORS["vectors"] if vector["valid"]]


@pytest.mark.parametrize("vector", VALID)
def test_published_vectors_are_reproduced(vector):
    signer = Signer(VECTORS["private_key_seeds"][vector["public_key"]])
    assert signer.public_key == vector["public_key"]
    headers = signer.headers(vector["body"].encode(), int(vector["timestamp"]))
    assert headers["telnyx-signature-ed25519"] == vector["signature"]


@given(st.dictionaries(st.text(), st.text()))
def test_telnyxs_sdk_accepts_every_signature_of_ours_and_no_other(event):
    signer, other = Signer(), Signer()
    body = json.dumps({"data": event})
    headers = signer.headers(body.encode(), int(time.time()))
    assert is_genuine(body, headers, signer.public_key)
    assert not is_genuine(body, headers, other.public_key)
    assert not is_genuine(body + " ", headers, signer.public_key)


@pytest.mark.parametrize("key", ["not base64", base64.b64encode(bytes(31)).decode()])
def test_a_key_that_is_none_is_refused(key):
    with pytest.raises(ValueError, match="32 bytes"):
        Signer(key)
