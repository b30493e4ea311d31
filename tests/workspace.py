"""A tenant of the tests: a pool, an account, a number, and what tests do with them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Row, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from call_counts import check_counts
from fake_carrier import FakeCarrier
from outdial.agents.ready_agents import ReadyAgent
from outdial.calls.advance import Applied, apply_event
from outdial.calls.claim import Claim, claim_due_calls
from outdial.calls.hang_up import request_hang_up
from outdial.calls.transfers import TransferRecord, transfers_of
from outdial.carriers.calls import CallControl, Detection
from outdial.db.notify import notify
from outdial.db.tables import (
    attempts,
    call_events,
    calls,
    carrier_accounts,
    numbers,
    pools,
    transfers,
)
from outdial.dispatch.departing import Departures
from outdial.dispatch.dialing import dial
from outdial.ids import new_id
from outdial.settings import Settings
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.state import CallState, EndReason, Progress

CALLER, CALLEE = "+15551230002", "+15551230001"
# Of this database alone: tests of the same run have other databases of the same server.
END_LOCK_HOLDERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
# Outbound alone: some tests say that inbound calls are using lines.
RECOUNT = """
    SELECT (SELECT count(*) FROM calls WHERE holds_line AND direction = 'outbound') AS holders,
        (SELECT count(*) FROM calls WHERE holds_line <> (state NOT IN ('queued', 'ended'))) AS leaks,
        (SELECT sum(used_outbound) FROM pools) AS used,
        ARRAY(SELECT call_id FROM attempts WHERE state <> 'ended' GROUP BY call_id HAVING count(*) > 1) AS twice,
        ARRAY(
            SELECT attempt_id FROM seats WHERE attempt_id IS NOT NULL
            AND attempt_id NOT IN (SELECT id FROM attempts WHERE state <> 'ended')
        ) AS seats_left
