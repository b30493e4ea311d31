"""How many files, sockets among them, this process may have open."""

import resource
from contextlib import suppress

ENOUGH = 4096  # each live call takes a few, each browser or program that is connected one
_UNLIMITED = 1_048_576  # what an "unlimited" limit is taken for; systems refuse more


def limit() -> int:
    """What holds now (the soft limit)."""
    return _number(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def most() -> int:
    """What this process may raise it to (the hard limit)."""
    return _number(resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def raise_limit() -> int:
    """Take all that is allowed; the limit that holds then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _number(soft) < _number(hard):
        with suppress(OSError, ValueError):  # macOS has another, smaller limit beside this one
            resource.setrlimit(resource.RLIMIT_NOFILE, (_number(hard), hard))
    return limit()


def _number(files: int) -> int:
    return _UNLIMITED if files == resource.RLIM_INFINITY else files
