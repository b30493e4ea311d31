from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, insert, select, update

from outdial.accounts.refused_callbacks import count_refused, refused_lately
from outdial.db.engine import reading
from outdial.db.tables import attempts, callbacks, calls, carrier_accounts, pools, refused_callbacks, turns
from outdial.history.number_health import TROUBLES, number_health
from outdial.history.overview import get_overview
from outdial.history.period_counts import MAX_OUTCOMES
from outdial.history.periods import Days, Period
from outdial.ids import new_id
from outdial.instants import start_of_day
from outdial.refusals import NotFound
from outdial.telephony.failures import FailureCode
from tenants import make_tenant

NOW = datetime.now(UTC)
MIDNIGHT = (NOW - timedelta(hours=6)).replace(minute=0, second=0, microsecond=0)
TODAY = Period(days=Days.ONE, time_zone="UTC", starts=(MIDNIGHT,), until=MIDNIGHT + timedelta(days=1))


@pytest.fixture
async def tenant(engine):
    return await make_tenant(engine)


@pytest.fixture
def call(engine, tenant):
    """Puts a call into the database as it would be there; returns its id."""

    async def call(*, dials=1, attempt=(), at=NOW - timedelta(minutes=5), **columns):
        row = {
            "id": new_id("call"),
            "workspace_id": tenant.workspace_id,
            "number_id": tenant.number_id,
            "direction": "outbound",
            "state": "ended",
            "from_": "+15551230002",
            "to": "+15551230001",
            "ring_timeout_s": 30,
            "max_duration_s": 600,
            "created_at": at,
            "due_at": at,
            "dialled": dials > 0,
        } | columns
        if row["state"] == "ended":
            row.setdefault("ended_at", at + timedelta(minutes=1))
        async with engine.begin() as conn:
            await conn.execute(insert(calls).values(row))
            for number in range(1, dials + 1):
                dial = {
                    "id": new_id("att"),
                    "call_id": row["id"],
                    "number": number,
                    "carrier": "twilio",
                    "state": row["state"],
                    "stream_token_hash": b"",
                }
                await conn.execute(insert(attempts).values(dial | dict(attempt)))
        return row["id"]

    return call


@pytest.fixture
def overview(engine, tenant):
    async def overview():
        async with reading(engine) as conn:
            return await get_overview(conn, tenant.workspace_id, TODAY)

    return overview


def answered(category=None, end_reason="completed", outcome=None):
    by = None if category is None else {"category": category}
    return {"answered_at": NOW, "end_reason": end_reason, "answered_by": by, "outcome": outcome}


async def test_a_workspace_without_calls_has_its_lines_and_nothing_else(overview):
    seen = await overview()
    lines = {"plan": "team", "lines": 15, "reserved_inbound": 0, "used_outbound": 0, "used_inbound": 0}
    assert seen["lines"] == lines
    assert seen["queue"] == {"waiting": 0, "scheduled": 0, "oldest_due_at": None}
    assert {name: value for name, value in seen["today"].items() if value} == {"since": seen["today"]["since"]}
    assert seen["latency"] == {"median_ms": None, "turns": 0}
    assert not any(seen["attention"].values())


async def test_there_is_no_overview_of_a_workspace_that_does_not_exist(engine):
    async with reading(engine) as conn:
        with pytest.raises(NotFound):
            await get_overview(conn, "ws_none", TODAY)


async def test_the_most_frequent_outcomes_are_told_and_the_rest_counted(call, overview):
    for number in range(MAX_OUTCOMES + 2):
        for _ in range(2 if number > 2 else 1):
            await call(**answered(outcome=f"word_{number:02}"))
    await call(**answered())
    today = (await overview())["today"]
    told = [(each["outcome"], each["calls"]) for each in today["outcomes"]]
    assert told == [(f"word_{number:02}", 2) for number in range(3, MAX_OUTCOMES + 2)] + [("word_00", 1), (None, 1)]
    assert today["other_outcomes"] == 2
    assert today["by_people"] == sum(calls for _, calls in told) + 2