"""
OWNER = "worker_tests"  # not in `workers`: dead, as far as a sweep can see


class Agents:
    """Every agent is the same, and hangs up on machines."""

    async def agent(self, agent_id: str, version: int) -> ReadyAgent:
        async def run(call: object) -> None: ...

        return ReadyAgent(run=run, machine_action="hang_up", machine_message=None, word=lambda text, call: text)


class Workspace:
    """One tenant with a pool, an account, a number, and what tests do with them."""

    def __init__(self, engine: AsyncEngine, settings: Settings, carrier: FakeCarrier, id_: str) -> None:
        self.engine = engine
        self.settings = settings
        self.carrier = carrier
        self.id = id_
        self.is_as_it_came = True  # no test has written states of its own into it
        self.account_id = ""
        self.number_id = ""

    async def open_carrier(self, account_id: str) -> CallControl:
        return self.carrier

    async def add_account(self, *, calls_per_second: float = 1000.0, e164: str = CALLER) -> tuple[str, str]:
        """A carrier account and its number; returns their ids."""
        async with self.engine.begin() as conn:
            return await insert_account(conn, self.id, calls_per_second=calls_per_second, e164=e164)

    async def queue(self, **columns: Any) -> str:
        """A call that waits, due for a second already."""
        row: dict[str, Any] = {
            "id": new_id("call"),
            "workspace_id": self.id,
            "number_id": self.number_id,
            "direction": "outbound",
            "state": "queued",
            "from_": CALLER,
            "to": CALLEE,
            "agent_id": "agent_1",
            "agent_version": 1,
            "ring_timeout_s": 30,
            "max_duration_s": 600,
            "due_at": datetime.now(UTC) - timedelta(seconds=1),
        }
        async with self.engine.begin() as conn:
            await conn.execute(insert(calls).values(row | columns))
        return str((row | columns)["id"])

    async def queue_many(
        self, many: int, *, due_at: str = "now() - interval '1 day' + n * interval '1 ms'", expires_at: str = "NULL"
    ) -> None:
        """Calls that wait, `call_many1` and on, each to another callee; instants in SQL, of the number `n` of each."""
        async with self.engine.begin() as conn:
            await conn.execute(
                text(
                    'INSERT INTO calls (id, workspace_id, number_id, direction, state, "from", "to", agent_id,'
                    " agent_version, ring_timeout_s, max_duration_s, due_at, expires_at)"
                    " SELECT 'call_many' || n, :workspace, :number, 'outbound', 'queued', '+12025550100',"
                    f" '+1303' || lpad(n::text, 7, '0'), 'agent_1', 1, 30, 600, {due_at}, {expires_at}"
                    " FROM generate_series(1, :many) AS n"
                ),
                {"workspace": self.id, "number": self.number_id, "many": many},
            )

    async def claim(self, *, owner: str = OWNER, engine: AsyncEngine | None = None, batch: int = 50) -> list[Claim]:
        admitted = await claim_due_calls(
            engine or self.engine, self.id, owner=owner, lease_s=self.settings.lease_s, batch=batch
        )
        return admitted.claims

    async def dial(self, claim: Claim) -> None:
        departures = Departures(self.engine)
        await dial(self.engine, self.settings, self.carrier, claim, Detection.OFF, departures=departures)

    async def dialed(self, *, owner: str = OWNER, **columns: Any) -> Claim:
        """A call that was queued, claimed and dialled."""
        await self.queue(**columns)
        (claim,) = await self.claim(owner=owner)
        await self.dial(claim)
        return claim

    async def hears(
        self,
        attempt_id: str,
        state: CallState,
        end_reason: EndReason | None = None,
        *,
        carrier_call_id: str | None = None,
        **facts: Any,
    ) -> Applied | None:
        if carrier_call_id is not None:
            facts["carrier_call"] = CarrierCall(id=carrier_call_id)
        event = Progress(state=state, end_reason=end_reason, **{"at": datetime.now(UTC)} | facts)
        return await apply_event(self.engine, attempt_id, event)

    async def call(self, call_id: str) -> Row[Any]:
        async with self.engine.connect() as conn:
            return (await conn.execute(select(calls).where(calls.c.id == call_id))).one()

    async def attempt(self, attempt_id: str) -> Row[Any]:
        async with self.engine.connect() as conn:
            return (await conn.execute(select(attempts).where(attempts.c.id == attempt_id))).one()

    async def attempts(self, call_id: str) -> list[Row[Any]]:
        query = select(attempts).where(attempts.c.call_id == call_id).order_by(attempts.c.number)
        async with self.engine.connect() as conn:
            return list((await conn.execute(query)).all())

    async def pool(self) -> Row[Any]:
        async with self.engine.connect() as conn:
            return (await conn.execute(select(pools).where(pools.c.workspace_id == self.id))).one()

    async def events(self, call_id: str, type_: str | None = None) -> list[dict[str, Any]]:
        query = select(call_events).where(call_events.c.call_id == call_id).order_by(call_events.c.id)
        async with self.engine.connect() as conn:
            return [row.data for row in await conn.execute(query) if type_ in (None, row.type)]

    async def transfers(self, call_id: str) -> list[TransferRecord]:
        async with self.engine.connect() as conn:
            return (await transfers_of(conn, [call_id])).get(call_id, [])

    async def set_transfers(self, **columns: Any) -> None:
        async with self.engine.begin() as conn:
            await conn.execute(update(transfers).values(**columns))

    async def set_call(self, call_id: str, **columns: Any) -> None:
        self.is_as_it_came &= "state" not in columns
        async with self.engine.begin() as conn:
            await conn.execute(update(calls).where(calls.c.id == call_id).values(**columns))

    async def set_attempt(self, attempt_id: str, **columns: Any) -> None:
        self.is_as_it_came &= "state" not in columns
        async with self.engine.begin() as conn:
            await conn.execute(update(attempts).where(attempts.c.id == attempt_id).values(**columns))

    async def set_pool(self, **columns: Any) -> None:
        async with self.engine.begin() as conn:
            await conn.execute(update(pools).where(pools.c.workspace_id == self.id).values(**columns))

    async def ask_hang_up(self, call_id: str) -> None:
        """As somebody does who presses the button."""
        await request_hang_up(self.engine, self.id, call_id)

    async def tell(self, channel: str, payload: str) -> None:
        async with self.engine.begin() as conn:
            await notify(conn, channel, payload)

    async def recount(self) -> None:
        """What must hold at any instant."""
        async with self.engine.connect() as conn:
            found = (await conn.execute(text(RECOUNT))).one()
            await check_counts(conn)
        seats_left = found.seats_left if self.is_as_it_came else []
        assert (found.used, found.leaks, found.twice, seats_left) == (found.holders, 0, [], [])
        refs = [request.ref for request in self.carrier.dialed]
        assert len(refs) == len(set(refs)), "an attempt was dialled twice"


async def insert_account(
    conn: AsyncConnection, workspace_id: str, *, calls_per_second: float = 1000.0, e164: str = CALLER
) -> tuple[str, str]:
    """A carrier account and its number; returns their ids."""
    account_id, number_id = new_id("acct"), new_id("num")
    account = {"id": account_id, "carrier": "twilio", "account_ref": account_id, "credentials": b""}
    number = {"id": number_id, "carrier_account_id": account_id, "e164": e164, "name": "Front desk"}
    await conn.execute(
        insert(carrier_accounts).values(account | {"workspace_id": workspace_id, "calls_per_second": calls_per_second})
    )
    await conn.execute(insert(numbers).values(number | {"workspace_id": workspace_id}))
    return account_id, number_id


async def until(condition: Callable[[], Awaitable[bool]], *, within_s: float = 30, every_s: float = 0.01) -> None:
    """Wait for something another task does."""
    async with asyncio.timeout(within_s):
        while not await condition():  # noqa: ASYNC110 - what is waited for is elsewhere, as in the database
            await asyncio.sleep(every_s)


async def logged(caplog: pytest.LogCaptureFixture, message: str) -> bool:
    """A condition for `until`."""
    return message in caplog.messages
