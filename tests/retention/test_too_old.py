"""What calls keep for longer than they may: found by rule, erased a few at a time, told in the audit log."""

from functools import partial

import pytest
from sqlalchemy import func, insert, select, text, update

from outdial.db.retention_tables import retention_rules
from outdial.db.tables import agents, audit_log, calls
from outdial.retention.rules import Days, Kept, read_rules
from outdial.retention.too_old import _FIND, count_all_too_old, count_too_old, erase_too_old
from outdial.workspaces.secrets import SecretBox
from personal import WORDS, found_in_database, told_call
from tenants import make_tenant

TO = "+12025550166"
BOX = partial(SecretBox, "a key")


@pytest.fixture
async def tenant(engine):
    return await make_tenant(engine)


@pytest.fixture
def a_call(engine, settings, tenant, tmp_path):
    async def a_call(days, **row):
        ended_at = func.now() - text(f"interval '{days} days'")
        given = {"ended_at": ended_at, **row}
        return await told_call(engine, tmp_path, tenant.workspace_id, tenant.number_id, settings, TO, **given)

    return a_call


async def rule(engine, tenant, agent_id=None, **days):
    subject = agent_id or tenant.workspace_id
    async with engine.begin() as conn:
        await conn.execute(retention_rules.delete().where(retention_rules.c.subject_id == subject))
        values = {"subject_id": subject, "workspace_id": tenant.workspace_id, "agent_id": agent_id, **days}
        await conn.execute(insert(retention_rules).values(values))


async def kept(engine):
    async with engine.connect() as conn:
        rows = (await conn.execute(select(calls).order_by(calls.c.ended_at))).all()
    return [(row.recording is not None, row.transcript_erased_at is None, row.erased_at is None) for row in rows]


async def test_each_kind_goes_in_its_own_time(engine, tenant, a_call):
    await rule(engine, tenant, recordings_days=10, transcripts_days=20, details_days=30)
    for days in (35, 25, 15, 5):
        await a_call(days)
    due = {"recordings": 3, "transcripts": 2, "details": 1, "callbacks": 0}
    assert await count_all_too_old(engine) == due
    # With the details all else has gone already.
    assert await erase_too_old(engine, BOX, batch=1, pause_s=0) == due | {"recordings": 2, "transcripts": 1}
    assert await kept(engine) == [
        (False, False, False), (False, False, True), (False, True, True), (True, True, True),
    ]  # fmt: skip
    assert sum((await erase_too_old(engine, BOX)).values()) == 0


async def test_an_agents_own_days_hold_for_its_calls(engine, tenant, a_call):
    await rule(engine, tenant, recordings_days=10, transcripts_days=0, details_days=0)
    async with engine.begin() as conn:
        other = {"id": "agent_other", "workspace_id": tenant.workspace_id, "name": "Other", "kind": "script"}
        await conn.execute(insert(agents).values(other))
    await rule(engine, tenant, "agent_other", recordings_days=100, transcripts_days=5)
    await a_call(40)
    await a_call(30, agent_id="agent_other")
    await a_call(20, agent_id=None)
    assert (await erase_too_old(engine, BOX))["recordings"] == 2
    assert await kept(engine) == [(False, True, True), (True, False, True), (False, True, True)]


async def test_zero_keeps_for_ever_and_so_does_a_workspace_without_a_rule(engine, tenant, a_call):
    await a_call(5000)
    await rule(engine, tenant, recordings_days=0, transcripts_days=0, details_days=0)
    assert sum((await erase_too_old(engine, BOX)).values()) == 0
    async with engine.begin() as conn:
        await conn.execute(retention_rules.delete())
    assert sum((await erase_too_old(engine, BOX)).values()) == 0
    assert await kept(engine) == [(True, True, True)]


async def test_calls_that_go_on_are_not_looked_at(engine, tenant, a_call):
    await rule(engine, tenant, recordings_days=1, transcripts_days=1, details_days=1)
    await a_call(9, state="in_progress", ended_at=None)
    assert sum((await erase_too_old(engine, BOX)).values()) == 0


async def test_what_somebody_has_locked_is_left_for_the_next_run(engine, tenant, a_call):
    await rule(engine, tenant, recordings_days=0, transcripts_days=0, details_days=1)
    one = await a_call(9)
    await a_call(8)
    async with engine.begin() as conn:
        await conn.execute(select(calls.c.id).where(calls.c.id == one.call_id).with_for_update())
        assert (await erase_too_old(engine, BOX, batch=1, pause_s=0))["details"] == 1
    assert (await erase_too_old(engine, BOX))["details"] == 1
    assert await found_in_database(engine, *WORDS, TO) == []


