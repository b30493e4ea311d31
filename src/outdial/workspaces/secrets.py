"""Carrier credentials at rest: encrypted with a key that isn't in the database."""

import base64
import hashlib
import hmac
import json
import os
import secrets
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from outdial.settings import Settings


class WrongSecretKey(RuntimeError):
    """Stored secrets were encrypted with another key than the one in use."""

    def __init__(self) -> None:
        super().__init__(
            "The stored carrier credentials can't be read with this secret key. Set OUTDIAL_SECRET_KEY (or put "
            "back <data_dir>/secret_key) as it was when they were stored, or give them anew, all of them: outdial "
            "accounts change <account id> -c name=value …"
        )


class SecretBox:
    """Encrypts JSON values with a key made from `secret_key`, any text of the operator's."""

    def __init__(self, secret_key: str) -> None:
        # scrypt, because people choose words: guessing from a stolen database stays slow (about 50 ms a guess).
        key = hashlib.scrypt(secret_key.encode(), salt=b"outdial credentials", n=2**14, r=8, p=1, dklen=32)
        self._fernet = Fernet(base64.urlsafe_b64encode(key))
        self._key = key

    @classmethod
    def from_settings(cls, settings: Settings) -> "SecretBox":
        """With settings.secret_key, else with the key in <data_dir>/secret_key, made when it isn't there."""
        if settings.secret_key is not None:
            return cls(settings.secret_key.get_secret_value())
        return cls(_kept_key(settings.data_dir / "secret_key"))

    @classmethod
    def shared(cls, settings: Settings) -> "SecretBox":
        """The same, made once in a process: for whoever rarely needs one, and then in a hurry."""
        given = None if settings.secret_key is None else settings.secret_key.get_secret_value()
        return _box(given, settings.data_dir / "secret_key")

    @staticmethod
    def is_there(settings: Settings) -> bool:
        """Whether these settings have a key already, so that none would be made."""
        return settings.secret_key is not None or (settings.data_dir / "secret_key").exists()

    def derive(self, purpose: str) -> str:
        """A secret, URL-safe, that is the same for the same purpose and that only this key makes."""
        return base64.urlsafe_b64encode(hmac.digest(self._key, purpose.encode(), "sha256")).decode().rstrip("=")

    def encrypt(self, value: Any) -> bytes:
        return self._fernet.encrypt(json.dumps(value).encode())

    def decrypt(self, token: bytes) -> Any:
        """Raises WrongSecretKey, also when the bytes were changed."""
        try:
            return json.loads(self._fernet.decrypt(bytes(token)))
        except InvalidToken:
            raise WrongSecretKey from None


@lru_cache(16)
def _box(secret_key: str | None, path: Path) -> SecretBox:
    return SecretBox(_kept_key(path) if secret_key is None else secret_key)


def _kept_key(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # Written whole under another name, then linked: of two processes that start together, one wins and
        # neither reads a half-written key.
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    key = path.read_text().strip()
    if not key:
        raise RuntimeError(f"{path} is empty; put the secret key back, or remove the file and reconnect the numbers.")
    return key
