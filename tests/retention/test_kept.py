"""Of every table that is cleared: what goes, and what is needed still."""

from datetime import timedelta

import pytest
from sqlalchemy import DateTime, func, insert, select, update

from outdial.calls.enqueue import create_call
from outdial.calls.request import OutboundRequest
from outdial.db.clearing import clear
from outdial.db.tables import (
    call_commands,
    call_events,
    callbacks,
    calls,
    counted_calls,
    idempotency_keys,
    metadata,
    people,
    refused_callbacks,
    retention_runs,
    sign_in_failures,
    sign_in_links,
    sign_ins,
)
from outdial.retention.kept import kept
from outdial.settings import Settings
from outdial.telephony.state import CallState, EndReason
from tenants import make_tenant

DAYS = 40
OLD, NEW = func.now() - timedelta(days=DAYS), func.now() - timedelta(days=1)


@pytest.fixture
def cleared(engine, settings):
    """Clear one table as it is set, with keeping events as long as the rest; how many rows went."""

    async def cleared(name: str) -> int:
        short = settings.model_copy(update={"keep_call_events_days": 30})
        (each,) = [each for each in kept(short) if each.name == name]
        async with engine.connect() as conn:
            now = await conn.scalar(select(func.now()))
        return await clear(engine, each.clearing, now - each.kept_for)

    return cleared


async def add(engine, table, **columns):
    async with engine.begin() as conn:
        await conn.execute(insert(table).values(**columns))


async def rows(engine, column):
    async with engine.connect() as conn:
        return sorted((await conn.scalars(select(column))).all())


async def live_and_ended(workspace):
    """A call that talks, one that waits for its next attempt, and one that has ended; the first and last one's
    attempts."""
    live, ended = await workspace.dialed(), await workspace.dialed()
    await workspace.hears(live.attempt_id, CallState.IN_PROGRESS)
    await workspace.hears(ended.attempt_id, CallState.ENDED, EndReason.BUSY)
    waits = await workspace.queue()
    return live, waits, ended


async def test_a_key_goes_when_its_promise_is_over_and_its_call_has_ended(engine, workspace, cleared):
    live, waits, ended = await live_and_ended(workspace)
    for key, call_id, at in (
        ("live", live.call_id, OLD),
        ("waits", waits, OLD),
        ("ended", ended.call_id, OLD),
        ("promised", ended.call_id, NEW),
        ("of a call that is gone", "call_gone", OLD),
    ):
        await add(
            engine,
            idempotency_keys,
            workspace_id=workspace.id,
            key=key,
            request_hash=b"",
            response={"call_id": call_id, "status": "queued"},
            created_at=at,
        )
    assert await cleared("idempotency_keys") == 2
    assert await rows(engine, idempotency_keys.c.key) == ["live", "promised", "waits"]


async def test_a_key_of_a_call_that_waits_for_long_still_answers_the_same(engine, settings, cleared):
    tenant = await make_tenant(engine)
    ask = {
        "workspace_id": tenant.workspace_id,
        "number_id": tenant.number_id,
        "request": OutboundRequest(to="+15551230001"),
        "idempotency_key": "mine",
    }
    first = await create_call(engine, settings, **ask)
    async with engine.begin() as conn:
        await conn.execute(update(idempotency_keys).values(created_at=OLD))
    assert await cleared("idempotency_keys") == 0
    again = await create_call(engine, settings, **ask)
    assert (again.call_id, again.replayed) == (first.call_id, True)


async def test_a_callback_goes_when_it_was_handled_and_its_attempt_has_ended(engine, workspace, cleared):
    live, _, ended = await live_and_ended(workspace)
    for key, attempt_id, received_at, handled_at in (
        ("of a live call", live.attempt_id, OLD, OLD),
        ("waits", ended.attempt_id, OLD, None),
        ("new", ended.attempt_id, NEW, NEW),
        ("old", ended.attempt_id, OLD, OLD),
    ):
        await add(
            engine,
            callbacks,
            attempt_id=attempt_id,
            kind="status",
            dedupe_key=key,
            body="",
            received_at=received_at,
            handled_at=handled_at,
        )
    assert await cleared("callbacks") == 1
    assert await rows(engine, callbacks.c.dedupe_key) == ["new", "of a live call", "waits"]


@pytest.mark.parametrize(
    ("table", "name"), [(call_events, "call_events"), (call_commands, "call_commands")], ids=["events", "commands"]
)
async def test_events_and_commands_of_calls_that_go_on_stay(engine, workspace, cleared, table, name):
    live, waits, ended = await live_and_ended(workspace)
    async with engine.begin() as conn:
        await conn.execute(call_events.delete())
    at = next(column.name for column in table.c if isinstance(column.type, DateTime) and column.server_default)
    kind = "type" if table is call_events else "kind"
    for word, call_id, when in (
        ("live", live.call_id, OLD),
        ("waits", waits, OLD),
        ("new", ended.call_id, NEW),
        ("old", ended.call_id, OLD),
    ):
        await add(engine, table, **{"call_id": call_id, kind: word, "data": {}, at: when})
    assert await cleared(name) == 1
    assert await rows(engine, table.c[kind]) == ["live", "new", "waits"]
    assert len(await rows(engine, calls.c.id)) == 3


