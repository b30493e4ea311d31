"""The tokens on Vonage's requests, and on ours. Vonage's own SDK is the judge of both."""

import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import jwt
import pytest
import vonage_jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from outdial.carriers.vonage import tokens
from outdial.carriers.vonage.callbacks import verify

FIXTURES = Path(__file__).parents[1] / "fixtures"
VECTORS = json.loads((FIXTURES / "vonage_signatures.json").read_text())["vectors"]
RECORDED = json.loads((FIXTURES / "vonage_callbacks.json").read_text())
REQUESTS = [
    pytest.param(each["request"], id=f"{name}-{each['name']}")
    for name, callbacks in [*RECORDED["scenarios"].items(), ("single", RECORDED["single"].values())]
    for each in callbacks
]
SECRET, KEY, APPLICATION = RECORDED["signature_secret"], RECORDED["api_key"], RECORDED["application_id"]
NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
BODY = b'{"status":"ringing"}'


def claims(body: bytes = BODY, **changes: object) -> dict:
    usual = {
        "iat": int(NOW.timestamp()),
        "jti": "43a679e4",
        "iss": "Vonage",
        "payload_hash": sha256(body).hexdigest(),
        "api_key": KEY,
        "application_id": APPLICATION,
    }
    return {name: value for name, value in (usual | changes).items() if value is not None}


def check(token: str, body: bytes = BODY, *, secret: str = SECRET, now: datetime = NOW, application=APPLICATION):
    return verify(
        headers={"Authorization": f"Bearer {token}"},
        body=body,
        secret=secret,
        api_key=KEY,
        application_id=application,
        now=now,
    )


def signed(secret: str = SECRET, **changes: object) -> str:
    return jwt.encode(claims(**changes), secret, algorithm="HS256")


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")  # one vector's secret is short
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["source"][-40:])
def test_published_vectors(vector):
    token, secret = vector["token"], vector["signature_secret"]
    if vector["body"] is None:  # the signature alone
        assert (tokens.signed_claims(token, secret) is not None) is vector["valid"]
        assert vonage_jwt.verify_signature(token, secret) is vector["valid"]
        return
    now = datetime.fromtimestamp(vector["checked_at"], UTC)
    assert check(token, vector["body"].encode(), secret=secret, now=now) is vector["valid"]


@pytest.mark.parametrize("request_", REQUESTS)
def test_every_recorded_request_is_genuine_until_a_byte_changes(request_):
    headers, body = request_["headers"], (request_.get("body") or "").encode()
    token = headers["Authorization"].removeprefix("Bearer ")
    now = datetime.fromtimestamp(tokens.unverified_claims(token)["iat"], UTC)
    assert check(token, body, now=now)
    assert verify(
        headers={"authorization": f"bearer {token}"},
        body=body,
        secret=SECRET,
        api_key=KEY,
        application_id=None,
        now=now,
    )
    assert not check(token, body + b" ", now=now)
    assert not check(token, body, now=now, secret="other")
    assert not check(token[:-2] + ("AA" if token[-2:] != "AA" else "BB"), body, now=now)


@pytest.mark.parametrize("seconds", [-301, 301, 86400])
def test_a_token_from_another_time_is_refused(seconds):
    assert check(signed(), now=NOW + timedelta(seconds=299))
    assert check(signed(), now=NOW - timedelta(seconds=299))
    assert not check(signed(), now=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "Somebody"},
        {"iss": None},
        {"api_key": "ffff0000"},
        {"api_key": None},
        {"application_id": "another"},
        {"application_id": None},
        {"iat": None},
        {"iat": "soon"},
        {"iat": True},
        {"payload_hash": "0" * 64},
        {"payload_hash": 7},
        {"payload_hash": None},  # for another body, or the handshake's
    ],
)
def test_a_token_that_is_not_for_us_now_and_this_body_is_refused(changes):
    assert not check(signed(**changes))


def test_only_a_request_without_a_body_needs_no_hash():
    assert check(signed(payload_hash=None), b"")
    assert check(signed(body=b""), b"")


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_is_refused_whatever_the_token_says(algorithm):
    secret = SECRET * 2
    assert not check(jwt.encode(claims(), secret, algorithm=algorithm), secret=secret)
    assert not check(jwt.encode(claims(), "", algorithm="none"))
    text = signed().split(".")
    renamed = tokens._encoded({"alg": "none", "typ": "JWT"})
    assert not check(f"{renamed}.{text[1]}.{text[2]}")


def test_an_empty_secret_verifies_nothing():
    text = signed().rpartition(".")[0]
    forged = urlsafe_b64encode(hmac.new(b"", text.encode(), sha256).digest()).decode().rstrip("=")
    assert not check(f"{text}.{forged}", secret="")


@given(st.text(), st.binary(), st.dictionaries(st.text(), st.text()))
def test_hostile_requests_are_refused_without_an_error(token, body, headers):
    for text in (token, f"{token}.{token}.{token}", f"{signed()}{token}." if token else "x"):
        assert not check(text, body)
    assert not verify(headers=headers, body=body, secret=SECRET, api_key=KEY, application_id=None, now=NOW)


# -- the tokens we make

PEM = tokens.new_private_key()


def test_our_token_is_one_that_vonages_own_library_could_have_made():
    key = tokens.load_private_key(PEM)
    ours = tokens.application_token(APPLICATION, key, datetime.now(UTC))
    theirs = vonage_jwt.JwtClient(APPLICATION, PEM).generate_application_jwt().decode()
    public = tokens.public_pem(key)
    mine, other = (jwt.decode(each, public, algorithms=["RS256"]) for each in (ours, theirs))
    assert set(mine) == set(other) == {"application_id", "iat", "jti", "exp"}
    assert mine["application_id"] == APPLICATION
    assert mine["exp"] - mine["iat"] == other["exp"] - other["iat"]
    assert jwt.get_unverified_header(ours) == jwt.get_unverified_header(theirs)


def test_a_key_whose_line_breaks_were_written_out_is_read_all_the_same():
    key = tokens.load_private_key(PEM.replace("\n", "\\n"))
    assert tokens.is_public_half(tokens.public_pem(key).replace("\n", "\\n"), tokens.load_private_key(PEM))


@pytest.mark.parametrize("pem", ["", "secret", "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----", "☎"])
def test_what_is_no_key_is_said_to_be_none(pem):
    with pytest.raises(ValueError, match="not a"):
        tokens.load_private_key(pem)
    assert not tokens.is_public_half(pem, tokens.load_private_key(PEM))


def test_a_key_whose_numbers_do_not_belong_together_is_none():
    numbers, other = (tokens.load_private_key(pem).private_numbers() for pem in (PEM, tokens.new_private_key()))
    mixed = rsa.RSAPrivateNumbers(
        p=numbers.p, q=numbers.q, d=other.d, dmp1=other.dmp1, dmq1=other.dmq1, iqmp=numbers.iqmp,
        public_numbers=numbers.public_numbers,
    )  # fmt: skip
    pem = mixed.private_key(unsafe_skip_rsa_key_validation=True).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(ValueError, match="not a"):
        tokens.load_private_key(pem.decode())


def test_another_applications_public_key_is_not_ours():
    other = tokens.load_private_key(tokens.new_private_key())
    assert not tokens.is_public_half(tokens.public_pem(other), tokens.load_private_key(PEM))
