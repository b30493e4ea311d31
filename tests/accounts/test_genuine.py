"""Which requests are a carrier's own, asked of every carrier: what it has signed, and what anybody may have sent."""

from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha1, sha256
from hmac import new as hmac
from typing import ClassVar
from urllib.parse import parse_qsl, urlencode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import event, update

from outdial.accounts.genuine import Genuine
from outdial.accounts.refused_callbacks import refused_lately
from outdial.carriers.name import CarrierName
from outdial.db.tables import carrier_accounts
from outdial.refusals import Unavailable
from outdial.workspaces.secrets import SecretBox
from secret_box import BOX

CALLBACK = "https://voice.example/callbacks/x/att_1/status"
STREAM = "wss://voice.example/media/x/att_1/token"


class Twilio:
    """Signs the URL and the fields of a form."""

    name = CarrierName("twilio")
    credentials: ClassVar = {"account_sid": "AC1", "auth_token": "the account's token, twilio"}
    body = urlencode({"CallSid": "CA1", "CallStatus": "ringing"}).encode()
    signs_streams = True

    def headers(self, url, body, *, key=credentials["auth_token"]):
        fields = "".join(name + value for name, value in sorted(parse_qsl(body.decode())))
        signature = b64encode(hmac(key.encode(), (url + fields).encode(), sha1).digest()).decode()
        return {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}


class Vonage:
    """Signs a token with the hash of the body in it."""

    name = CarrierName("vonage")
    credentials: ClassVar = {
        "api_key": "key1", "api_secret": "secret", "signature_secret": "the account's signature secret, vonage",
    }  # fmt: skip
    body = b'{"uuid": "1", "status": "ringing"}'
    signs_streams = True

    def headers(self, url, body, *, key=credentials["signature_secret"]):
        claims = {"iat": int(datetime.now(UTC).timestamp()), "jti": "1", "iss": "Vonage", "api_key": "key1"}
        token = jwt.encode(claims | {"payload_hash": sha256(body).hexdigest()}, key, algorithm="HS256")
        return {"Authorization": f"Bearer {token}"}


class Telnyx:
    """Signs the time and the body; streams not at all."""

    name = CarrierName("telnyx")
    keys = Ed25519PrivateKey.from_private_bytes(bytes(32))
    credentials: ClassVar = {"api_key": "KEY1", "public_key": b64encode(keys.public_key().public_bytes_raw()).decode()}
    body = b'{"data": {"id": "1", "event_type": "call.initiated"}}'
    signs_streams = False

    def headers(self, url, body, *, key=bytes(32)):
        keys = Ed25519PrivateKey.from_private_bytes(key if isinstance(key, bytes) else sha256(key.encode()).digest())
        timestamp = str(int(datetime.now(UTC).timestamp()))
        signature = keys.sign(timestamp.encode() + b"|" + body)
        return {"Telnyx-Timestamp": timestamp, "Telnyx-Signature-Ed25519": b64encode(signature).decode()}


@pytest.fixture(params=[Twilio, Vonage, Telnyx], ids=lambda carrier: str(carrier.name))
async def carrier_(request, workspace):
    carrier = request.param()
    sealed = BOX.encrypt(carrier.credentials)
    async with workspace.engine.begin() as conn:
        await conn.execute(update(carrier_accounts).values(carrier=carrier.name, credentials=sealed))
    return carrier


@pytest.fixture
def genuine(workspace):
    return Genuine(workspace.engine, BOX)


@pytest.fixture
async def account(workspace, genuine, carrier_):
    account = await genuine.account(carrier_.name, workspace.account_id)
    assert (account.id, account.workspace_id, account.carrier) == (workspace.account_id, workspace.id, carrier_.name)
    return account


async def refused(workspace):
    async with workspace.engine.connect() as conn:
        return [(each["carrier"], each["refused"]) for each in await refused_lately(conn, workspace.id)]


async def test_what_the_carrier_has_signed_is_its_own(workspace, genuine, carrier_, account):
    headers = carrier_.headers(CALLBACK, carrier_.body)
    assert await genuine.callback(account, url=CALLBACK, headers=headers, body=carrier_.body)
    assert await refused(workspace) == []


async def test_what_it_has_not_signed_is_refused_and_counted(workspace, genuine, carrier_, account, caplog):
    good = carrier_.headers(CALLBACK, carrier_.body)
    forged = carrier_.headers(CALLBACK, carrier_.body, key="a key of somebody else's, long enough")
    changed = carrier_.body.replace(b"ringing", b"completed").replace(b"initiated", b"hangup")
    for headers, body in [({}, carrier_.body), (forged, carrier_.body), (good, changed)]:
        assert not await genuine.callback(account, url=CALLBACK, headers=headers, body=body)
    await genuine.aclose()
    assert await refused(workspace) == [(carrier_.name, 3)]
    assert caplog.messages == ["Callback refused: no valid signature"]  # a stranger can send as many as they like


