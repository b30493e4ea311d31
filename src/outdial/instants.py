"""Points in time as the outside world writes them: ISO 8601 with a time zone in, UTC with `Z` out."""

from datetime import UTC, datetime
from typing import overload


def parse_instant(text: str) -> datetime:
    """`text` as aware UTC. Raises ValueError with a reason when it isn't an instant."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be an ISO 8601 instant such as 2026-01-31T09:00:00Z") from None
    if at.tzinfo is None:
        raise ValueError("needs a time zone, as in 2026-01-31T09:00:00Z or 2026-01-31T09:00:00+01:00")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("is too far away") from None


@overload
def to_json(at: datetime) -> str: ...
@overload
def to_json(at: datetime | None) -> str | None: ...
def to_json(at: datetime | None) -> str | None:
    """`2026-01-31T09:00:00.123456Z`; None stays None."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