async def test_todays_calls_are_a_funnel(call, overview):
    await call(**answered("human", outcome="confirmed"))
    await call(**answered("human", end_reason="failed"), error={"code": "audio_lost", "message": "…"})
    await call(**answered())  # nobody looked who it was
    await call(**answered("machine", end_reason="machine"))
    await call(**answered("machine", outcome="left_message"))
    await call(end_reason="busy")
    await call(end_reason="failed", error={"code": "no_funds", "message": "…"})
    await call(end_reason="canceled", dials=0)  # before it was dialled
    await call(end_reason="canceled")  # while it rang
    await call(state="ringing")
    await call(state="queued", dials=0)
    await call(state="queued", at=NOW - timedelta(minutes=1))  # once more, after a first attempt
    await call(direction="inbound", **answered())
    await call(**answered("human"), at=MIDNIGHT - timedelta(seconds=1))
    seen = await overview()
    del seen["today"]["since"]
    assert seen["today"] == {
        "outbound": 12,
        "inbound": 1,
        "dialled": 10,
        "answered": 5,
        "by_people": 3,
        "undetected": 1,
        "completed": 2,
        "outcomes": [{"outcome": "confirmed", "calls": 1}, {"outcome": None, "calls": 2}],
        "other_outcomes": 0,
        "failed": 2,
    }
    assert [(one["code"], one["calls"]) for one in seen["failures"]] == [("audio_lost", 1), ("no_funds", 1)]
    assert all(one["meaning"] for one in seen["failures"])


async def test_the_queue_says_since_when_the_first_call_waits(call, engine, tenant, overview):
    await call(state="queued", dials=0, at=NOW - timedelta(minutes=3))
    await call(state="queued", dials=0, at=NOW - timedelta(minutes=9))
    await call(state="queued", dials=0, due_at=NOW + timedelta(hours=1))
    async with engine.begin() as conn:
        await conn.execute(
            update(pools).where(pools.c.workspace_id == tenant.workspace_id).values(used_outbound=2, used_inbound=1)
        )
    seen = await overview()
    oldest = (NOW - timedelta(minutes=9)).isoformat().replace("+00:00", "Z")
    assert seen["queue"] == {"waiting": 2, "scheduled": 1, "oldest_due_at": oldest}
    assert (seen["lines"]["used_outbound"], seen["lines"]["used_inbound"]) == (2, 1)


async def test_latency_is_the_median_of_the_agents_replies(call, engine, overview):
    today, earlier = await call(**answered()), await call(**answered(), at=MIDNIGHT - timedelta(hours=1))
    async with engine.begin() as conn:
        for seq, (call_id, speaker, latency) in enumerate(
            [
                (today, "agent", None),  # its greeting answers nobody
                (today, "callee", None),
                (today, "agent", {"total": 500}),
                (today, "agent", {"total": 700}),
                (today, "agent", {"total": 9000}),
                (earlier, "agent", {"total": 1}),
            ]
        ):
            row = {"call_id": call_id, "seq": seq, "speaker": speaker, "text": "…", "start_ms": 0, "latency": latency}
            await conn.execute(insert(turns).values(row))
    assert (await overview())["latency"] == {"median_ms": 700, "turns": 3}


async def test_a_number_whose_last_call_failed_because_of_its_account_needs_attention(call, overview, tenant):
    await call(**answered())
    failed = await call(end_reason="failed", error={"code": "bad_credentials", "message": "Wrong token."}, ended_at=NOW)
    await call(end_reason="canceled", dials=0, ended_at=NOW + timedelta(seconds=1))  # says nothing of the account
    (number,) = (await overview())["attention"]["numbers"]
    assert (number["number_id"], number["call_id"]) == (tenant.number_id, failed)
    assert (number["trouble"], number["message"]) == ("bad_credentials", "Wrong token.")
    assert "credentials" in number["advice"]
    await call(end_reason="busy", ended_at=NOW + timedelta(seconds=2))
    assert (await overview())["attention"]["numbers"] == []


