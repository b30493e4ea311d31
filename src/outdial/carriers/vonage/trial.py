"""A callback as Vonage sends and signs it, for who tries the way of callbacks. Source:
developer.vonage.com/en/getting-started/concepts/webhooks."""

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from uuid import uuid4

from outdial.carriers.signing import SignedCallback, TrialSigner
from outdial.carriers.vonage.tokens import signed_token


def signer() -> TrialSigner:
    secret, api_key = secrets.token_hex(32), secrets.token_hex(4)

    def authorization(now: datetime, more: Mapping[str, str]) -> Mapping[str, str]:
        claims = {"iat": int(now.timestamp()), "jti": str(uuid4()), "iss": "Vonage", "api_key": api_key, **more}
        return {"Authorization": f"Bearer {signed_token(claims, secret)}"}

    def callback(url: str, now: datetime) -> SignedCallback:
        body = json.dumps({"status": "completed", "from": "15550100", "to": "15550101"}).encode()
        signed = authorization(now, {"payload_hash": sha256(body).hexdigest()})
        return SignedCallback(headers={"Content-Type": "application/json", **signed}, body=body)

    def handshake(url: str, now: datetime) -> Mapping[str, str]:
        return authorization(now, {})

    credentials = {"api_key": api_key, "api_secret": "", "signature_secret": secret}
    return TrialSigner(credentials=credentials, callback=callback, handshake=handshake)
