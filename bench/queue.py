"""A long queue: the overview, pages of calls and the claim of one, with a million calls waiting in the database.

Through the functions that the API, the dashboard and the dispatcher use, in this process: what is measured is their
statements and PostgreSQL.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import uvloop
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.figures import Figure, Result, percentile
from bench.history import fill
from bench.options import Options
from bench.scene import TALK, fresh_database
from outdial.agents.store import create_agent
from outdial.calls.claim import claim_due_calls
from outdial.carriers.name import CarrierName
from outdial.db.engine import create_engine, reading
from outdial.db.migrate import upgrade
from outdial.db.tables import numbers
from outdial.history.call_filter import CallFilter
from outdial.history.overview import get_overview
from outdial.history.periods import Days, last_days
from outdial.history.views import list_calls
from outdial.lines.workspace_pools import create_workspace
from outdial.numbers.new_number import NewNumber
from outdial.numbers.store import add_number
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.secrets import SecretBox

TARGET_OVERVIEW_MS = 50.0
TARGET_PAGE_MS = 50.0
TARGET_CLAIM_MS = 25.0
TARGET_INDEXES_MB = 400.0
LONGEST_MS = 20_000  # of one row; what takes this long needs no further proof
Step = Callable[[int], Awaitable[None]]
# Waiting calls as they are accepted, so many a second until now, each due at once.
_QUEUE = """
INSERT INTO calls (id, workspace_id, number_id, direction, state, "from", "to", agent_id, agent_version, variables,
    metadata, ring_timeout_s, max_duration_s, created_at, due_at)
SELECT 'call_' || substr(translate(md5(random()::text || n), 'abcdef', 'ghjkmn'), 1, 20), :workspace_id, :number_id,
    'outbound', 'queued', :e164, '+1303' || lpad((n::bigint * 7919 % 10000000)::text, 7, '0'), :agent_id, 1,
    jsonb_build_object('user_name', 'Customer ' || n % 5000), jsonb_build_object('crm_id', n), 30, 1800, at, at
FROM (
    SELECT n, now() - (CAST(:last AS integer) - n) * interval '1 second' / :a_second AS at
    FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS n
) AS made
"""
_END_CLAIMED = """
WITH over AS (
    UPDATE calls SET state = 'ended', end_reason = 'canceled', ended_at = now(), holds_line = false
    WHERE workspace_id = :workspace_id AND state = 'dialing' RETURNING id
), attempt AS (
    UPDATE attempts SET state = 'ended', ended_at = now() FROM over WHERE attempts.call_id = over.id
), pool AS (
    UPDATE pools SET used_outbound = 0 WHERE workspace_id = :workspace_id
), seat AS (
    UPDATE seats SET attempt_id = NULL WHERE attempt_id IS NOT NULL
)
UPDATE carrier_accounts SET next_dial_at = now() WHERE id = :account_id
"""
# Two workers with as many seats as a core has by default.
_WORKERS = """
WITH entered AS (
    INSERT INTO workers (id, lock_key, host, pid, roles, stream_url, seats, lease_s, seen_at)
    SELECT 'worker_' || n, n, 'bench', n, '{media}', 'ws://127.0.0.1:' || 8080 + n, 300, 86400, now()
    FROM generate_series(1, 2) AS n RETURNING id
)
INSERT INTO seats (worker_id, number) SELECT id, number FROM entered, generate_series(1, 300) AS number
"""
# A page of calls each: none of them is to be looked for behind the queue, and none of the queue behind the others.
PAGES: Sequence[tuple[str, dict[str, Any]]] = (
    ("all", {}),
    ("waiting", {"state": ["queued"]}),
    ("ended", {"state": ["ended"]}),
    ("up", {"state": ["in_progress"]}),
    ("completed", {"end_reason": ["completed"]}),
    ("failed", {"end_reason": ["failed"]}),
    ("an outcome", {"outcome": ["confirmed"]}),
    ("answered by a machine", {"answered_by": "machine"}),
    ("inbound", {"direction": "inbound"}),
    ("of one number", {"number_id": "the queue's"}),
    ("of a party that waits", {"party": "+13030007919"}),
    ("words of every call", {"words": "hello customer"}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A workspace with one number, and the account it goes out by."""

    workspace_id: str
    agent_id: str
    number_id: str
    account_id: str
    e164: str


