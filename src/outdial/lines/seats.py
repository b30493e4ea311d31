"""Seats: places for conversations at the workers that hold them. The only writer of `seats`.

A call takes a seat together with its line, at the worker with the most free ones, and its carrier is given the address
of that worker for the audio. Seats are rows of their own, not a counter: whoever takes one passes over those that
others are taking at the moment, and whoever gives one back changes the one that was theirs. So no call of one workspace
waits for another's, as it would for the one row of a worker.

A worker gives seats while it is seen and nobody wants it to drain. Here that means that its heartbeat is younger than
half its lease, which is to say that it hasn't missed two of them: until its lock is found free it may have vanished,
and whoever picked up would hear nothing. One that drains has no free seats at all: it removes them, which waits for
those that are being taken just then.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    Boolean,
    ColumnElement,
    ScalarSelect,
    Text,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.db.notify import notify
from outdial.db.tables import seats, workers

SPARE = 8  # free seats of a worker looked at beyond those that are wanted: others may be taking some of them
_WILLING = "worker.drain_requested_at IS NULL AND NOT worker.draining"
_GIVES = f"(worker.seen_at > clock_timestamp() - make_interval(secs => worker.lease_s / 2) AND {_WILLING})"
_LATE = f"(worker.seen_at <= clock_timestamp() - make_interval(secs => worker.lease_s / 2) AND {_WILLING})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Where a call is talked on: at which worker, and the base of the address of its audio (wss://…)."""

    worker_id: str
    stream_url: str


def taking_seats(wanted: str) -> str:
    """Parts of a statement that takes seats: rows `seated` (worker_id, number, stream_url, place 1, 2, …) of free seats
    that are locked now, as many as the query `wanted` counts and as there are, the most free worker's first. Those stay
    free that the statement gives to nobody (`sitting`). No row is waited for."""
    return f"""
    giving AS MATERIALIZED (
        SELECT worker.id, worker.stream_url, (
            SELECT count(*) FROM seats WHERE seats.worker_id = worker.id AND seats.attempt_id IS NULL
        ) AS free
        FROM workers AS worker WHERE {_GIVES} AND worker.stream_url IS NOT NULL AND ({wanted}) > 0
    ), offered AS MATERIALIZED (
        SELECT giving.id AS worker_id, giving.stream_url, nearest.number,
            giving.free - row_number() OVER (PARTITION BY giving.id ORDER BY nearest.number) AS left_free
        FROM giving, LATERAL (
            SELECT seats.number FROM seats
            WHERE seats.worker_id = giving.id AND seats.attempt_id IS NULL
            ORDER BY seats.number LIMIT ({wanted}) + {SPARE}
        ) AS nearest
    ), locked_seats AS (
        SELECT seats.worker_id, seats.number, offered.stream_url, offered.left_free
        FROM offered JOIN seats ON seats.worker_id = offered.worker_id AND seats.number = offered.number
        WHERE seats.attempt_id IS NULL
        ORDER BY offered.left_free DESC, seats.worker_id LIMIT ({wanted})
        FOR NO KEY UPDATE OF seats SKIP LOCKED
    ), seated AS (
        SELECT worker_id, number, stream_url, row_number() OVER (ORDER BY left_free DESC, worker_id) AS place
        FROM locked_seats
    )"""  # noqa: S608 - put together of constants


def sitting(claimed: str) -> str:
    """Part of the same statement: rows of `claimed` (attempt_id, worker_id, seat) have these seats from now on."""
    return f"""
    sitting AS (
        UPDATE seats SET attempt_id = {claimed}.attempt_id FROM {claimed}
        WHERE seats.worker_id = {claimed}.worker_id AND seats.number = {claimed}.seat
    )"""  # noqa: S608 - put together of constants


def gives_seats() -> ColumnElement[bool]:
    """Whether a worker (a row of `workers`) gives any now."""
    return literal_column(_GIVES.replace("worker.", "workers."), Boolean)


def a_seat_is_free() -> ColumnElement[bool]:
    """Whether any worker that gives seats has a free one."""
    return _free_where(_GIVES)


def a_late_seat_is_free() -> ColumnElement[bool]:
    """Whether a worker has a free one that gives none only because its last heartbeat is late. It may be ours, on a
    computer that stood still for a moment, and give some again at once."""
    return _free_where(_LATE)


def _free_where(is_so: str) -> ColumnElement[bool]:
    worker = workers.alias("worker")
    free = select(seats.c.number).where(
        seats.c.worker_id == worker.c.id, seats.c.attempt_id.is_(None)
    ).correlate(worker)
    given = select(worker.c.id).where(literal_column(is_so), worker.c.stream_url.is_not(None), free.exists())
    return given.exists()


async def take_seat(conn: AsyncConnection, attempt_id: str) -> Seat | None:
    """One seat for an attempt that has none; None where none can be had at once."""
    row = (await conn.execute(_TAKE, {"seat_attempt": attempt_id})).one_or_none()
    return None if row is None else Seat(worker_id=row.worker_id, stream_url=row.stream_url)


async def seat_of(conn: AsyncConnection, attempt_id: str) -> Seat | None:
    """The seat an attempt has, whether its worker still gives any or not."""
    query = (
        select(seats.c.worker_id, workers.c.stream_url)
        .join(workers, workers.c.id == seats.c.worker_id)
        .where(seats.c.attempt_id == attempt_id)
    )
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else Seat(worker_id=row.worker_id, stream_url=row.stream_url or "")