async def test_a_callee_who_cannot_be_reached_is_no_trouble_of_the_number(call, engine, tenant):
    failed = await call(end_reason="failed", error={"code": "number_not_in_service", "message": "…"})
    async with reading(engine) as conn:
        (health,) = await number_health(conn, tenant.workspace_id)
    assert (health["trouble"], health["call_id"]) == (None, failed)


async def test_calls_of_unknown_outcome_need_attention(call, overview):
    unknown = await call(state="dialing", attempt={"unknown_since": NOW})
    await call(end_reason="failed", attempt={"unknown_since": NOW})  # it became known
    (found,) = (await overview())["attention"]["unknown_calls"]
    assert (found["call_id"], found["carrier"]) == (unknown, "twilio")


async def test_callbacks_that_nobody_works_through_need_attention(call, engine, overview):
    attempt_id = new_id("att")
    await call(state="ringing", attempt={"id": attempt_id})
    old = func.now() - timedelta(minutes=2)
    async with engine.begin() as conn:
        for key, columns in {
            "stuck": {"received_at": old},
            "done": {"received_at": old, "handled_at": old},
            "new": {},
        }.items():
            row = {"attempt_id": attempt_id, "kind": "status", "dedupe_key": key, "body": ""}
            await conn.execute(insert(callbacks).values(row | columns))
    assert (await overview())["attention"]["stuck_callbacks"] == 1


async def test_refused_callbacks_are_counted_by_account_for_a_day(engine, tenant, overview):
    async with reading(engine) as conn:
        account_id = await conn.scalar(select(carrier_accounts.c.id))
    async with engine.begin() as conn:
        for age in (timedelta(days=2), timedelta(days=8)):
            await conn.execute(
                insert(refused_callbacks).values(carrier_account_id=account_id, hour=NOW - age, refused=5)
            )
    await count_refused(engine, account_id)
    await count_refused(engine, account_id)
    assert (await overview())["attention"]["refused_callbacks"] == [
        {"carrier": "twilio", "account": "AC1", "refused": 2}
    ]
    async with reading(engine) as conn:
        assert await refused_lately(conn, (await make_tenant(engine)).workspace_id) == []
        rows = (await conn.execute(refused_callbacks.select())).all()
    assert sorted(row.refused for row in rows) == [2, 5]  # what is older than a week is gone


async def test_other_workspaces_are_not_seen(call, overview, engine):
    other = await make_tenant(engine)
    await call(workspace_id=other.workspace_id, number_id=other.number_id, **answered())
    theirs = {"workspace_id": other.workspace_id, "number_id": other.number_id}
    await call(**theirs, state="dialing", attempt={"unknown_since": NOW})
    seen = await overview()
    assert seen["today"]["outbound"] == 0
    assert seen["attention"]["unknown_calls"] == []


def test_every_trouble_has_advice():
    assert FailureCode.BAD_CREDENTIALS in TROUBLES
    assert all(advice.endswith(".") for advice in TROUBLES.values())


@pytest.mark.parametrize(
    ("zone", "midnight"),
    [
        ("UTC", datetime(2026, 7, 1, 0, tzinfo=UTC)),
        ("Europe/Vienna", datetime(2026, 6, 30, 22, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 7, 1, 4, tzinfo=UTC)),
        ("Pacific/Auckland", datetime(2026, 7, 1, 12, tzinfo=UTC)),
    ],
)
def test_today_begins_at_the_readers_midnight(zone, midnight):
    assert start_of_day(zone, now=datetime(2026, 7, 1, 20, 30, tzinfo=UTC)) == midnight


@pytest.mark.parametrize("zone", ["", "Nowhere/Town", "../etc/passwd", "Europe", "/etc/passwd", "a" * 300, "\0"])
def test_what_is_no_time_zone_is_refused(zone):
    with pytest.raises(ValueError, match="time zone"):
        start_of_day(zone, now=NOW)
