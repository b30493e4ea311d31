"""Ids and secrets: random, prefixed with what they name (`call_…`, `num_…`), safe in URLs."""

import hashlib
import secrets

_ALPHABET = "0123456789abcdefghijkmnpqrstuvwxyz"  # no l or o: ids are read aloud and typed

# A text that is new each time, made by the shell of whoever runs a command that was copied: macOS and the BSDs have
# uuidgen, not every Linux does.
UUID_IN_SHELL = "$(uuidgen 2>/dev/null || cat /proc/sys/kernel/random/uuid)"


def new_id(prefix: str) -> str:
    """A new id with 101 random bits: `new_id("call")` is `call_` and 20 characters."""
    return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(20))


def id_of(prefix: str, *parts: str) -> str:
    """The id of something that is told apart by `parts`: the same for the same, so it is known before the thing is."""
    number = int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest(), "big")
    return f"{prefix}_" + "".join(_ALPHABET[number // len(_ALPHABET) ** place % len(_ALPHABET)] for place in range(20))


def new_secret(prefix: str = "") -> str:
    """A new secret with 256 random bits, URL-safe."""
    return prefix + secrets.token_urlsafe(32)


def is_id(text: str, prefix: str) -> bool:
    """Whether `text` could be an id made here; what isn't need not (and, with a NUL, cannot) be looked up."""
    head, _, rest = text.partition("_")
    return head == prefix and 0 < len(rest) <= 64 and rest.isascii() and rest.isalnum()
