"""A share of some calls, and how far it may be from the one of all calls. Pure."""

from math import sqrt

from typing_extensions import TypedDict

_Z = 1.959964  # 95 % of a normal distribution lie within so many deviations


class Share(TypedDict):
    """`calls` of `of`. The share of all such calls is between `low` and `high`, with a certainty of 95 % (Wilson's
    interval). `share`, `low` and `high` are null of none."""

    calls: int
    of: int
    share: float | None
    low: float | None
    high: float | None


def share(calls: int, of: int) -> Share:
    if of == 0:
        return Share(calls=0, of=0, share=None, low=None, high=None)
    rate, weight = calls / of, _Z**2 / of
    middle = (rate + weight / 2) / (1 + weight)
    reach = _Z * sqrt(rate * (1 - rate) / of + weight / (4 * of)) / (1 + weight)
    low = 0.0 if calls == 0 else max(0.0, middle - reach)
    high = 1.0 if calls == of else min(1.0, middle + reach)
    return Share(calls=calls, of=of, share=round(rate, 4), low=round(low, 4), high=round(high, 4))
