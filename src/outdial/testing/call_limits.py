"""How long a call in memory may take."""

from collections.abc import Callable
from dataclasses import dataclass

MAX_VERBS = 2000       # of one call: an agent that goes round in circles ends here
MAX_CALL_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """`is_over` is asked at each verb whether the time of whoever waits for this is up."""

    verbs: int = MAX_VERBS
    seconds: float = MAX_CALL_S
    is_over: Callable[[], bool] = lambda: False
