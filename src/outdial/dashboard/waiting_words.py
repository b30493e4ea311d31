"""What a call waits for, and pauses, in words."""

from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup

from outdial.calls.cancel_waiting import COUNTED_TO
from outdial.dashboard.words import instant
from outdial.history.waiting import WaitReason

_SHORT = {
    WaitReason.PAUSE: "Paused",
    WaitReason.TIME: "For later",
    WaitReason.LINE: "For a line",
    WaitReason.SEAT: "For a seat",
    WaitReason.PACE: "For its turn",
}
_WHOLE = {
    WaitReason.PAUSE: "Waits because dialling is paused",
    WaitReason.TIME: "Waits for its time",
    WaitReason.LINE: "Waits for a free line: all are taken",
    WaitReason.SEAT: "Waits for a free seat: no worker has room for one more conversation",
    WaitReason.PACE: "Waits for its turn: the carrier account dials others before it",
}


def waits_short(waiting: Mapping[str, Any]) -> str:
    """`For a line, place 12`."""
    return _SHORT[WaitReason(waiting["reason"])] + _place(waiting, ", place")


def waits(waiting: Mapping[str, Any]) -> Markup:
    """A sentence, with its place and when it is expected to be dialled, as far as these are known."""
    text = Markup("{}{}.").format(_WHOLE[WaitReason(waiting["reason"])], _place(waiting, "; its place is"))
    if waiting["expected_at"] is not None:
        text += Markup(" It is to be dialled at {}.").format(instant(waiting["expected_at"]))
    return text


def waiting_calls(number: int) -> str:
    """`12 calls wait`."""
    at_least = " or more" if number >= COUNTED_TO else ""
    return f"{number:,}{at_least} calls wait" if number != 1 else "1 call waits"


def _place(waiting: Mapping[str, Any], before: str) -> str:
    return "" if waiting["position"] is None else f"{before} {waiting['position']:,}"


FILTERS: dict[str, Callable[..., Any]] = {"waits": waits, "waits_short": waits_short, "waiting_calls": waiting_calls}
