"""What a call tells of its agent's disclosure."""

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict


class CallDisclosure(TypedDict):
    """Whether what the agent has to disclose was heard whole, and when that was on the call clock. Proved by the
    carrier's marks, as all that the transcript has the agent say."""

    heard: bool
    heard_at_ms: int | None


def disclosure_view(stored: Mapping[str, Any] | None) -> CallDisclosure | None:
    """`stored`: as `calls.disclosure` has it."""
    if stored is None:
        return None
    heard_at_ms = stored.get("heard_at_ms")
    return CallDisclosure(heard=heard_at_ms is not None, heard_at_ms=heard_at_ms)