async def test_callbacks_go_in_the_workspaces_own_time(engine, tenant, a_call):
    days = {"recordings_days": 0, "transcripts_days": 0, "details_days": 0}
    await rule(engine, tenant, callbacks_days=5, **days)
    for age in (9, 8, 1):
        await a_call(age)
    assert (await count_all_too_old(engine))["callbacks"] == 2
    assert (await erase_too_old(engine, BOX, batch=1, pause_s=0))["callbacks"] == 2
    async with engine.connect() as conn:
        assert await conn.scalar(text("SELECT count(*) FROM callbacks")) == 1
    assert (await erase_too_old(engine, BOX))["callbacks"] == 0


async def test_the_audit_log_tells_what_went_by_which_rule(engine, tenant, a_call):
    await rule(engine, tenant, recordings_days=1, transcripts_days=0, details_days=0)
    for days in (9, 8, 7):
        await a_call(days)
    await erase_too_old(engine, BOX, batch=1, pause_s=0)
    async with engine.connect() as conn:
        (entry,) = (await conn.execute(select(audit_log).where(audit_log.c.act == "retention.erased"))).all()
    assert (entry.details, entry.actor_kind) == ({"what": "recordings", "calls": 3, "days": 1}, "server")
    assert entry.subject_id == tenant.agent_id


async def test_what_other_days_would_erase_is_counted_before_they_are_saved(engine, tenant, a_call):
    for days in (40, 20):
        await a_call(days)
    async with engine.connect() as conn:
        rules = await read_rules(conn, tenant.workspace_id)
        wanted = Days(recordings_days=30, transcripts_days=10, details_days=0)
        counted = await count_too_old(conn, rules.after(None, wanted))
    assert (counted["recordings"], counted["transcripts"], counted["details"]) == (1, 2, 0)


@pytest.mark.parametrize("kind", ["recordings", "transcripts", "details"])
async def test_a_run_finds_what_is_due_by_an_index_of_that_alone(engine, tenant, kind):
    """Among calls that keep nothing any more, and calls that may keep it still."""
    many = text("""
        INSERT INTO calls (id, workspace_id, direction, state, "from", "to", agent_id, ring_timeout_s, max_duration_s,
            answered_at, ended_at, recording, transcript_erased_at, erased_at)
        SELECT 'call_' || n, :workspace, 'outbound', 'ended', '+1', '+2', :agent, 30, 60, now(),
            now() - n * interval '1 minute', CASE WHEN n % 50 = 0 THEN 'x' END,
            CASE WHEN n % 50 <> 0 THEN now() END, CASE WHEN n % 50 <> 0 THEN now() END
        FROM generate_series(1, 20000) AS n
    """)
    async with engine.begin() as conn:
        await conn.execute(many, {"workspace": tenant.workspace_id, "agent": tenant.agent_id})
        await conn.execute(text("ANALYZE calls"))
        values = {"workspace": tenant.workspace_id, "agent": tenant.agent_id, "after_id": "", "at_most": 100}
        days = func.now() - text("interval '10 days'")
        values |= {"before": await conn.scalar(select(days)), "after": await conn.scalar(select(func.to_timestamp(0)))}
        query = text(f"EXPLAIN (ANALYZE, FORMAT JSON) {_FIND[Kept(kind), False].text}")
        (plan,) = await conn.scalar(query, values)
    name = {"recordings": "recorded", "transcripts": "with_transcript", "details": "with_details"}[kind]
    assert f"ix_calls_{name}" in str(plan)
    assert plan["Plan"]["Actual Rows"] == 100
    assert "'Rows Removed by Filter': 0" in str(plan) or "Rows Removed" not in str(plan)


async def test_a_rule_that_may_still_be_undone_counts_where_it_is_the_longer(engine, tenant, a_call):
    before = {"recordings_days": 50, "transcripts_days": 0, "details_days": 0, "callbacks_days": None}
    await rule(engine, tenant, recordings_days=1, transcripts_days=0, details_days=0, before=before)
    await a_call(9)
    assert (await erase_too_old(engine, BOX))["recordings"] == 0
    async with engine.begin() as conn:
        await conn.execute(update(retention_rules).values(changed_at=func.now() - text("interval '2 hours'")))
    assert (await erase_too_old(engine, BOX))["recordings"] == 1
