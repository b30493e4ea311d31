"""How many requests one API key may make. People aren't counted: a page is no program, and must not be hampered."""

import time
from collections.abc import Callable

from outdial.refusals import LimitReached
from outdial.token_buckets import TokenBuckets


class RequestRate:
    """So many a second, and twice as many at once after a pause; of one process, whatever becomes of the request."""

    def __init__(self, per_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._buckets = TokenBuckets(per_s=per_s, at_once=max(1.0, 2 * per_s), clock=clock)

    def count(self, key_id: str) -> None:
        """Raises LimitReached."""
        if wait_s := self._buckets.take(key_id):
            raise LimitReached(
                "rate_limited",
                f"Too many requests with this key: at most {self._buckets.per_s:g} a second, and "
                f"{self._buckets.at_once:g} at once after a pause. Try again in {wait_s} s.",
                wait_s,
            )
