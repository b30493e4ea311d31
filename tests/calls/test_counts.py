"""How many calls there are is known without counting them, whatever becomes of them and however many change at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import delete, func, select, text

from call_counts import check_counts, kept_charges, read_books
from outdial.calls.counts import fold_counts
from outdial.calls.dial_outcome import defer, write_off
from outdial.calls.prices import record_price
from outdial.calls.refused import end_waiting, put_off, refused_by
from outdial.db.tables import (
    attempt_counts,
    attempt_day_counts,
    attempts,
    call_counts,
    call_day_counts,
    calls,
    end_counts,
    workspaces,
)  # fmt: skip
from outdial.policy.gate import Rule
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.price import Price
from outdial.telephony.state import CallState, EndReason

UNREACHABLE = CallError(code=FailureCode.CARRIER_UNREACHABLE, message="The carrier can't be reached.")


@pytest.fixture
async def workspace(make_workspace):
    return await make_workspace(lines=50)


@pytest.fixture
def right(engine):
    """What is kept is what there is; what it is."""

    async def right():
        async with engine.connect() as conn:
            return await check_counts(conn)

    return right


async def rows(engine, table=call_counts) -> int:
    async with engine.connect() as conn:
        return await conn.scalar(select(func.count()).select_from(table)) or 0


async def nothing_left(engine) -> bool:
    tables = (call_counts, call_day_counts, end_counts, attempt_counts, attempt_day_counts)
    return not any([await rows(engine, table) for table in tables])


@pytest.fixture
def talked(workspace):
    """A call that was answered and lasted some seconds; returns the id of its attempt."""

    async def talked(seconds=90.0, **columns) -> str:
        claim = await workspace.dialed(**columns)
        now = datetime.now(UTC)
        await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS, at=now - timedelta(seconds=seconds))
        await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED, at=now)
        return claim.attempt_id

    return talked


@pytest.fixture
def charges(engine, right):
    """(carrier, currency): answered, seconds, cost. What is kept of them is right."""

    async def charges():
        await right()
        found: dict[tuple[str, str | None], tuple[int, float, str]] = {}
        async with engine.connect() as conn:
            for (_, _, carrier, currency), sums in kept_charges(await read_books(conn), by_day=False).items():
                answered, seconds, cost = found.get((carrier, currency), (0, 0.0, "0"))
                found[carrier, currency] = (
                    answered + sums[0], seconds + float(sums[1]), f"{Decimal(cost) + sums[2]:f}"
                )  # fmt: skip
        return found

    return charges


async def test_a_call_is_counted_where_it_waits_and_where_it_has_ended(workspace, right):
    claim = await workspace.dialed()
    assert await right() == {}  # who is up is few, and not counted
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
    ((kind, number),) = (await right()).items()
    assert (number, kind[3], kind[7]) == (1, "ended", "completed")


async def test_a_retry_a_refusal_and_a_later_due_time_move_a_call(workspace, engine, right):
    claim = await workspace.dialed(retry={"max_attempts": 2, "on": ["busy"], "delays_s": [3600]})
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    (again,) = await right()
    assert again[3] == "queued"
    assert again[5] is True  # dialled before
    refused, later = [await workspace.queue() for _ in range(3)], await workspace.queue()
    async with engine.begin() as conn:
        await end_waiting(conn, refused, refused_by(Rule.DO_NOT_CALL))
        await put_off(conn, {later: datetime.now(UTC) + timedelta(hours=2)})
    found = sorted((kind[3], kind[5]) for kind in await right())
    assert found == [("ended", False), ("queued", False), ("queued", True)]


async def test_a_dial_that_was_never_sent_is_none(workspace, engine, right):
    await workspace.queue()
    (claim,) = await workspace.claim()
    await defer(engine, claim, UNREACHABLE, wait_s=5.0)
    ((kind, _),) = (await right()).items()
    assert kind[5] is False


async def test_a_dial_that_was_never_placed_is_one(workspace, engine, right):
    await workspace.queue()
    (claim,) = await workspace.claim()
    await write_off(engine, claim.attempt_id)
    ((kind, _),) = (await right()).items()
    assert kind[5] is True


async def test_removed_calls_are_counted_no_more(workspace, engine, right):
    for _ in range(3):
        await workspace.queue()
    async with engine.begin() as conn:
        await conn.execute(delete(calls).where(calls.c.id == select(calls.c.id).limit(1).scalar_subquery()))
    assert sum((await right()).values()) == 2
    async with engine.begin() as conn:
        await conn.execute(text("DELETE FROM calls"))
    assert await right() == {}
    await fold_counts(engine)
    assert await nothing_left(engine)


async def test_folding_leaves_a_row_a_kind_and_the_sums_as_they_are(workspace, engine, right):
    for _ in range(20):
        claim = await workspace.dialed()
        await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    before = await right()
    assert await rows(engine) == 60  # waited, waited no more, ended
    await fold_counts(engine)
    assert await right() == before
    assert await rows(engine) == len(before)
    await fold_counts(engine)
    assert await rows(engine) == len(before)


async def test_the_ends_of_a_quarter_stand_in_one_row_however_many_kinds_of_calls_there_are(workspace, engine, right):
    at = datetime.now(UTC).replace(minute=1) - timedelta(hours=2)
    for reason in (*EndReason, EndReason.COMPLETED):
        for outcome in ("confirmed", "moved"):
            ended = {"state": "ended", "end_reason": reason, "outcome": outcome, "created_at": at}
            by = {"category": "machine"} if reason is EndReason.COMPLETED and outcome == "moved" else None
            await workspace.queue(**ended, answered_by=by)
    await right()
    await fold_counts(engine)
    await right()
    assert await rows(engine) > 10
    assert await rows(engine, end_counts) == 1


async def test_a_change_after_folding_is_folded_into_what_there_is(workspace, engine, right, talked):
    call_id = (await workspace.attempt(await talked())).call_id
    await fold_counts(engine)
    await workspace.set_call(call_id, outcome="confirmed", answered_by={"category": "machine"})
    await right()
    await fold_counts(engine)
    await right()
    assert await rows(engine) == await rows(engine, end_counts) == 1


async def test_an_answered_attempt_is_counted_with_its_length_and_has_a_cost_once_it_is_told(talked, engine, charges):
    first, second = await talked(90.0), await talked(30.0)
    assert await charges() == {("twilio", None): (2, 120.0, "0")}
    await fold_counts(engine)
    await record_price(engine, first, Price(amount="0.0140", currency="USD"))
    assert await charges() == {("twilio", None): (1, 30.0, "0"), ("twilio", "USD"): (1, 90.0, "0.0140")}
    await record_price(engine, second, Price(amount="0.02", currency="EUR"))
    await fold_counts(engine)
    one_each = {("twilio", "EUR"): (1, 30.0, "0.02"), ("twilio", "USD"): (1, 90.0, "0.0140")}
    assert await charges() == one_each
    await record_price(engine, second, Price(amount="0.02", currency="EUR"))  # told again
    assert await charges() == one_each
    assert await rows(engine, attempt_counts) == 2


async def test_an_attempt_that_nobody_answered_counts_where_it_cost_something(workspace, engine, charges):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.BUSY)
    assert await charges() == {}
    await record_price(engine, claim.attempt_id, Price(amount="0.001", currency="USD"))
    assert await charges() == {("twilio", "USD"): (0, 0.0, "0.001")}


async def test_attempts_that_are_removed_with_their_call_or_workspace_are_counted_no_more(
    workspace, engine, right, talked, make_workspace
):
    await make_workspace()  # another one
    for price in (None, "0.014", "0.02"):
        attempt_id = await talked()
        if price is not None:
            await record_price(engine, attempt_id, Price(amount=price, currency="USD"))
    await fold_counts(engine)
    gone = select(attempts.c.call_id).where(attempts.c.price == Decimal("0.02")).scalar_subquery()
    async with engine.begin() as conn:
        await conn.execute(delete(calls).where(calls.c.id == gone))
    await right()
    async with engine.begin() as conn:  # an attempt alone
        await conn.execute(delete(attempts).where(attempts.c.price == Decimal("0.014")))
    await right()
    async with engine.begin() as conn:
        await conn.execute(delete(workspaces).where(workspaces.c.id == workspace.id))
    await right()
    await fold_counts(engine)
    assert await nothing_left(engine)


async def test_who_changes_a_call_waits_for_nobody_who_changes_another(workspace, engine):
    """However alike they are: no row stands for all of them."""
    one, other = await workspace.queue(), await workspace.queue()
    async with engine.begin() as conn, engine.begin() as second:
        await end_waiting(conn, [one], refused_by(Rule.DO_NOT_CALL))
        await second.execute(text("SET LOCAL lock_timeout = '200ms'"))
        await end_waiting(second, [other], refused_by(Rule.DO_NOT_CALL))
        await asyncio.wait_for(fold_counts(engine), 5)


async def test_changes_at_once_and_folding_beside_them_lose_nothing(workspace, engine, right, charges):
    done = asyncio.Event()

    async def fold() -> None:
        while not done.is_set():
            await fold_counts(engine)
            await asyncio.sleep(0)

    async def one_life(number: int) -> None:
        await workspace.queue(created_at=datetime.now(UTC) - timedelta(minutes=7 * number))
        while not (claims := await workspace.claim(batch=1)):  # noqa: ASYNC110 - others have the lines
            await asyncio.sleep(0.01)
        (claim,) = claims
        await workspace.dial(claim)
        if number % 3:
            await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
            await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.COMPLETED)
            await record_price(engine, claim.attempt_id, Price(amount="0.014", currency=("USD", "EUR")[number % 2]))
        else:
            await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.NO_ANSWER)

    folding = [asyncio.create_task(fold()) for _ in range(2)]
    await asyncio.gather(*(one_life(number) for number in range(24)))
    done.set()
    await asyncio.gather(*folding)
    assert sum((await right()).values()) == 24
    await fold_counts(engine)
    assert await rows(engine) == len(await right())
    assert {currency for _, currency in await charges()} == {"USD", "EUR"}
