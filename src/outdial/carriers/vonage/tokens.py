"""Vonage's JSON web tokens: those we show to its Voice API (RS256), and those it shows to us (HS256).

Pure. The algorithm is ours to say, never the token's: a token that names another one is refused.
Sources: RFC 7515, RFC 7519; developer.vonage.com/en/getting-started/concepts/authentication and webhooks.
"""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BadBase64
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

LIFETIME_S = 15 * 60
MAX_TOKEN_CHARS = 8192
KEY_BITS = 2048


def new_private_key() -> str:
    """A new key for an application, as PEM (PKCS #8)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode()


def load_private_key(pem: str, *, is_checked: bool = False) -> rsa.RSAPrivateKey:
    """Raises ValueError for what isn't an RSA private key. Line breaks may have come as the two characters \\n.

    Whether its numbers belong together takes 65 ms to find out, the rest 0.03 ms; `is_checked`: it is known.
    """
    text = pem.replace("\\n", "\n").strip().encode()
    try:
        key = serialization.load_pem_private_key(text, password=None, unsafe_skip_rsa_key_validation=is_checked)
    except (ValueError, TypeError, UnicodeError) as error:
        raise ValueError("not a private key in PEM format") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")
    return key


def public_pem(key: rsa.RSAPrivateKey) -> str:
    """The public half, as an application wants it."""
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem.decode()


def is_public_half(pem: str, key: rsa.RSAPrivateKey) -> bool:
    """Whether an application's public key belongs to our private one."""
    try:
        theirs = serialization.load_pem_public_key(pem.replace("\\n", "\n").strip().encode())
    except (ValueError, TypeError, UnicodeError):
        return False
    return isinstance(theirs, rsa.RSAPublicKey) and theirs.public_numbers() == key.public_key().public_numbers()


def application_token(application_id: str, key: rsa.RSAPrivateKey, now: datetime) -> str:
    """What a request to the Voice API carries as its bearer token."""
    issued_at = int(now.timestamp())
    claims = {
        "application_id": application_id,
        "iat": issued_at,
        "exp": issued_at + LIFETIME_S,
        "jti": str(uuid4()),
    }
    text = f"{_encoded({'alg': 'RS256', 'typ': 'JWT'})}.{_encoded(claims)}"
    signature = key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{text}.{urlsafe_b64encode(signature).decode().rstrip('=')}"


def signed_claims(token: str, secret: str) -> dict[str, Any] | None:
    """The claims of a token signed with `secret` by HS256; None for every other one. Never raises."""
    if not secret or len(token) > MAX_TOKEN_CHARS or not token.isascii():
        return None
    text, _, signature = token.rpartition(".")
    header, _, claims = text.partition(".")
    expected = hmac.new(secret.encode("utf-8", "replace"), text.encode(), sha256).digest()
    if not hmac.compare_digest(_bytes(signature), expected):
        return None
    decoded = _decoded(header)
    return _decoded(claims) if decoded is not None and decoded.get("alg") == "HS256" else None


def signed_token(claims: dict[str, Any], secret: str) -> str:
    """A token as `signed_claims` takes it."""
    text = f"{_encoded({'alg': 'HS256', 'typ': 'JWT'})}.{_encoded(claims)}"
    signature = hmac.digest(secret.encode(), text.encode(), sha256)
    return f"{text}.{urlsafe_b64encode(signature).decode().rstrip('=')}"


def unverified_claims(token: str) -> dict[str, Any]:
    """What a token says, true or not: for a key to recognise a repeat by, once it was verified."""
    return _decoded(token.partition(".")[2].partition(".")[0]) or {}


def _encoded(value: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")


def _decoded(part: str) -> dict[str, Any] | None:
    try:
        value = json.loads(_bytes(part))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _bytes(part: str) -> bytes:
    """base64url without padding; empty for what isn't."""
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (BadBase64, ValueError):
        return b""
