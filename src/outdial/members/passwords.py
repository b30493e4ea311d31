"""Passwords: Argon2id, computed off the event loop."""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from outdial.refusals import Invalid, LimitReached

T = TypeVar("T")

MIN_CHARS = 10
MAX_CHARS = 200

# OWASP's parameters for Argon2id: 19 MiB and one lane, about 20 ms, because calls are talking on the same cores.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="passwords")
_MAX_WAITING = 50  # about a second of work
_waiting = 0

# Verified where there is no password to verify, so that unknown people take as long as known ones.
_NOBODY = _hasher.hash("nobody has this password")


def check_password(password: str, *, field: str = "password") -> None:
    """Raises Invalid for what can't be a new password."""
    if len(unicodedata.normalize("NFKC", password)) < MIN_CHARS:
        raise Invalid(field, f"must have at least {MIN_CHARS} characters")
    if len(password) > MAX_CHARS:
        raise Invalid(field, f"must have at most {MAX_CHARS} characters")


async def hash_password(password: str) -> str:
    """Raises LimitReached when too many wait for the same."""
    return await _in_thread(lambda: _hasher.hash(_normal(password)))


async def is_password(password: str, password_hash: str | None) -> bool:
    """Takes as long when there is none to compare with. Raises LimitReached when too many wait for the same."""
    password = password[: MAX_CHARS + 1]  # a longer one is wrong, and no more work than others
    matches = await _in_thread(lambda: _matches(password_hash or _NOBODY, _normal(password)))
    return matches and password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Whether it was made with other parameters than those of today."""
    return _hasher.check_needs_rehash(password_hash)


async def _in_thread(work: Callable[[], T]) -> T:
    global _waiting
    if _waiting >= _MAX_WAITING:
        raise LimitReached("too_many_sign_ins", "Too many people are signing in right now; try again.", 2)
    _waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_thread, work)
    finally:
        _waiting -= 1


def _matches(password_hash: str, password: bytes) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _normal(password: str) -> bytes:
    """The same bytes from every keyboard: ü may be typed as one character or as two."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