Before = Callable[[AsyncEngine, Tenant, int], Awaitable[None]]


def queue(options: Options) -> Result:
    with fresh_database() as (_, postgres):
        return uvloop.run(_measure(options, postgres.start()))


async def _measure(options: Options, database_url: str) -> Result:
    waiting, ended = options.pick(1_000_000, 2000), options.pick(100_000, 200)
    looks, claimed = options.pick(100, 3), options.pick(300, 3)
    engine = create_engine(database_url)
    await upgrade(engine)
    async with engine.begin() as conn:
        await conn.execute(text(_WORKERS))
    ours = await tenant_with(engine, "+12025550101", (await create_workspace(engine, name="Ours", lines=100))["id"])
    beside = await tenant_with(engine, "+12025550102", ours.workspace_id)
    other = await tenant_with(engine, "+12025550103", (await create_workspace(engine, name="Other", lines=100))["id"])
    await fill(engine, **_call_of(ours), count=ended, days=1)
    claims = [await _claims(engine, other, "of an empty queue", claimed, _one_more)]
    await have_waiting(engine, ours, waiting)
    indexes_mb = await _indexes_mb(engine) * 1_000_000 / (waiting + ended)
    rows = [await _overview(engine, ours, days, looks) for days in Days]
    rows += [await _page(engine, ours, name, wanted, looks) for name, wanted in PAGES]
    claims.append(await _claims(engine, ours, "the queue's first", claimed, _nothing))
    claims.append(await _claims(engine, other, "beside another workspace's queue", claimed, _one_more))
    await _hold_back(engine, ours)
    claims.append(await _claims(engine, beside, "past the queue of an account behind its pace", claimed, _one_more))
    await engine.dispose()
    overviews, of_pages = rows[: len(Days)], rows[len(Days) :]
    overview = max(overviews, key=lambda row: float(row["p95 ms"]))
    page, claim = max(of_pages, key=lambda row: float(row["p95 ms"])), max(claims, key=lambda row: float(row["p99 ms"]))
    return Result(
        name="queue",
        title="A long queue",
        figures=[
            Figure(name=f"p95 ({overview['what']})", value=overview["p95 ms"], unit="ms", target=TARGET_OVERVIEW_MS),
            Figure(name=f"slowest, p95 ({page['what']})", value=page["p95 ms"], unit="ms", target=TARGET_PAGE_MS),
            Figure(name=f"slowest, p99 ({claim['what']})", value=claim["p99 ms"], unit="ms", target=TARGET_CLAIM_MS),
            Figure(name="indexes of a million calls", value=indexes_mb, unit="MB", target=TARGET_INDEXES_MB),
        ],
        rows=[*rows, *claims],
        notes=[
            f"{waiting:,} calls wait and {ended:,} have ended within a day. The statements of each, without HTTP. "
            "A claim is of one call.",
        ],
    )


async def _overview(engine: AsyncEngine, tenant: Tenant, days: Days, times: int) -> dict[str, Any]:
    async def look(_: int) -> None:
        async with reading(engine) as conn:
            await get_overview(conn, tenant.workspace_id, last_days(days, "UTC", now=datetime.now(UTC)))

    return await _timed(f"overview, {days.value} days", look, times)


async def _page(engine: AsyncEngine, tenant: Tenant, name: str, wanted: dict[str, Any], times: int) -> dict[str, Any]:
    given = {key: tenant.number_id if key == "number_id" else value for key, value in wanted.items()}

    async def look(_: int) -> None:
        async with reading(engine) as conn:
            await list_calls(conn, tenant.workspace_id, CallFilter.model_validate(given), base_url="")

    return await _timed(f"calls: {name}", look, times)