async def test_sign_ins_and_links_go_when_they_have_ended_long_ago(engine, workspace, cleared):
    ahead = func.now() + timedelta(days=1)
    await add(engine, people, id="person_1", email="jo@example.org", name="Jo")
    for number, (word, seen_at, expires_at, ended_at) in enumerate(
        (
            ("used", func.now(), ahead, None),
            ("just unused", func.now() - timedelta(days=10), ahead, None),
            ("ended just now", NEW, ahead, NEW),
            ("ended", OLD, ahead, OLD),
            ("ran out", func.now(), OLD, None),
            ("unused for long", func.now() - timedelta(days=38), ahead, None),
        )
    ):
        await add(
            engine,
            sign_ins,
            id=word,
            token_hash=bytes([number]),
            person_id="person_1",
            workspace_id=workspace.id,
            user_agent="",
            by_link=False,
            last_seen_at=seen_at,
            expires_at=expires_at,
            ended_at=ended_at,
        )
        await add(engine, sign_in_links, token_hash=bytes([number]), person_id="person_1", expires_at=expires_at)
    assert await cleared("sign_ins") == 3
    assert await rows(engine, sign_ins.c.id) == ["ended just now", "just unused", "used"]
    assert await cleared("sign_in_links") == 1


async def test_what_slows_guesses_down_and_forgeries_are_forgotten_in_their_own_time(engine, workspace, cleared):
    for number, hours in enumerate((2, 0.5)):
        at = func.now() - timedelta(hours=hours)
        await add(engine, sign_in_failures, subject=bytes([number]), failures=9, last_at=at, wait_until=at)
    for days in (8, 6):
        hour = func.date_trunc("hour", func.now() - timedelta(days=days))
        await add(engine, refused_callbacks, carrier_account_id=workspace.account_id, hour=hour, refused=1)
    assert await cleared("sign_in_failures") == 1
    assert await cleared("refused_callbacks") == 1


async def test_runs_are_kept_for_a_quarter(engine, cleared):
    for days in (100, 80):
        at = func.now() - timedelta(days=days)
        await add(engine, retention_runs, started_at=at, finished_at=at, removed={})
    assert await cleared("retention_runs") == 1


async def test_days_that_are_over_are_forgotten_by_the_daily_limit(engine, workspace, cleared):
    for days in (9, 6, 0):
        day = func.current_date() - days
        await add(engine, counted_calls, workspace_id=workspace.id, day=day, calls=3)
    assert await cleared("counted_calls") == 1


def test_zero_keeps_for_ever_and_every_setting_is_used():
    nothing = {name: 0 for name in Settings.model_fields if name.startswith("keep_")}
    for_ever = {each.variable for each in kept(Settings(**nothing)) if each.kept_for is None}
    assert for_ever == {f"OUTDIAL_{name.upper()}" for name in nothing}
    for_a_week = kept(Settings(**dict.fromkeys(nothing, 7)))
    assert all(each.kept_for == timedelta(days=7) for each in for_a_week if each.variable)


# Tables that aren't cleared, and why they don't grow without end, or are to.
STAY = {
    "workspaces", "pools", "people", "members", "api_keys", "agents", "agent_versions", "numbers", "carrier_accounts",
    "do_not_call", "destinations", "audit_log", "secret_keys", "secrets", "paces", "pauses",
    "listening_notices",  # one a workspace
    "spend_limits",  # as many as people make
    "calls", "attempts", "transfers", "turns", "call_backs", "wrap_ups", "consultations",  # what the product is for
    "detections",                           # at most one an attempt, of calls that are compared or labelled
    "alert_rules", "alert_settings",        # as many as people make
    "alert_clock", "ended_counts",          # one row; folded, and forgotten after a day
    "webhooks", "webhook_lanes",            # as many as people make, and as hosts of requests; the upkeep forgets these
    "webhook_deliveries",                   # goes with its event
    "call_counts", "call_day_counts", "end_counts", "attempt_counts", "attempt_day_counts",  # folded
    "retention_rules", "erasures", "erased_entries", "number_keys",  # as many as people make
    "self_tests",                           # who begins one forgets those that are over
    "workers", "seats",                     # the sweep forgets the dead ones, and theirs
}  # fmt: skip


def test_every_table_is_cleared_or_is_known_to_stay(settings):
    cleared = {each.clearing.table.name for each in kept(settings)} - {"procrastinate_jobs"}
    assert cleared | STAY == metadata.tables.keys()
    assert not cleared & STAY
