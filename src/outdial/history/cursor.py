"""Where one page of a list of calls ends and the next one begins."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from outdial.history.call_filter import CallFilter, CallSearch
from outdial.history.stored_call import StoredCall
from outdial.ids import is_id
from outdial.instants import parse_instant, to_json
from outdial.refusals import Invalid


class Order(StrEnum):
    """Which of two calls is the newer one: that was made later, or that ended later."""

    CREATED = "created"
    ENDED = "ended"

    @classmethod
    def of(cls, wanted: CallSearch) -> "Order":
        by_end = wanted.ended_after is not None or wanted.ended_before is not None
        return cls.ENDED if by_end else cls.CREATED


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A place between two calls. The page at it holds the older ones, or the `newer` ones next to it."""

    at: datetime
    call_id: str
    order: Order = Order.CREATED
    newer: bool = False

    def text(self) -> str:
        marks = ["newer"] * self.newer + [f"{self.order}"] * (self.order is not Order.CREATED)
        return base64.urlsafe_b64encode(json.dumps([to_json(self.at), self.call_id, *marks]).encode()).decode()

    @classmethod
    def of(cls, wanted: CallFilter) -> "Cursor | None":
        """Raises Invalid for what isn't a cursor of ours, or is one of a list in another order."""
        if wanted.cursor is None:
            return None
        cursor = cls.parse(wanted.cursor)
        if cursor.order is not Order.of(wanted):
            raise Invalid(
                "cursor", "is of a list without ended_after, or with it: keep the filters from page to page"
            )
        return cursor

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Raises Invalid."""
        try:
            instant, call_id, *marks = json.loads(base64.b64decode(text, altchars=b"-_", validate=True))
            at = parse_instant(instant).astimezone(UTC)
        except (ValueError, TypeError, RecursionError):
            raise Invalid("cursor", "is not a cursor of this API") from None
        newer = marks[:1] == ["newer"]
        if not (isinstance(call_id, str) and is_id(call_id, "call")) or marks[newer:] not in ([], [Order.ENDED]):
            raise Invalid("cursor", "is not a cursor of this API")
        return cls(at=at, call_id=call_id, order=Order.ENDED if marks[newer:] else Order.CREATED, newer=newer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paged:
    """Newest first, and the cursors of the pages on both sides; None where there is none."""

    calls: Sequence[StoredCall]
    older: str | None
    newer: str | None

    @classmethod
    def of(cls, found: Sequence[StoredCall], wanted: CallFilter) -> "Paged":
        """`found`: those of the page and one more, as the cursor walks."""
        cursor = Cursor.of(wanted)
        page, more = found[: wanted.limit], len(found) > wanted.limit
        order = Order.of(wanted)
        if cursor is not None and cursor.newer:
            page = page[::-1]
            return cls(calls=page, older=_at(page, -1, order), newer=_at(page, 0, order, newer=True) if more else None)
        return cls(
            calls=page,
            older=_at(page, -1, order) if more else None,
            newer=None if cursor is None else _at(page, 0, order, newer=True),
        )


def _at(page: Sequence[StoredCall], index: int, order: Order, *, newer: bool = False) -> str | None:
    if not page:
        return None
    call = page[index]
    at = call.created_at if order is Order.CREATED else call.ended_at
    assert at is not None  # a list of calls that have ended
    return Cursor(at=at, call_id=call.id, order=order, newer=newer).text()
