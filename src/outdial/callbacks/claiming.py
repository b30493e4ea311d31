"""An attempt's oldest callback, claimed: the attempt and its call locked and the callback marked in one statement."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, Text, bindparam, func, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.calls.records import HELD_COLUMNS, Held, with_call
from outdial.db import hot
from outdial.db.engine import without_flush
from outdial.db.hot import Hot
from outdial.db.tables import attempts, callbacks, calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A callback as it was kept."""

    id: int
    kind: str
    headers: Mapping[str, str]
    body: str
    received_at: datetime


class NotClaimed(StrEnum):
    NONE_LEFT = "none_left"
    # Somebody else is at the attempt (another callback of it, the reply to its dial, the end of its conversation), or
    # was until just now, and there may be more than we see.
    BUSY = "busy"


async def claim_oldest(conn: AsyncConnection, attempt_id: str) -> tuple[Held, Stored] | NotClaimed:
    """Claimed by being marked as handled: that lasts if the transaction does. Its commit doesn't wait for the disk: the
    callback itself is safe there, and should the database server crash, it is as little handled as anything that came
    of it is written.

    The attempt comes first, as everywhere. It isn't waited for: whoever has it may be frozen, and a place here and a
    connection of the pool would be frozen, too.
    """
    row = (await hot.execute(conn, _CLAIM, {"attempt": attempt_id})).one_or_none()
    if row is None:
        return NotClaimed.BUSY
    if row.claimed_id is None:
        return NotClaimed.NONE_LEFT if row.oldest is None else NotClaimed.BUSY
    stored = Stored(
        id=row.claimed_id,
        kind=row.claimed_kind,
        headers=row.claimed_headers,
        body=row.claimed_body,
        received_at=row.claimed_received_at,
    )
    return Held.of(dict(zip(HELD_COLUMNS, row, strict=False))), stored


# Built once: putting it together takes longer than running it.
def _claiming() -> Select[Any]:
    locked = (
        with_call(labelled=True)
        .where(attempts.c.id == bindparam("attempt", type_=Text), without_flush())
        .with_for_update(of=[attempts, calls], key_share=True, skip_locked=True)
        .cte("locked")
    )
    left = callbacks.alias("left")
    oldest = (
        select(func.min(left.c.id).label("oldest"))
        .where(left.c.attempt_id == bindparam("attempt", type_=Text), left.c.handled_at.is_(None))
        .cte("oldest")
    )
    # The statement may see as not handled what was handled before it had the lock: so it looks at the row once more.
    claimed = (
        update(callbacks)
        .where(
            callbacks.c.attempt_id == locked.c.attempts_id,
            callbacks.c.id == oldest.c.oldest,
            callbacks.c.handled_at.is_(None),
        )
        .values(handled_at=func.now())
        .returning(
            *(
                callbacks.c[name].label(f"claimed_{name}")
                for name in ("id", "kind", "headers", "body", "received_at")
            )
        )
        .cte("claimed")
    )
    return select(*locked.c, oldest.c.oldest, *claimed.c).select_from(
        locked.join(oldest, true()).outerjoin(claimed, true())
    )


_CLAIM = Hot(_claiming())