async def _claims(engine: AsyncEngine, tenant: Tenant, name: str, times: int, before: Before) -> dict[str, Any]:
    async def prepare(number: int) -> None:
        await _end_claimed(engine, tenant)
        await before(engine, tenant, number)

    async def claim(_: int) -> None:
        claimed = await claim_due_calls(engine, tenant.workspace_id, owner="bench", lease_s=15.0, batch=1)
        if len(claimed.claims) != 1:
            raise RuntimeError(f"Claim {name}: {len(claimed.claims)} calls")

    return await _timed(f"claim: {name}", claim, times, prepare)


async def _nothing(engine: AsyncEngine, tenant: Tenant, number: int) -> None:
    """The queue has calls enough."""


async def _one_more(engine: AsyncEngine, tenant: Tenant, number: int) -> None:
    await _run(engine, _QUEUE, _call_of(tenant) | {"first": number, "last": number, "a_second": 300})


async def have_waiting(engine: AsyncEngine, tenant: Tenant, count: int) -> None:
    await _run(engine, _QUEUE, _call_of(tenant) | {"first": 1, "last": count, "a_second": 300})
    await _run(engine, "VACUUM (ANALYZE) calls")


async def _hold_back(engine: AsyncEngine, tenant: Tenant) -> None:
    held = "UPDATE carrier_accounts SET next_dial_at = now() + interval '1 hour' WHERE id = :account_id"
    await _run(engine, held, {"account_id": tenant.account_id})


async def _end_claimed(engine: AsyncEngine, tenant: Tenant) -> None:
    """What was claimed is over, and its account may dial at once."""
    await _run(engine, _END_CLAIMED, {"account_id": tenant.account_id, "workspace_id": tenant.workspace_id})


async def _indexes_mb(engine: AsyncEngine) -> float:
    async with reading(engine) as conn:
        return float(await conn.scalar(text("SELECT pg_indexes_size('calls')")) or 0) / 1_000_000


async def tenant_with(engine: AsyncEngine, e164: str, workspace_id: str) -> Tenant:
    agent = await create_agent(engine, workspace_id, name="Bench", source=TALK, publish=True, by=COMMAND_LINE)
    number = await add_number(
        engine,
        SecretBox("a key for the benchmark"),
        workspace_id,
        NewNumber(
            carrier=CarrierName("twilio"),
            e164=e164,
            credentials={"account_sid": "AC" + e164[1:].zfill(32), "auth_token": "bench-auth-token"},
            agent_id=agent["id"],
        ),
        public_url="http://127.0.0.1",
        by=COMMAND_LINE,
    )
    async with reading(engine) as conn:
        account_id = await conn.scalar(select(numbers.c.carrier_account_id).where(numbers.c.id == number["id"]))
    return Tenant(
        workspace_id=workspace_id,
        agent_id=agent["id"],
        number_id=number["id"],
        account_id=str(account_id),
        e164=e164,
    )


def _call_of(tenant: Tenant) -> dict[str, Any]:
    return {
        "workspace_id": tenant.workspace_id,
        "agent_id": tenant.agent_id,
        "number_id": tenant.number_id,
        "e164": tenant.e164,
    }


async def _run(engine: AsyncEngine, statement: str, values: dict[str, Any] | None = None) -> None:
    async with engine.connect() as conn:
        conn = await conn.execution_options(isolation_level="AUTOCOMMIT")
        await conn.execute(text("SET statement_timeout = 0"))
        await conn.execute(text(statement), values or {})
        await conn.execute(text("RESET statement_timeout"))


async def _timed(what: str, act: Step, times: int, before: Step | None = None) -> dict[str, Any]:
    taken: list[float] = []
    for number in range(1, times + 6):
        if before is not None:
            await before(number)
        began = time.perf_counter()
        await act(number)
        if number > 5:  # the first ones prepare statements
            taken.append((time.perf_counter() - began) * 1000)
        if sum(taken) > LONGEST_MS:
            break
    shares = {f"p{share} ms": round(percentile(taken, share), 1) for share in (50, 95, 99)}
    return {"what": what} | shares | {"max ms": round(max(taken), 1)}
