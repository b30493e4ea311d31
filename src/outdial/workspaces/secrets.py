"""Carrier credentials at rest: encrypted with a key that isn't in the database."""

import base64
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from pydantic import SecretStr

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
    """Encrypts JSON values with a key made from a secret key, any text of the operator's.

    With several, newest first, it reads what any of them sealed, as long as a rotation lasts; it seals with the one
    that the database's canary says (`seal_as`), for until then other hosts may have no newer one.
    """

    def __init__(self, *secret_keys: str) -> None:
        self._keys = tuple(_Key(secret_key) for secret_key in dict.fromkeys(secret_keys))
        self._sealing = self._keys[0]

    @classmethod
    def from_settings(cls, settings: Settings) -> "SecretBox":
        """With settings.secret_key, else with the keys in <data_dir>/secret_key, made when it isn't there; and with
        settings.old_secret_key. The same box for the same keys, in a process."""
        return _box(read_keys(settings))

    @classmethod
    def shared(cls, settings: Settings) -> "SecretBox":
        """The one that was made first in this process, whatever became of the file since: for whoever rarely needs one,
        and then in a hurry."""
        return _first_box(settings.secret_key, settings.old_secret_key, settings.data_dir)

    @staticmethod
    def is_there(settings: Settings) -> bool:
        """Whether these settings have a key already, so that none would be made."""
        return settings.secret_key is not None or key_file(settings).exists()

    @property
    def key_ids(self) -> tuple[str, ...]:
        """What tells its keys apart, newest first, and says nothing of them."""
        return tuple(key.id for key in self._keys)

    @property
    def sealing_id(self) -> str:
        """Of the key that it seals with."""
        return self._sealing.id

    def seal_as(self, sealed: bytes) -> bool:
        """From now on seal with the key that this was sealed with; False, and no change, where it is none of ours."""
        key = self._key_of(sealed)
        if key is not None:
            self._sealing = key
        return key is not None

    def seal_with_newest(self) -> str:
        """From now on; the id of that key."""
        self._sealing = self._keys[0]
        return self._sealing.id

    def id_of(self, sealed: bytes) -> str | None:
        """Which key it was sealed with; None where it is none of ours."""
        key = self._key_of(sealed)
        return None if key is None else key.id

    def derive(self, purpose: str) -> str:
        """A secret, URL-safe, that is the same for the same purpose and that only this key makes."""
        return self._sealing.derive(purpose)

    def derive_all(self, purpose: str) -> tuple[str, ...]:
        """The same of each key, for who has to know again what was made with another; that of `derive` first."""
        others = (key for key in self._keys if key is not self._sealing)
        return tuple(key.derive(purpose) for key in (self._sealing, *others))

    def encrypt(self, value: Any) -> bytes:
        return self._sealing.fernet.encrypt(json.dumps(value).encode())

    def decrypt(self, token: bytes) -> Any:
        """Raises WrongSecretKey, also when the bytes were changed."""
        for key in self._keys:
            with suppress(InvalidToken):
                return json.loads(key.fernet.decrypt(bytes(token)))
        raise WrongSecretKey

    def _key_of(self, sealed: bytes) -> "_Key | None":
        for key in self._keys:
            with suppress(InvalidToken):
                key.fernet.decrypt(bytes(sealed))
                return key
        return None


class _Key:
    def __init__(self, secret_key: str) -> None:
        # scrypt, because people choose words: guessing from a stolen database stays slow (about 50 ms a guess).
        key = hashlib.scrypt(secret_key.encode(), salt=b"outdial credentials", n=2**14, r=8, p=1, dklen=32)
        self.fernet = Fernet(base64.urlsafe_b64encode(key))
        self._key = key
        self.id = self.derive("id of this key")[:12]

    def derive(self, purpose: str) -> str:
        return base64.urlsafe_b64encode(hmac.digest(self._key, purpose.encode(), "sha256")).decode().rstrip("=")


# -- where keys are kept -------------------------------------------------------------------------------------------


def key_file(settings: Settings) -> Path:
    """A key a line, newest first; looked at where settings.secret_key isn't set."""
    return settings.data_dir / "secret_key"


def read_keys(settings: Settings) -> tuple[str, ...]:
    """Newest first; where there is none, one is made in the file."""
    if settings.secret_key is not None:
        keys: tuple[str, ...] = (settings.secret_key.get_secret_value(),)
    else:
        keys = _kept_keys(key_file(settings))
    old = () if settings.old_secret_key is None else (settings.old_secret_key.get_secret_value(),)
    return tuple(dict.fromkeys((*keys, *old)))


def add_key(settings: Settings) -> None:
    """A new key in the file, in front of those that are there."""
    write_keys(key_file(settings), (secrets.token_urlsafe(32), *_kept_keys(key_file(settings))))


def write_keys(path: Path, keys: Sequence[str]) -> None:
    """In the place of those that are there, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _draft(path, keys).replace(path)


@lru_cache(16)
def _box(secret_keys: tuple[str, ...]) -> SecretBox:
    return SecretBox(*secret_keys)


@lru_cache(16)
def _first_box(secret_key: SecretStr | None, old_secret_key: SecretStr | None, data_dir: Path) -> SecretBox:
    return SecretBox.from_settings(
        Settings.model_construct(secret_key=secret_key, old_secret_key=old_secret_key, data_dir=data_dir)
    )


def _kept_keys(path: Path) -> tuple[str, ...]:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # Written whole under another name, then linked: of two processes that start together, one wins and
        # neither reads a half-written key.
        draft = _draft(path, [secrets.token_urlsafe(32)])
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    keys = tuple(key for line in path.read_text().splitlines() if (key := line.strip()))
    if not keys:
        raise RuntimeError(f"{path} is empty; put the secret key back, or remove the file and reconnect the numbers.")
    return keys


def _draft(path: Path, keys: Sequence[str]) -> Path:
    """Beside it, on the disk, and its owner's alone."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write("".join(f"{key}\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
    return draft
