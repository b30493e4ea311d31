import asyncio

import pytest
from sqlalchemy import func, insert, select, text, update

from outdial.calls.claim import claim_due_calls
from outdial.calls.enqueue import create_call
from outdial.calls.hang_up import request_hang_up
from outdial.calls.request import OutboundRequest
from outdial.carriers.registry import CARRIERS
from outdial.db.tables import agent_versions, calls, carrier_accounts, pools
from outdial.numbers.store import remove_number
from outdial.refusals import Conflict, Invalid, LimitReached, NotFound
from outdial.settings import Settings
from outdial.telephony.state import CallState
from outdial.workspaces.audit import COMMAND_LINE
from tenants import make_tenant

REQUEST = OutboundRequest(to="+15551234567")


@pytest.fixture
async def tenant(engine):
    return await make_tenant(engine)


@pytest.fixture
def place(engine, tenant):
    async def place(request=REQUEST, *, settings=None, key=None):
        return await create_call(
            engine,
            settings or Settings(),
            workspace_id=tenant.workspace_id,
            number_id=tenant.number_id,
            request=request,
            idempotency_key=key,
        )

    return place


async def test_a_stored_call_is_ready_to_be_claimed(engine, tenant, place):
    accepted = await place()
    admitted = await claim_due_calls(engine, tenant.workspace_id, owner="worker_1", lease_s=15)
    assert [claim.call_id for claim in admitted.claims] == [accepted.call_id]


async def test_the_agent_s_version_is_settled_when_the_call_is_taken(engine, tenant, place):
    async with engine.begin() as conn:
        await conn.execute(insert(agent_versions).values(agent_id=tenant.agent_id, version=2, source=""))
    await place()
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE numbers SET agent_version = 'draft'"))
    await place()
    async with engine.connect() as conn:
        versions = (await conn.scalars(select(calls.c.agent_version).order_by(calls.c.created_at))).all()
    assert versions == [1, 2]


async def test_a_crowd_doesn_t_pass_the_end_of_the_queue_by_much(engine, place):
    short = Settings(max_queued_calls=40)
    results = await asyncio.gather(*(place(settings=short) for _ in range(100)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, Exception)]
    assert {type(error) for error in refused} == {LimitReached}
    async with engine.connect() as conn:
        stored = await conn.scalar(select(func.count()).select_from(calls))
    assert 40 <= stored <= 40 + 30  # as many at once as there are connections
    with pytest.raises(LimitReached):
        await place(settings=short)


async def test_hanging_up_and_claiming_at_once_never_both_win(engine, tenant, place):
    placed = [(await place()).call_id for _ in range(8)]
    states, admitted = await asyncio.gather(
        asyncio.gather(*(request_hang_up(engine, tenant.workspace_id, call_id) for call_id in placed)),
        claim_due_calls(engine, tenant.workspace_id, owner="worker_1", lease_s=15),
    )
    claimed = {claim.call_id for claim in admitted.claims}
    ended = {call_id for call_id, state in zip(placed, states, strict=True) if state is CallState.ENDED}
    assert not claimed & ended
    async with engine.connect() as conn:
        asked = set(await conn.scalars(select(calls.c.id).where(calls.c.hang_up_requested_at.is_not(None))))
        assert await conn.scalar(select(pools.c.used_outbound)) == len(claimed)
    assert asked == set(placed) - ended


async def test_a_number_removed_meanwhile_takes_no_call_along(engine, tenant, place):
    results = await asyncio.gather(
        *(place() for _ in range(4)),
        remove_number(engine, tenant.workspace_id, tenant.number_id, by=COMMAND_LINE),
        *(place() for _ in range(4)),
        return_exceptions=True,
    )
    removal = results.pop(4)
    async with engine.connect() as conn:
        orphans = await conn.scalar(select(func.count()).where(calls.c.number_id.is_(None)))
    assert orphans == 0
    if removal is None:
        assert all(isinstance(result, NotFound) for result in results)
    else:
        assert isinstance(removal, Conflict)


async def test_many_keys_at_once_make_one_call_each(engine, place):
    results = await asyncio.gather(
        *(place(key=str(n % 5)) for n in range(30)), return_exceptions=True
    )
    accepted = {result.call_id for result in results if not isinstance(result, Exception)}
    assert all(isinstance(r, Conflict) for r in results if isinstance(r, Exception))
    assert len(accepted) == 5
    again = [await place(key=str(n)) for n in range(5)]
    assert {result.call_id for result in again} == accepted
    assert all(result.replayed for result in again)


# -- how long it may ring ------------------------------------------------------------------------------------


@pytest.fixture
def at_carrier(engine, tenant):
    async def at_carrier(name):
        async with engine.begin() as conn:
            await conn.execute(update(carrier_accounts).values(carrier=name))
        return CARRIERS[name].capabilities.max_ring_timeout_s

    return at_carrier


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_phone_may_ring_as_long_as_the_carrier_can_and_not_longer(engine, place, at_carrier, carrier):
    longest_s = await at_carrier(carrier)
    accepted = await place(OutboundRequest(to="+15551234567", ring_timeout_s=longest_s))
    async with engine.connect() as conn:
        asked = await conn.scalar(select(calls.c.ring_timeout_s).where(calls.c.id == accepted.call_id))
    assert asked == longest_s
    if longest_s < 600:  # more than that no request may ask for
        with pytest.raises(Invalid) as refused:
            await place(OutboundRequest(to="+15551234567", ring_timeout_s=longest_s + 1))
        assert (refused.value.field, str(longest_s) in refused.value.message) == ("ring_timeout_s", True)


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_the_servers_own_ring_time_is_cut_to_what_the_carrier_can(engine, place, at_carrier, carrier):
    longest_s = await at_carrier(carrier)
    accepted = await place(settings=Settings(default_ring_timeout_s=600))
    async with engine.connect() as conn:
        asked = await conn.scalar(select(calls.c.ring_timeout_s).where(calls.c.id == accepted.call_id))
    assert asked == min(600, longest_s)


async def test_whether_a_line_is_free_is_not_waited_for_for_long(engine, tenant, place):
    """A promise locks the pool; a call that waits for its line needs it not."""
    unwilling = OutboundRequest(to="+15551234567", on_limit="reject")
    async with engine.begin() as conn:
        await conn.execute(select(pools).with_for_update())
        async with asyncio.timeout(5):
            with pytest.raises(LimitReached) as refused:
                await place(unwilling)
            assert refused.value.code == "pool_full"
            await place()
    async with engine.connect() as conn:
        assert await conn.scalar(select(func.count()).select_from(calls)) == 1


async def test_a_line_is_promised_once(engine, tenant, place):
    async with engine.begin() as conn:
        await conn.execute(update(pools).values(lines=2))
    unwilling = OutboundRequest(to="+15551234567", on_limit="reject")
    answers = await asyncio.gather(*(place(unwilling) for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(answer, LimitReached) for answer in answers) == 4
    async with engine.connect() as conn:
        assert await conn.scalar(select(func.count()).select_from(calls)) == 2
