"""Signatures, against published vectors and Twilio's own validator; and how a URL's fragment changes requests."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from outdial.simulator.twilio.callbacks import Rules, rules
from outdial.simulator.twilio.signature import sign, signed_url

VECTORS = json.loads((Path(__file__).parents[2] / "carriers/fixtures/twilio_signatures.json").read_text())["vectors"]


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["valid"] and "signed_url" not in v])
def test_published_vectors_are_reproduced(vector):
    form = [(name, value) for name, value in vector.get("form", [])]
    assert sign(vector["auth_token"], vector["url"], form) == vector["signature"]


@given(
    token=st.text(min_size=1),
    path=st.text(alphabet="abc/-_.~", max_size=20),
    form=st.dictionaries(st.text(), st.text(), max_size=8),
    origin=st.sampled_from(["https://voice.example", "https://voice.example:8443", "http://127.0.0.1:8080"]),
)
def test_twilios_validator_accepts_every_signature_of_ours(token, path, form, origin):
    try:
        (token + "".join(form) + "".join(form.values())).encode()
    except UnicodeEncodeError:
        return
    url = f"{origin}/{path}"
    assert RequestValidator(token).validate(url, form, sign(token, url, form.items()))
    assert not RequestValidator(token + "x").validate(url, form, sign(token, url, form.items()))


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        ("https://me:secret@voice.example/a?b=c#rc=2", "https://voice.example/a?b=c"),
        ("https://voice.example:443/a", "https://voice.example/a"),
        ("wss://voice.example:8443/a", "wss://voice.example/a"),
        ("http://127.0.0.1:8080/a", "http://127.0.0.1:8080/a"),
    ],
)
def test_only_some_of_a_url_is_signed(url, signed):
    assert signed_url(url) == signed


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("", Rules()),
        ("rc=3&rp=5xx,rt", Rules(retries=3, retry_on=frozenset({"5xx", "rt"}))),
        ("rp=all", Rules(retry_on=frozenset({"ct", "rt", "4xx", "5xx"}))),
        ("ct=2000&rt=5000&tt=9000", Rules(connect_timeout_s=2, read_timeout_s=5, total_timeout_s=9)),
        ("rc=6&ct=99&rt=x&tt=99999", Rules()),
    ],
)
def test_a_fragment_overrides_how_a_url_is_asked(fragment, expected):
    assert rules(f"https://voice.example/status#{fragment}") == expected
