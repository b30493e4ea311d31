"""What the overview tells of days is what one finds who looks at every call and attempt of them."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest
from sqlalchemy import insert, select, update

from call_counts import end_kind
from outdial.calls.counts import fold_counts
from outdial.calls.prices import record_price
from outdial.db.engine import reading
from outdial.db.tables import attempts, calls
from outdial.history.overview import get_overview
from outdial.history.periods import Days, last_days
from outdial.ids import new_id
from outdial.telephony.failures import FailureCode
from outdial.telephony.price import Price
from outdial.telephony.state import EndReason
from rows_read import rows_read
from tenants import make_tenant

NOW = datetime.now(UTC)
ZONES = ("UTC", "Europe/Vienna", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Chatham")
CALLS = 700
WHO = ("human", "machine", "network", "fax", "silence", "unknown")


@pytest.fixture
async def tenant(engine):
    return await make_tenant(engine)


@pytest.fixture
def some_calls(engine):
    """So many calls of a workspace in the last days, most with attempts at some carrier: ended, waiting and up, or,
    where `kinds` are given, ended for one of these reasons."""

    async def some_calls(tenant, number=CALLS, *, seed=1, days=33.0, kinds=None):
        random = Random(seed)
        made, dials = [], []
        for _ in range(number):
            call, its_dials = a_call(random, tenant, NOW - timedelta(days=random.uniform(0, days)), kinds)
            made.append(call)
            dials += its_dials
        made.sort(key=lambda call: call["created_at"])
        async with engine.begin() as conn:
            await conn.execute(insert(calls), made)
            await conn.execute(insert(attempts), dials)

    return some_calls


def a_call(random, tenant, at, kinds):
    state = "ended" if kinds else random.choices(("ended", "queued", "ringing"), (94, 4, 2))[0]
    end_reason = random.choice(kinds or list(EndReason)) if state == "ended" else None
    answered = end_reason in ("completed", "machine") or (end_reason == "failed" and random.random() < 0.3)
    call = {
        "id": new_id("call"),
        "workspace_id": tenant.workspace_id,
        "number_id": tenant.number_id,
        "direction": random.choice(("outbound", "outbound", "outbound", "inbound")),
        "state": state,
        "end_reason": end_reason,
        "outcome": random.choice((None, "confirmed", "moved")) if answered else None,
        "error": {"code": random.choice(list(FailureCode)), "message": "…"} if end_reason == "failed" else None,
        "from_": "+15551230002",
        "to": "+15551230001",
        "ring_timeout_s": 30,
        "max_duration_s": 600,
        "answered_by": {"category": random.choice(WHO)} if answered else None,
        "created_at": at,
        "due_at": at,
        "answered_at": at if answered else None,
        "ended_at": at + timedelta(minutes=1) if state == "ended" else None,
        "dialled": False,
    }
    numbers = range(1, random.randint(1, 3)) if state == "ended" else ()
    dials = [
        a_dial(random, call["id"], number, at, end_reason, answered=answered or random.random() < 0.1)
        for number in numbers
    ]
    call["dialled"] = bool(dials) and end_reason in ("canceled", "expired")
    return call, dials


def a_dial(random, call_id, number, at, end_reason, *, answered):
    answered_at = at + timedelta(seconds=random.uniform(3, 20))
    carrier, currency = random.choice((("twilio", "USD"), ("vonage", "EUR"), ("telnyx", "USD"), ("twilio", "EUR")))
    priced = random.random() < 0.8
    return {
        "id": new_id("att"),
        "call_id": call_id,
        "number": number,
        "carrier": carrier,
        "state": "ended",
        "end_reason": end_reason,
        "stream_token_hash": b"",
        "created_at": at,
        "answered_at": answered_at if answered else None,
        "ended_at": answered_at + timedelta(seconds=random.uniform(0, 300)),
        "price": Decimal(random.randint(0, 900)) / 10_000 if priced else None,
        "price_currency": currency if priced else None,
    }


async def changes(engine):
    """Some are over now, some were put right, some have a price."""
    async with engine.begin() as conn:
        some = select(calls.c.id).where(calls.c.state == "ended").limit(40)
        await conn.execute(update(calls).where(calls.c.id.in_(some)).values(outcome="wrong_person"))
        up = update(calls).where(calls.c.state == "ringing")
        await conn.execute(up.values(state="ended", end_reason="no_answer", ended_at=NOW))
        unpriced = select(attempts.c.id).where(attempts.c.price.is_(None), attempts.c.answered_at.is_not(None))
        ids = (await conn.scalars(unpriced.order_by(attempts.c.id).limit(20))).all()
    for attempt_id in ids:
        await record_price(engine, attempt_id, Price(amount="0.0425", currency="USD"))


async def by_looking(engine, tenant, period):
    """The same, one by one."""
    found = {"ends": Counter(), "intervals": [Counter() for _ in period.starts], "costs": defaultdict(Decimal)}
    found |= {"made": Counter(), "outcomes": Counter(), "failures": Counter(), "use": defaultdict(lambda: [0, 0.0, 0])}
    query = select(calls).where(calls.c.workspace_id == tenant.workspace_id, calls.c.created_at >= period.since)
    async with engine.connect() as conn:
        made = {row.id: row for row in await conn.execute(query)}
        dials = [row for row in await conn.execute(select(attempts)) if row.call_id in made]
    has_dials = {dial.call_id for dial in dials}
    for call in made.values():
        category = (call.answered_by or {}).get("category")
        if call.state == "ended":
            kind = end_kind(call.end_reason, category)
            place = max(place for place, start in enumerate(period.starts) if start <= call.created_at)
            found["ends"][kind] += 1
            found["intervals"][place][kind] += 1
        if call.end_reason == "failed":
            found["failures"][call.error["code"]] += 1
        found["made"][call.direction] += 1
        given_up = call.state == "queued" or call.end_reason in ("canceled", "expired")
        if call.direction == "outbound" and (not given_up or call.id in has_dials):
            found["made"]["dialled"] += 1
            found["made"]["answered"] += call.answered_at is not None
            if call.answered_at is not None and category not in ("machine", "network", "fax"):
                found["outcomes"][call.outcome] += 1
    for dial in dials:
        use = found["use"][dial.carrier]
        if dial.answered_at is not None:
            use[0] += 1
            use[1] += (dial.ended_at - dial.answered_at).total_seconds()
            use[2] += dial.price is None
        if dial.price is not None:
            found["costs"][dial.carrier, dial.price_currency] += dial.price
    return found


async def told(engine, tenant, period):
    async with reading(engine) as conn:
        return await get_overview(conn, tenant.workspace_id, period)


async def check(engine, tenant, days, zone):
    period = last_days(days, zone, now=NOW)
    seen, there_is = await told(engine, tenant, period), await by_looking(engine, tenant, period)
    days_told = seen["period"]
    assert Counter({name: each for name, each in days_told["ends"].items() if each}) == there_is["ends"]
    for each, ends in zip(days_told["intervals"], there_is["intervals"], strict=True):
        assert Counter({name: number for name, number in each.items() if name != "since" and number}) == ends
    made = there_is["made"]
    assert (days_told["outbound"], days_told["inbound"]) == (made["outbound"], made["inbound"])
    assert (days_told["dialled"], days_told["answered"]) == (made["dialled"], made["answered"])
    rate = round(made["answered"] / made["dialled"], 4) if made["dialled"] else None  # the day has just begun somewhere
    assert days_told["answer_rate"] == rate
    assert days_told["unended"] == made["outbound"] + made["inbound"] - sum(there_is["ends"].values())
    assert {each["outcome"]: each["calls"] for each in days_told["outcomes"]} == there_is["outcomes"]
    assert {each["code"]: each["calls"] for each in seen["failures"]} == there_is["failures"]
    uses = {each["carrier"]: each for each in days_told["carriers"]}
    # A carrier none of whose dials was answered, as when the day has just begun, may be told or left out.
    used = {carrier: use for carrier, use in there_is["use"].items() if any(use) or carrier in uses}
    assert {carrier: (use["answered"], use["unpriced"]) for carrier, use in uses.items()} == {
        carrier: (answered, unpriced) for carrier, (answered, _, unpriced) in used.items()
    }
    for carrier, (_, seconds, _) in used.items():
        assert uses[carrier]["duration_s"] == pytest.approx(seconds, abs=0.5)
    costs = {(name, cost["currency"]): Decimal(cost["amount"]) for name, use in uses.items() for cost in use["costs"]}
    assert costs == {kind: cost for kind, cost in there_is["costs"].items() if cost or kind in costs}
    return seen


@pytest.mark.parametrize("folded", ["not at all", "all", "in part"])
async def test_every_figure_of_some_days_is_the_sum_of_calls_and_attempts(engine, tenant, some_calls, folded):
    await some_calls(tenant)
    await some_calls(await make_tenant(engine), 30, seed=2)  # of others
    if folded != "not at all":
        await fold_counts(engine)
        await fold_counts(engine)
    if folded == "in part":
        await changes(engine)
        await some_calls(tenant, 50, seed=3)
    for zone in ZONES:
        for days in Days:
            await check(engine, tenant, days, zone)


async def test_today_is_today_however_many_days_are_asked_for(engine, tenant, some_calls):
    await some_calls(tenant, 60, days=3.0)
    today, *more = [await told(engine, tenant, last_days(days, "Europe/Vienna", now=NOW)) for days in Days]
    assert [each["today"] for each in more] == 2 * [today["today"]]
    counts = {name: value for name, value in today["period"].items() if name in today["today"]}
    assert counts == today["today"]


async def test_a_price_that_is_not_known_is_none_and_no_zero(engine, tenant, some_calls):
    await some_calls(tenant, 1, days=0.0, kinds=[EndReason.COMPLETED])
    async with engine.begin() as conn:
        await conn.execute(update(attempts).values(price=None, price_currency=None))
    month = last_days(Days.MONTH, "UTC", now=NOW)
    (use,) = (await told(engine, tenant, month))["period"]["carriers"]
    assert (use["answered"], use["costs"], use["unpriced"]) == (1, [], 1)
    async with engine.begin() as conn:
        attempt_id = await conn.scalar(select(attempts.c.id))
    await record_price(engine, attempt_id, Price(amount="0", currency="USD"))
    (use,) = (await told(engine, tenant, month))["period"]["carriers"]
    assert (use["costs"], use["unpriced"]) == ([{"currency": "USD", "amount": "0"}], 0)


async def test_an_overview_of_a_month_reads_no_more_rows_for_five_times_as_many_calls(engine, tenant, some_calls):
    """One a quarter of an hour, then five."""
    read = []
    for seeds in ((4,), (5, 6, 7, 8)):
        for seed in seeds:
            await some_calls(tenant, 3000, seed=seed, days=31.0, kinds=list(EndReason))
        for _ in range(4):
            await fold_counts(engine)
        async with engine.connect() as conn:
            conn = await conn.execution_options(isolation_level="AUTOCOMMIT")
            await conn.exec_driver_sql("VACUUM ANALYZE")
        month = last_days(Days.MONTH, "Europe/Vienna", now=NOW)
        read.append(await rows_read(engine, lambda conn: get_overview(conn, tenant.workspace_id, month)))  # noqa: B023
    few, many = read
    assert many["end_counts"] < 3100  # one a quarter of an hour
    assert many["call_day_counts"] < 5000  # by the day, as many as there are kinds
    assert many["attempt_day_counts"] < 500
    assert many["call_counts"] + many["attempt_counts"] < 500  # of a first day that begins elsewhere than in Greenwich
    assert many["calls"] < 500
    del few[""], many[""]
    assert sum(many.values()) < 2 * sum(few.values()), (few, many)
