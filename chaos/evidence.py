"""What is left when a run is over: the books, the carrier's own list, what customers were told, files and logs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.rows import dict_row

from chaos.receiver import Told
from chaos.server import EndedByItself
from chaos.store import Stored
from chaos.throwing import Thrown
from chaos.traffic import Request
from outdial.simulator.calls import FINAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A row of `calls`. `key`: the Idempotency-Key it was asked for with, which its metadata repeat."""

    id: str
    direction: str
    state: str
    end_reason: str | None
    error: str | None
    to: str
    key: str | None
    holds_line: bool
    recording: str | None  # its name in the store
    turns: int             # how many were said
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A row of `attempts`."""

    id: str
    call_id: str
    number: int
    carrier_call_id: str | None
    state: str
    end_reason: str | None
    error: str | None
    owner: str | None
    was_unknown: bool  # the event says so; the row forgets it
    created_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    used_outbound: int
    used_inbound: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What Outdial has written down. `moved` grows with everything that happens in it."""

    calls: Sequence[Call]
    attempts: Sequence[Attempt]
    pools: Sequence[Pool]
    taken_seats: Sequence[str]  # ids of attempts
    unhandled_callbacks: int
    untold: int                 # webhooks that were not taken yet
    moved: int

    @property
    def live(self) -> int:
        return sum(call.state != "ended" for call in self.calls) + sum(
            attempt.state != "ended" for attempt in self.attempts
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A call as the simulator lists it."""

    id: str
    direction: str
    to: str
    state: str
    was_dialled: bool
    answered_at: datetime | None
    ended_at: datetime | None

    @property
    def is_up(self) -> bool:
        return self.state not in FINAL


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """`message` is the whole line where it is none of ours."""

    server: str
    level: str
    message: str
    exception: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    books: Books
    phones: Sequence[Phone]
    requests: Sequence[Request]
    log: Sequence[LogLine]
    left_files: Sequence[str] = ()
    ended_by_itself: Sequence[EndedByItself] = ()
    not_ready: Sequence[str] = ()    # servers that never served again
    not_stopped: Sequence[str] = ()  # servers that SIGTERM did not end
    thrown: Sequence[Thrown] = ()
    seated: Mapping[str, Sequence[str]] = field(default_factory=dict)  # attempts: at which servers they had a seat
    stored: Sequence[Stored] = ()
    told: Sequence[Told] = ()
    secrets: Sequence[str] = field(default=(), repr=False)


CALLS = r"""
SELECT id, direction, state, end_reason, error ->> 'code' AS error, "to", metadata ->> 'key' AS key, holds_line,
    regexp_replace(recording, '^recordings/([^/]+)/', '\1/' || id || '/') AS recording,
    (SELECT count(*) FROM turns WHERE turns.call_id = calls.id) AS turns,
    created_at
FROM calls ORDER BY created_at, id
"""
ATTEMPTS = """
SELECT a.id, a.call_id, a.number, a.carrier_call_id, a.state, a.end_reason, a.error ->> 'code' AS error, a.owner,
    EXISTS (
        SELECT FROM call_events AS e
        WHERE e.call_id = a.call_id AND e.type = 'unknown' AND (e.data ->> 'attempt')::int = a.number
    ) AS was_unknown,
    a.created_at, a.answered_at, a.ended_at
FROM attempts AS a ORDER BY a.created_at, a.id
"""


SEATS = "SELECT attempt_id FROM seats WHERE attempt_id IS NOT NULL"
UNTOLD = """
SELECT (SELECT count(*) FROM webhook_outbox)
    + (SELECT count(*) FROM webhook_deliveries WHERE finished_at IS NULL) AS n
"""


def read_books(database_url: str) -> Books:
    """Raises psycopg.Error while the database is away."""
    with psycopg.connect(database_url, connect_timeout=5, row_factory=dict_row) as connection:
        rows = connection.execute
        return Books(
            calls=[Call(**row) for row in rows(CALLS)],
            attempts=[Attempt(**row) for row in rows(ATTEMPTS)],
            pools=[Pool(**row) for row in rows("SELECT used_outbound, used_inbound FROM pools")],
            taken_seats=[row["attempt_id"] for row in rows(SEATS)],
            untold=_count(rows(UNTOLD)),
            unhandled_callbacks=_count(rows("SELECT count(*) AS n FROM callbacks WHERE handled_at IS NULL")),
            moved=_count(rows("SELECT coalesce(max(id), 0) AS n FROM call_events")),
        )


def hurry_webhooks(database_url: str, *, nothing_comes: bool) -> None:
    """What waits to be sent again is sent at once: nobody waits five minutes in a short run. Nor two for what a call's
    conversation may still bring, where `nothing_comes` any more. Raises psycopg.Error."""
    with psycopg.connect(database_url, connect_timeout=5) as connection:
        if nothing_comes:
            connection.execute("UPDATE webhook_outbox SET left_at = left_at - interval '2 minutes', due_at = now()")
        connection.execute("UPDATE webhook_deliveries SET next_at = now() WHERE state = 'waiting' AND next_at > now()")
        connection.execute("UPDATE webhook_lanes SET hold_until = NULL WHERE hold_until > now()")


def _count(rows: Any) -> int:
    return int(rows.fetchone()["n"])


async def read_phones(simulator_url: str) -> list[Phone]:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        listed = (await http.get(f"{simulator_url}/_simulator/calls")).raise_for_status().json()["calls"]
    return [_phone(told) for told in listed]


def _phone(told: Mapping[str, Any]) -> Phone:
    return Phone(
        id=told["sid"],
        direction=told["direction"],
        to=told["to"] if told["to"].startswith("+") else "+" + told["to"],
        state=told["state"],
        was_dialled=told["dialled"],
        answered_at=_instant(told["answered_at"]),
        ended_at=_instant(told["ended_at"]),
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def read_log(server: str, path: Path) -> list[LogLine]:
    return [_log_line(server, text) for text in path.read_text(errors="replace").splitlines() if text.strip()]


def _log_line(server: str, text: str) -> LogLine:
    try:
        said = json.loads(text)
        return LogLine(
            server=server,
            level=said["level"],
            message=said["message"],
            exception=said.get("exception", ""),
            text=text,
        )
    except (ValueError, TypeError, KeyError):
        return LogLine(server=server, level="", message=text, exception="", text=text)


def left_files(data_dir: Path) -> list[str]:
    """Recordings that are unfinished, or not in the store yet, and results nobody has delivered."""
    found = [*data_dir.rglob("*.part"), *data_dir.glob("recordings/**/*.wav"), *data_dir.glob("spool/*/*.json")]
    return sorted(str(path.relative_to(data_dir.parent)) for path in found)
