"""What the carrier told about a call, as it came."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.db.tables import attempts, callbacks
from outdial.history.views import call_state
from outdial.instants import to_json

MAX_CALLBACKS = 500

_SHOWN_CHARS = 6
_SECRET = ("authorization", "signature", "token", "secret", "cookie", "api-key")


class CallbackView(TypedDict):
    """`attempt` is the number of the dial it is about; `headers` are those worth keeping, secrets shortened;
    `handled_at` is null until what it says has been concluded from it."""

    id: int
    attempt: int
    carrier: str
    kind: str
    received_at: str
    handled_at: str | None
    headers: dict[str, str]
    body: str


async def list_callbacks(conn: AsyncConnection, workspace_id: str, call_id: str) -> list[CallbackView]:
    """In the order they came, the first MAX_CALLBACKS of them. Raises NotFound."""
    await call_state(conn, workspace_id, call_id)
    rows = await conn.execute(
        select(callbacks, attempts.c.number, attempts.c.carrier)
        .join(attempts, attempts.c.id == callbacks.c.attempt_id)
        .where(attempts.c.call_id == call_id)
        .order_by(callbacks.c.id)
        .limit(MAX_CALLBACKS)
    )
    return [
        CallbackView(
            id=row.id,
            attempt=row.number,
            carrier=row.carrier,
            kind=row.kind,
            received_at=to_json(row.received_at),
            handled_at=to_json(row.handled_at),
            headers={name: shortened(name, value) for name, value in row.headers.items()},
            body=row.body,
        )
        for row in rows
    ]


def shortened(name: str, value: str) -> str:
    """A header's value; of what could let somebody in, only as much as tells one from another."""
    if any(word in name.lower() for word in _SECRET):
        return f"{value[:_SHOWN_CHARS]}…" if len(value) > 3 * _SHOWN_CHARS else "…"
    return value
