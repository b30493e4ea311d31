"""JSON Web Tokens: Vonage signs with HS256, its customers with RS256. Source: RFC 7515, RFC 7519."""

import base64
import binascii
import hashlib
import hmac
import json
import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

Claims = dict[str, Any]

CLOCK_SKEW_S = 60
DEFAULT_LIFE_S = 15 * 60
LONGEST_LIFE_S = 24 * 60 * 60
KEY_BITS = 2048


class BadToken(Exception):
    """The text says why; it repeats nothing of the token."""


def sign(claims: Mapping[str, Any], secret: str) -> str:
    signed = f"{_part({'typ': 'JWT', 'alg': 'HS256'})}.{_part(claims)}"
    signature = hmac.digest(secret.encode(), signed.encode(), hashlib.sha256)
    return f"{signed}.{_encode(signature)}"


def verify(token: str, public_key_of: Callable[[str], str | None], now: float) -> Claims:
    """The claims of a customer's token; `public_key_of` gives an application's key (PEM). Raises BadToken."""
    try:
        header_part, claims_part, signature_part = token.encode("ascii").split(b".")
        header, claims = json.loads(_decode(header_part)), json.loads(_decode(claims_part))
        signature = _decode(signature_part)
    except (ValueError, RecursionError) as exc:  # of base64, JSON, Unicode and of the number of parts
        raise BadToken("not a token") from exc
    if not isinstance(header, dict) or header.get("alg") != "RS256":
        raise BadToken("not signed with RS256")
    if not isinstance(claims, dict):
        raise BadToken("no claims")
    application_id = claims.get("application_id")
    key = public_key_of(application_id) if isinstance(application_id, str) else None
    if key is None:
        raise BadToken("no such application")
    try:
        public_key(key).verify(
            signature, header_part + b"." + claims_part, padding.PKCS1v15(), hashes.SHA256()
        )
    except InvalidSignature:
        raise BadToken("not signed by this application") from None
    _check_times(claims, now)
    if not isinstance(claims.get("jti"), str) or not claims["jti"]:
        raise BadToken("no jti")
    return claims


def _check_times(claims: Claims, now: float) -> None:
    issued = _time(claims.get("iat"))
    if issued is None or issued > now + CLOCK_SKEW_S:
        raise BadToken("iat is missing or in the future")
    expires = _time(claims.get("exp", issued + DEFAULT_LIFE_S))
    if expires is None or expires <= now or expires > issued + LONGEST_LIFE_S:
        raise BadToken("expired, or valid for more than a day")


def _time(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


# -- keys


def new_key_pair() -> tuple[str, str]:
    """Private and public key, PEM."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    return _private_pem(private), _public_pem(private.public_key())


@cache
def process_key_pair() -> tuple[str, str]:
    """The same for every simulator in this process: making one takes a while."""
    return new_key_pair()


def public_part(private_pem: str) -> str:
    """Raises ValueError for anything but a private RSA key."""
    private = serialization.load_pem_private_key(private_pem.encode(), password=None)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")
    return _public_pem(private.public_key())


def public_key(pem: str) -> rsa.RSAPublicKey:
    """Raises ValueError for anything but a public RSA key."""
    key = serialization.load_pem_public_key(pem.encode())
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("not an RSA key")
    return key


def _private_pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _public_pem(key: rsa.RSAPublicKey) -> str:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


# -- base64url without padding


def _part(content: Mapping[str, Any]) -> str:
    return _encode(json.dumps(content, separators=(",", ":")).encode())


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decode(text: bytes) -> bytes:
    """Raises ValueError."""
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as exc:
        raise ValueError("not base64") from exc
