"""How Telnyx signs callbacks: Ed25519 over timestamp, "|" and the raw body."""

import base64
import binascii

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class Signer:
    def __init__(self, private_key: str = "") -> None:
        """`private_key` is base64 of the seed; without one there is a new key pair. Raises ValueError."""
        if private_key:
            try:
                self._key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(private_key, validate=True))
            except (binascii.Error, ValueError) as exc:
                raise ValueError("a private key is base64 of 32 bytes") from exc
        else:
            self._key = Ed25519PrivateKey.generate()
        self.public_key = base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def headers(self, body: bytes, timestamp: int) -> dict[str, str]:
        signature = self._key.sign(f"{timestamp}|".encode() + body)
        return {
            "telnyx-timestamp": str(timestamp),
            "telnyx-signature-ed25519": base64.b64encode(signature).decode(),
        }