async def test_the_handshake_of_a_stream_is_checked_where_the_carrier_signs_it(workspace, genuine, carrier_, account):
    headers = carrier_.headers(STREAM, b"")
    assert genuine.media_handshake(account, url=STREAM, headers=headers)
    assert genuine.media_handshake(account, url=STREAM, headers={}) is not carrier_.signs_streams
    assert await refused(workspace) == [], "callbacks alone are counted"


async def test_an_attempts_account_is_the_one_it_was_dialled_by(workspace, genuine, carrier_, account):
    claim = await workspace.dialed()
    assert await genuine.account_of_attempt(carrier_.name, claim.attempt_id) == account


async def test_there_is_no_account_at_another_carrier_or_of_an_unknown_id(workspace, genuine):
    claim = await workspace.dialed()
    other = CarrierName("telnyx")
    assert await genuine.account(other, workspace.account_id) is None
    assert await genuine.account_of_attempt(other, claim.attempt_id) is None
    assert await genuine.account(CarrierName("twilio"), "acct_unknown") is None
    assert await genuine.account_of_attempt(CarrierName("twilio"), "att_unknown") is None


async def test_an_attempt_whose_account_was_removed_has_none(workspace, genuine):
    claim = await workspace.dialed()
    await workspace.set_attempt(claim.attempt_id, carrier_account_id=None)
    assert await genuine.account_of_attempt(CarrierName("twilio"), claim.attempt_id) is None


async def test_credentials_of_another_key_are_no_forgery(workspace, carrier_, account):
    """The operator's fault: no carrier is to be blamed for it, and it answers that it should try again."""
    other = Genuine(workspace.engine, SecretBox("another key"))
    headers = carrier_.headers(CALLBACK, carrier_.body)
    with pytest.raises(Unavailable):
        await other.callback(account, url=CALLBACK, headers=headers, body=carrier_.body)
    assert await refused(workspace) == []


# -- whose an attempt is, remembered ---------------------------------------------------------------------------


@pytest.fixture
def asked(workspace):
    """The statements that the database was asked."""
    statements = []
    note = lambda conn, cursor, statement, *_: statements.append(statement)  # noqa: E731
    event.listen(workspace.engine.sync_engine, "before_cursor_execute", note)
    yield statements
    event.remove(workspace.engine.sync_engine, "before_cursor_execute", note)


@pytest.fixture
async def claim(workspace):
    await workspace.queue()
    (claim,) = await workspace.claim()
    return claim


async def test_the_callbacks_of_an_attempt_look_its_account_up_once(workspace, genuine, claim, asked):
    twilio = CarrierName("twilio")
    first = await genuine.account_of_attempt(twilio, claim.attempt_id)
    assert first.id == workspace.account_id
    del asked[:]
    assert [await genuine.account_of_attempt(twilio, claim.attempt_id) for _ in range(3)] == [first] * 3
    assert asked == []
    assert await genuine.account_of_attempt(CarrierName("telnyx"), claim.attempt_id) is None, "another carrier's"
    assert await genuine.account_of_attempt(twilio, "att_unknown") is None
    assert len(asked) == 2


async def test_new_credentials_hold_at_once_where_the_old_ones_are_remembered(workspace, genuine, claim):
    carrier = Twilio()
    newer = {"account_sid": "AC1", "auth_token": "a newer token"}

    async def change(credentials):
        async with workspace.engine.begin() as conn:
            await conn.execute(update(carrier_accounts).values(credentials=BOX.encrypt(credentials)))

    await change(carrier.credentials)
    known = await genuine.account_of_attempt(carrier.name, claim.attempt_id)
    await change(newer)
    headers = carrier.headers(CALLBACK, carrier.body, key=newer["auth_token"])
    assert await genuine.callback(known, url=CALLBACK, headers=headers, body=carrier.body)
    now_known = await genuine.account_of_attempt(carrier.name, claim.attempt_id)
    assert not genuine.media_handshake(known, url=STREAM, headers=carrier.headers(STREAM, b"", key=newer["auth_token"]))
    assert genuine.media_handshake(now_known, url=STREAM, headers=carrier.headers(STREAM, b"", key=newer["auth_token"]))
    old = carrier.headers(CALLBACK, carrier.body)
    assert not await genuine.callback(now_known, url=CALLBACK, headers=old, body=carrier.body)
    assert await refused(workspace) == [(carrier.name, 1)]


async def test_an_account_that_is_looked_up_anew_is_the_newest(workspace, genuine, claim):
    known = await genuine.account_of_attempt(CarrierName("twilio"), claim.attempt_id)
    async with workspace.engine.begin() as conn:
        await conn.execute(update(carrier_accounts).values(credentials=b"newer"))
    assert await genuine.account_of_attempt(CarrierName("twilio"), claim.attempt_id) == known
    newest = await genuine.account_of_attempt(CarrierName("twilio"), claim.attempt_id, anew=True)
    assert newest.sealed_credentials == b"newer"
