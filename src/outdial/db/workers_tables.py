"""The processes that run, and the places for conversations that they have."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Double,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from outdial.db.metadata import instant, metadata

# A process that owns attempts. It holds a session advisory lock on `lock_key` for as long as it lives: a free lock
# is the proof of death that an expired lease is not. What it says of itself with each heartbeat follows.
workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("lock_key", BigInteger, nullable=False, unique=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    instant("started_at", now=True),
    Column("roles", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("version", Text),        # null: it is too old to say so
    Column("stream_url", Text),     # wss://…: where carriers open the audio of calls that have a seat here
    Column("internal_url", Text),   # http://…: where other processes reach this one, if they can
    Column("seats", Integer, nullable=False, server_default="0"),
    Column("live", Integer, nullable=False, server_default="0"),  # conversations under way
    Column("draining", Boolean, nullable=False, server_default=text("false")),  # so it says itself
    instant("drain_requested_at"),  # somebody wants it to drain
    Column("lease_s", Double, nullable=False, server_default="0"),
    Column("secret_keys", ARRAY(Text)),  # the ids of those it reads with, newest first; null: it is too old to say so
    Column("clock_ahead_s", Double),  # its host's clock, of the database's; of this and the next null: as above
    Column("open_files", Integer),    # how many it may open
    instant("seen_at"),             # null: not yet, or found dead; older than half of `lease_s`: it gives no seat
)

# A worker's seats, one row each, for as long as it has them to give. Who takes one locks a free row, who gives one back
# changes their own: nobody waits for anybody.
seats = Table(
    "seats",
    metadata,
    Column("worker_id", Text, ForeignKey("workers.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),  # 1, 2, …
    Column("attempt_id", Text),                 # whose it is; null: it is free
    PrimaryKeyConstraint("worker_id", "number"),
    Index("ix_seats_free", "worker_id", "number", postgresql_where=text("attempt_id IS NULL")),
    Index("ix_seats_attempt_id", "attempt_id", unique=True, postgresql_where=text("attempt_id IS NOT NULL")),
)

_IS_ALIVE = """EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 1 AND granted
            AND (classid::bigint << 32 | objid::bigint) = workers.lock_key
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )"""

# Those whose lock is held, also one that is frozen, and may wake up.
ALIVE = text(f"""
    SELECT workers.* FROM workers
    WHERE {_IS_ALIVE}
    ORDER BY started_at, id
""")  # noqa: S608 - put together of constants


def an_older_lives() -> ColumnElement[bool]:
    """Whether a process of an Outdial lives that knows nothing of seats, second legs, alerts and hashed entries of the
    do-not-call list, as while a server is upgraded: until it has ended, nothing may rest on its knowing them."""
    older = f"EXISTS (SELECT FROM workers WHERE version IS NULL AND {_IS_ALIVE})"
    return literal_column(older, Boolean)
