"""A callback as Telnyx sends and signs it, for who tries the way of callbacks. Source: developers.telnyx.com,
docs/voice/programmable-voice/receiving-webhooks."""

import json
from base64 import b64encode
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from outdial.carriers.signing import SignedCallback, TrialSigner


def signer() -> TrialSigner:
    key = Ed25519PrivateKey.generate()

    def callback(url: str, now: datetime) -> SignedCallback:
        body = json.dumps({"data": {"event_type": "call.hangup", "payload": {"to": "+15550101"}}}).encode()
        timestamp = str(int(now.timestamp()))
        headers = {
            "Content-Type": "application/json",
            "Telnyx-Timestamp": timestamp,
            "Telnyx-Signature-Ed25519": b64encode(key.sign(timestamp.encode() + b"|" + body)).decode(),
        }
        return SignedCallback(headers=headers, body=body)

    credentials = {"api_key": "", "public_key": b64encode(key.public_key().public_bytes_raw()).decode()}
    return TrialSigner(credentials=credentials, callback=callback)
