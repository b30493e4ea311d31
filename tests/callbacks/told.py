"""What carriers tell, signed as they sign it, and what is kept of it."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha1
from hmac import new as hmac
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from outdial.accounts.genuine import Genuine
from outdial.callbacks.inbox import Inbox
from outdial.carriers.name import CarrierName
from outdial.db.tables import callbacks
from secret_box import BOX

TOKEN = "12345"
CALL_SID = "CA" + "0" * 32


def inbox_of(workspace, engine=None) -> Inbox:
    """Of one more process."""
    engine = engine or workspace.engine
    return Inbox(engine, workspace.settings, Genuine(engine, BOX), workspace.open_carrier)


async def receive(inbox, attempt_id, *, token=TOKEN, headers=None, **form):
    url = f"https://voice.example/callbacks/twilio/{attempt_id}/status"
    form = {"CallSid": CALL_SID, "CallStatus": "ringing"} | form
    signed = url + "".join(name + value for name, value in sorted(form.items()))
    signature = b64encode(hmac(token.encode(), signed.encode(), sha1).digest()).decode()
    return await inbox.receive(
        carrier=CarrierName("twilio"),
        attempt_id=attempt_id,
        kind="status",
        url=url,
        headers={
            "X-Twilio-Signature": signature,
            "Content-Type": "application/x-www-form-urlencoded",
            "Authorization": "secret",
        }
        | (headers or {}),
        body=urlencode(form).encode(),
    )


async def handle_all(inbox):
    await inbox._handle_left()


async def stored(workspace, *, handled=None):
    query = select(callbacks)
    if handled is not None:
        query = query.where(callbacks.c.handled_at.is_not(None) == handled)
    async with workspace.engine.connect() as conn:
        return (await conn.execute(query)).all()


SEED = bytes(32)
TELNYX = Ed25519PrivateKey.from_private_bytes(SEED)
CONTROL_ID = "v3:call"


async def telnyx_says(inbox, attempt_id, event_type, *, age_s=0, event_id=None, **payload):
    body = json.dumps({"data": {"id": event_id or event_type, "event_type": event_type, "payload": payload}}).encode()
    timestamp = str(int(datetime.now(UTC).timestamp()) - age_s)
    signature = TELNYX.sign(timestamp.encode() + b"|" + body)
    return await inbox.receive(
        carrier=CarrierName("telnyx"),
        attempt_id=attempt_id,
        kind="event",
        url=f"https://voice.example/callbacks/telnyx/{attempt_id}/event",
        headers={"telnyx-timestamp": timestamp, "telnyx-signature-ed25519": b64encode(signature).decode()},
        body=body,
    )
