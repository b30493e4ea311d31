"""Both kinds of token, with Vonage's own SDK as the other side."""

import json
import time
from pathlib import Path

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vonage_jwt import JwtClient, verify_signature

from outdial.simulator.vonage import tokens
from outdial.simulator.vonage.webhooks import Signer

APPLICATION = "55555555-5555-4555-8555-555555555555"
PRIVATE, PUBLIC = tokens.process_key_pair()
SECRET = "a signature secret of thirty-two bytes and more"
FIXTURES = Path(__file__).parents[2] / "carriers/fixtures"


def public_key_of(application_id: str) -> str | None:
    return PUBLIC if application_id == APPLICATION else None


def made(**changes) -> str:
    return JwtClient(APPLICATION, PRIVATE).generate_application_jwt(changes).decode()


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none(), max_size=5))
def test_the_sdk_accepts_what_we_sign(claims):
    claims = {f"_{name}": value for name, value in claims.items()}  # none that has a meaning
    token = tokens.sign(claims, SECRET)
    assert verify_signature(token, SECRET)
    assert not verify_signature(token, SECRET + "x")
    assert jwt.decode(token, SECRET, algorithms=["HS256"]) == claims


def test_our_claims_are_those_of_published_callbacks():
    callbacks = json.loads((FIXTURES / "vonage_callbacks.json").read_text())
    published = callbacks["single"]["answer_post"]["request"]
    theirs = jwt.decode(
        published["headers"]["Authorization"].removeprefix("Bearer "),
        callbacks["signature_secret"],
        algorithms=["HS256"],
        options={"verify_iat": False},
    )
    signer = Signer(
        api_key=callbacks["api_key"],
        secret=callbacks["signature_secret"],
        application_id=callbacks["application_id"],
    )
    token = signer.bearer(published["body"].encode()).removeprefix("Bearer ")
    ours = jwt.decode(token, callbacks["signature_secret"], algorithms=["HS256"])
    assert ours.keys() == theirs.keys()
    assert ours | {"iat": 0, "jti": ""} == theirs | {"iat": 0, "jti": ""}


def test_a_token_of_the_sdk_is_admitted():
    claims = tokens.verify(made(), public_key_of, time.time())
    assert claims["application_id"] == APPLICATION


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iat": 100, "exp": 200}, "expired"),
        ({"iat": 4_000_000_000}, "future"),
        ({"exp": 4_000_000_000}, "more than a day"),
        ({"jti": ""}, "jti"),
    ],
)
def test_a_token_at_the_wrong_time_is_refused(changes, why):
    with pytest.raises(tokens.BadToken, match=why):
        tokens.verify(made(**changes), public_key_of, time.time())


def test_a_token_lives_for_a_quarter_of_an_hour_when_it_does_not_say():
    claims = {"application_id": APPLICATION, "iat": 1000, "jti": "1"}
    token = jwt.encode(claims, PRIVATE, algorithm="RS256")
    assert tokens.verify(token, public_key_of, 1000 + 899)
    with pytest.raises(tokens.BadToken):
        tokens.verify(token, public_key_of, 1000 + 900)


def test_a_token_of_somebody_else_is_refused():
    claims = {"application_id": APPLICATION, "iat": int(time.time()), "jti": "1"}
    other_key = tokens.new_key_pair()[0]
    forged = [
        jwt.encode(claims, other_key, algorithm="RS256"),
        jwt.encode(claims | {"application_id": "other"}, PRIVATE, algorithm="RS256"),
        jwt.encode(claims | {"application_id": 5}, PRIVATE, algorithm="RS256"),
        jwt.encode(claims, SECRET, algorithm="HS256"),
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, PRIVATE, algorithm="RS512"),
        tokens.sign(claims, PUBLIC),  # the public key taken for a secret
    ]
    for token in forged:
        with pytest.raises(tokens.BadToken):
            tokens.verify(token, public_key_of, time.time())


@given(st.text() | st.builds(lambda cut, at: cut[:at], st.just(made()), st.integers(0, 600)))
def test_anything_else_is_refused(token):
    with pytest.raises(tokens.BadToken):
        tokens.verify(token, public_key_of, 0)
