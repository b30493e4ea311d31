"""Where calls may go, kept: what connecting numbers brings, what people allow and take away."""

import threading

import pytest
from sqlalchemy import select

from outdial.db.tables import audit_log, carrier_accounts
from outdial.lines.workspace_pools import create_workspace
from outdial.policy import destinations
from outdial.policy.destination_match import named_kind
from outdial.policy.destinations import (
    DestinationSource,
    allow,
    allow_country_of,
    destinations_of,
    list_destinations,
    read_reach,
    take_away,
)
from outdial.refusals import NotFound
from outdial.workspaces.audit import COMMAND_LINE, Actor, ActorKind
from tenants import make_tenant

KEY = Actor(kind=ActorKind.API_KEY, id="key_1", name="Backend")
PERSON = Actor(kind=ActorKind.PERSON, id="person_1", name="Jane")
GB, DE = "+441632960100", "+4930123456"


@pytest.fixture
async def empty(engine):
    """A workspace that may call nothing yet."""
    return (await create_workspace(engine, name="New"))["id"]


@pytest.fixture
def connect(engine, empty):
    async def connect(number, account_id, by):
        async with engine.begin() as conn:
            row = {"id": account_id, "workspace_id": empty, "carrier": "twilio", "account_ref": account_id}
            known = select(carrier_accounts.c.id).where(carrier_accounts.c.id == account_id)
            if await conn.scalar(known) is None:
                await conn.execute(carrier_accounts.insert().values(row | {"credentials": b"", "calls_per_second": 1}))
            await allow_country_of(conn, empty, number, account_id, by=by)

    return connect


@pytest.fixture
def reach(engine, empty):
    """What calls through an account may reach."""

    async def reach(account_id):
        account = carrier_accounts.c
        async with engine.connect() as conn:
            found = await conn.scalar(
                select(destinations_of(account.workspace_id, account.id)).where(account.id == account_id)
            )
        return sorted(found)

    return reach


async def test_a_number_brings_its_country(engine, empty, connect):
    await connect(GB, "acct_1", PERSON)
    await connect("+441632960101", "acct_1", PERSON)
    await connect(DE, "acct_1", COMMAND_LINE)
    async with engine.connect() as conn:
        found = await list_destinations(conn, empty)
    assert [(one["destination"], one["calling_code"], one["source"]) for one in found] == [
        ("DE", "+49", "number"),
        ("GB", "+44", "number"),
    ]


async def test_a_number_that_a_key_connects_opens_its_country_for_its_own_account_alone(connect, reach):
    await connect(GB, "acct_1", PERSON)
    await connect("+18765550100", "acct_of_a_stranger", KEY)
    assert await reach("acct_1") == ["GB"]
    assert await reach("acct_of_a_stranger") == ["GB", "JM"]


async def test_what_was_taken_away_is_not_brought_back_by_a_number(engine, empty, connect, reach):
    await connect(GB, "acct_1", PERSON)
    await connect(GB, "acct_2", KEY)
    await take_away(engine, empty, "GB", by=PERSON)
    assert await reach("acct_1") == []
    await connect("+441632960101", "acct_1", PERSON)
    await connect("+441632960102", "acct_2", KEY)
    assert await reach("acct_1") == await reach("acct_2") == []
    _, is_new = await allow(engine, empty, "GB", source=DestinationSource.PERSON, by=PERSON)
    assert is_new
    assert await reach("acct_2") == ["GB"]


async def test_what_a_key_brought_is_taken_away_with_the_rest(engine, empty, connect, reach):
    await connect(GB, "acct_1", KEY)
    assert await reach("acct_1") == ["GB"]
    await take_away(engine, empty, "GB", by=PERSON)
    assert await reach("acct_1") == []


async def test_allowing_again_changes_nothing_and_taking_away_what_isn_t_there_is_refused(engine, empty):
    first, is_new = await allow(engine, empty, "DE", source=DestinationSource.PERSON, by=PERSON)
    again, is_new_again = await allow(engine, empty, "DE", source=DestinationSource.CLI, by=COMMAND_LINE)
    assert (is_new, is_new_again) == (True, False)
    assert again == first
    with pytest.raises(NotFound):
        await take_away(engine, empty, "FR", by=PERSON)
    await take_away(engine, empty, "DE", by=PERSON)
    with pytest.raises(NotFound):
        await take_away(engine, empty, "DE", by=PERSON)


async def test_every_change_is_in_the_audit_log(engine, empty):
    await allow(engine, empty, "+1900", source=DestinationSource.PERSON, by=PERSON)
    await allow(engine, empty, "+1900", source=DestinationSource.PERSON, by=PERSON)
    await take_away(engine, empty, "+1900", by=COMMAND_LINE)
    async with engine.connect() as conn:
        acts = (await conn.execute(select(audit_log.c.act, audit_log.c.subject_name, audit_log.c.actor_kind))).all()
    assert acts == [
        ("destinations.allowed", "+1900", "person"),
        ("destinations.removed", "+1900", "command_line"),
    ]


async def test_who_allows_what_costs_more_is_told(engine, empty):
    premium, _ = await allow(engine, empty, "+1900", source=DestinationSource.PERSON, by=PERSON)
    shared, _ = await allow(engine, empty, "+1", source=DestinationSource.PERSON, by=PERSON)
    usual, _ = await allow(engine, empty, "DE", source=DestinationSource.PERSON, by=PERSON)
    assert (premium["special"], "premium numbers" in premium["warning"]) == ("premium", True)
    assert (shared["special"], "25 countries" in shared["warning"]) == (None, True)
    assert (usual["special"], usual["warning"]) == (None, None)


async def test_workspaces_do_not_share_their_destinations(engine, empty, reach, connect):
    await make_tenant(engine)  # may call everybody
    await connect(GB, "acct_1", PERSON)
    assert await reach("acct_1") == ["GB"]


async def test_what_prefixes_let_in_is_found_out_beside_the_event_loop(engine, empty, monkeypatch):
    threads = set()

    def note(destination):
        threads.add(threading.current_thread())
        return named_kind(destination)

    monkeypatch.setattr(destinations, "named_kind", note)
    for prefix in ("+44909", "+441632", "+4"):
        await allow(engine, empty, prefix, source=DestinationSource.PERSON, by=PERSON)
    async with engine.connect() as conn:
        assert len(await list_destinations(conn, empty)) == 3
        assert (await read_reach(conn, empty)).covers("+449098790123")
    await take_away(engine, empty, "+4", by=PERSON)
    assert len(threads) == 1
    assert threading.current_thread() not in threads
