"""How two detectors compare, on calls that are made up; and that it takes what the period has, and no more."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import text

from compared_dials import NOW, compared_dial
from outdial.history import agreement
from outdial.history.agreement import compare
from outdial.history.compared_calls import ComparedFilter, Which, list_compared
from outdial.telephony.verdict import DetectedBy
from rows_read import rows_read
from tenants import make_tenant

MONTH = {"since": NOW - timedelta(days=30), "until": NOW, "default": DetectedBy.CARRIER}


@pytest.fixture
async def tenant(engine):
    return await make_tenant(engine)


@pytest.fixture
def compared(engine, tenant):
    return partial(compared_dial, engine, tenant)


@pytest.fixture
def seen(engine, tenant):
    async def seen(**period):
        async with engine.connect() as conn:
            return await compare(conn, tenant.workspace_id, **(MONTH | period))

    return seen


async def test_who_said_what_and_first(compared, seen, engine):
    await compared("human", "human", 2000)
    await compared("human", "human", 1000, carrier="telnyx")
    await compared("machine", "human", -500, local_revisions=2)
    await compared("machine", None)
    await compared(None, "machine", asked="carrier", truth="machine")  # labelled, and not compared
    await compared("fax", "human", at=NOW - timedelta(days=31))        # of before
    await compared_dial(engine, await make_tenant(engine), "fax", "human")      # another workspace's
    found = await seen()
    whole = found["all"]
    assert (found["whole"], found["default"], whole["both"]) == (True, "carrier", 3)
    assert (whole["only_local"], whole["only_carrier"]) == (1, 0)
    assert (whole["agree"]["calls"], whole["agree"]["of"]) == (2, 3)
    assert whole["confusion"] == [
        {"local": "human", "carrier": "human", "calls": 2},
        {"local": "machine", "carrier": "human", "calls": 1},
    ]
    assert whole["first"]["local"] == {"calls": 2, "median_ms": 1500, "p95_ms": 1950}
    assert whole["first"]["carrier"] == {"calls": 1, "median_ms": 500, "p95_ms": 500}
    assert whole["revised"] == {"local": {"calls": 1, "revisions": 2}, "carrier": {"calls": 0, "revisions": 0}}
    telnyx, twilio = found["carriers"]
    assert (telnyx["carrier"], telnyx["both"], telnyx["first"]["local"]["median_ms"]) == ("telnyx", 1, 1000)
    assert (twilio["both"], twilio["agree"]["calls"], twilio["labelled"]["calls"]) == (2, 1, 1)


async def test_each_is_judged_by_what_people_have_said(compared, seen):
    await compared("human", "machine", truth="human")
    await compared("human", "human", truth="human")
    await compared("human", "machine", truth="machine")
    await compared("unknown", "human", truth="network")
    await compared("silence", None, truth="silence")
    found = (await seen())["all"]["labelled"]
    figures = {
        by: {name: (share["calls"], share["of"]) for name, share in found[by].items()} for by in ("local", "carrier")
    }
    assert found["calls"] == 5
    assert figures["local"] == {
        "wrong": (1, 5), "undecided": (1, 5), "people_as_machines": (0, 2), "machines_as_people": (1, 2),
        "differing": (1, 3),
    }  # fmt: skip
    assert figures["carrier"] == {
        "wrong": (2, 4), "undecided": (0, 4), "people_as_machines": (1, 2), "machines_as_people": (1, 2),
        "differing": (2, 3),
    }  # fmt: skip


async def test_nothing_is_told_as_nothing(seen):
    found = await seen()
    assert (found["all"]["both"], found["all"]["agree"]["share"], found["carriers"]) == (0, None, [])
    assert found["all"]["first"]["local"] == {"calls": 0, "median_ms": None, "p95_ms": None}


async def test_no_more_than_the_newest_calls_of_a_period_are_counted(compared, seen, monkeypatch):
    for number in range(1, 4):
        await compared("human", "human", at=NOW - timedelta(hours=number))
    for most, whole, counted, since in ((3, True, 3, "2026-05-02T12:00:00Z"), (2, False, 2, "2026-06-01T10:00:00Z")):
        monkeypatch.setattr(agreement, "MOST_CALLS", most)
        found = await seen()
        assert (found["whole"], found["all"]["both"], found["since"]) == (whole, counted, since)


# -- however many calls there are ----------------------------------------------------------------------------------

MANY = 4000  # one each ten minutes


@pytest.fixture
async def long_history(engine, tenant):
    """Every tenth of them differs, every hundredth is labelled."""
    steps = text(f"""
        WITH new_calls AS (
            INSERT INTO calls (id, workspace_id, number_id, direction, state, "from", "to", ring_timeout_s,
                max_duration_s)
            SELECT 'call_' || n, :workspace, :number, 'outbound', 'ended', '+1', '+1', 30, 600
            FROM generate_series(1, {MANY}) AS n RETURNING id
        ), new_attempts AS (
            INSERT INTO attempts (id, call_id, number, carrier, state, stream_token_hash)
            SELECT 'att_' || n, 'call_' || n, 1, 'twilio', 'ended', '' FROM generate_series(1, {MANY}) AS n RETURNING id
        )
        INSERT INTO detections (attempt_id, call_id, workspace_id, carrier, at, asked, local_category,
            carrier_category, local_known_at, carrier_known_at, truth)
        SELECT 'att_' || n, 'call_' || n, :workspace, 'twilio', :now - n * interval '10 minutes', 'both',
            CASE WHEN n % 10 = 0 THEN 'machine' ELSE 'human' END, 'human', :now, :now + n * interval '1 ms',
            CASE WHEN n % 100 = 0 THEN 'human' END
        FROM generate_series(1, {MANY}) AS n
    """)
    async with engine.begin() as conn:
        values = {"workspace": tenant.workspace_id, "number": tenant.number_id, "now": NOW}
        await conn.execute(steps, values)
    async with engine.connect() as conn:
        await conn.execution_options(isolation_level="AUTOCOMMIT")
        await conn.execute(text("VACUUM ANALYZE detections"))
        await conn.execute(text("ANALYZE calls"))
        await conn.execute(text("ANALYZE attempts"))


@pytest.mark.usefixtures("long_history")
async def test_only_the_calls_of_a_period_are_read_and_of_a_list_those_of_its_page(engine, tenant):
    day = {"since": NOW - timedelta(days=1), "until": NOW, "default": DetectedBy.BOTH}
    read = await rows_read(engine, lambda conn: compare(conn, tenant.workspace_id, **day))
    assert read["detections"] <= 4 * 145  # 144 calls, in each of its statements
    for wanted in (
        {"which": Which.DIFFER},
        {"which": Which.BOTH},
        {"which": Which.LABELLED},
        {"local": "machine", "carrier_said": "human"},
        {"local": "human", "carrier_said": "human", "since": NOW - timedelta(days=2)},
    ):
        page = ComparedFilter(limit=5, **wanted)
        read = await rows_read(engine, partial(list_compared, workspace_id=tenant.workspace_id, wanted=page))
        assert max(read["detections"], read["calls"], read["attempts"]) <= 7, wanted
