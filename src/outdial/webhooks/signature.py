"""Signatures as Standard Webhooks has them, and the secrets they are made with. Pure but for chance.

Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md (1.0.0)
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """The prefix, and base64 of random bytes: these, decoded, are the key."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed_headers(event_id: str, at_s: int, body: bytes, keys: Sequence[str]) -> Mapping[str, str]:
    """The headers of one attempt (`at_s`: its Unix time). One signature for each secret: while a new one takes an old
    one's place both sign, and receivers take either."""
    text = f"{event_id}.{at_s}.".encode() + body
    signatures = (hmac.new(_key(secret), text, hashlib.sha256).digest() for secret in keys)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(signature).decode()}" for signature in signatures),
    }


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(PREFIX))