async def seat_to_return_to(conn: AsyncConnection, attempt_id: str) -> Seat | None:
    """The seat of an attempt whose audio is to be opened once more: the one it has, unless its worker gives no more and
    there is another one. None: its worker is gone, and no other seat is free."""
    row = (await conn.execute(_HELD, {"seat_attempt": attempt_id})).one_or_none()
    held = None if row is None else Seat(worker_id=row.worker_id, stream_url=row.stream_url)
    if held is not None and row is not None and row.gives:
        return held
    async with conn.begin_nested() as savepoint:
        await conn.execute(_GIVE_BACK, {"seat_attempt": attempt_id})
        other = await take_seat(conn, attempt_id)
        if other is None:
            await savepoint.rollback()
    return other if other is not None or row is None or not row.lives else held


def has_seat_at(attempt_id: ColumnElement[str], worker_id: str) -> ColumnElement[bool]:
    return exists().where(seats.c.attempt_id == attempt_id, seats.c.worker_id == worker_id)


def is_elsewhere(attempt_id: ColumnElement[str], worker_id: str | ColumnElement[str]) -> ColumnElement[bool]:
    """Whether an attempt has its seat at a worker whose audio is opened at another address than this worker's. Workers
    behind one address take each other's."""
    own = select(workers.c.stream_url).where(workers.c.id == worker_id).scalar_subquery()
    return exists().where(
        seats.c.attempt_id == attempt_id,
        seats.c.worker_id != worker_id,
        workers.c.id == seats.c.worker_id,
        workers.c.stream_url != own,
    )


# -- given back --------------------------------------------------------------------------------------------------


def giving_seat_back() -> CTE:
    """Part of the statement that ends an attempt (its id: parameter `the_attempt`): one row where it had a seat."""
    freed = update(seats).where(seats.c.attempt_id == bindparam("the_attempt", type_=Text)).values(attempt_id=None)
    return freed.returning(seats.c.number).cte("seat_given_back")


def telling_of_seat(given_back: CTE) -> ScalarSelect[Any]:
    """Part of the same statement: where no seat was free before, whoever waits for one is woken.

    Who has seen none free looked before this is committed, so they hear of it: the first seat that becomes free finds
    none, as in `lines.pool.giving_back`.
    """
    return (
        select(func.pg_notify("outdial_seat", ""))
        .where(select(given_back.c.number).exists(), ~a_seat_is_free())
        .scalar_subquery()
    )


async def audit_seats(conn: AsyncConnection) -> int:
    """Give back the seats of attempts that have ended, or never were; how many. Each is a fault of ours."""
    freed = (await conn.execute(_LEAKED)).rowcount
    if freed:
        await notify(conn, "outdial_seat", "")
    return freed


# -- a worker's own ----------------------------------------------------------------------------------------------


async def open_seats(conn: AsyncConnection, worker_id: str, number: int) -> None:
    """Have so many seats at a worker that gives some (again); those it has stay. Tells whoever waits for one."""
    await conn.execute(_OPEN, {"seat_worker": worker_id, "seat_count": number})
    await notify(conn, "outdial_seat", "")


async def close_seats(conn: AsyncConnection, worker_id: str) -> None:
    """Have no free seat at a worker, once those are taken that are being taken; what is taken stays."""
    await conn.execute(_CLOSE, {"seat_worker": worker_id})


_TAKE = text(f"""
    WITH {taking_seats("1")}
    UPDATE seats SET attempt_id = :seat_attempt FROM seated
    WHERE seats.worker_id = seated.worker_id AND seats.number = seated.number
    RETURNING seats.worker_id, seated.stream_url
""")  # noqa: S608 - put together of constants
_HELD = text(f"""
    SELECT worker.id AS worker_id, coalesce(worker.stream_url, '') AS stream_url, {_GIVES} AS gives,
        worker.seen_at > clock_timestamp() - make_interval(secs => worker.lease_s) AS lives
    FROM seats JOIN workers AS worker ON worker.id = seats.worker_id WHERE seats.attempt_id = :seat_attempt
""")  # noqa: S608 - put together of constants
_GIVE_BACK = text("UPDATE seats SET attempt_id = NULL WHERE attempt_id = :seat_attempt")
_OPEN = text("""
    INSERT INTO seats (worker_id, number)
    SELECT CAST(:seat_worker AS text), number FROM generate_series(1, CAST(:seat_count AS integer)) AS number
    ON CONFLICT DO NOTHING
""")
_CLOSE = text("DELETE FROM seats WHERE worker_id = :seat_worker AND attempt_id IS NULL")
# By its attempt, too: a seat that was given to another one meanwhile is theirs.
_LEAKED = text("""
    WITH leaked AS (
        SELECT worker_id, number, attempt_id FROM seats WHERE attempt_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM attempts WHERE attempts.id = seats.attempt_id AND attempts.state <> 'ended'
        )
    )
    UPDATE seats SET attempt_id = NULL FROM leaked
    WHERE seats.worker_id = leaked.worker_id AND seats.number = leaked.number AND seats.attempt_id = leaked.attempt_id
""")
