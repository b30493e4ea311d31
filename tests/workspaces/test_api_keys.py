import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, select, update

import outdial.workspaces.api_keys
from outdial.db.tables import api_keys
from outdial.lines.workspace_pools import create_workspace
from outdial.refusals import Conflict, LimitReached, NotFound
from outdial.workspaces.access import Scope
from outdial.workspaces.api_keys import (
    Authenticator,
    authenticate,
    change_scope,
    create_api_key,
    list_api_keys,
    revoke_api_key,
)
from outdial.workspaces.audit import COMMAND_LINE, list_audit


@pytest.fixture
async def workspace_id(engine):
    return (await create_workspace(engine, name="Clinic"))["id"]


async def used_at(engine):
    async with engine.connect() as conn:
        return await conn.scalar(select(api_keys.c.last_used_at))


async def test_a_key_is_its_workspace_s_and_is_stored_as_a_hash_only(engine, workspace_id):
    made = await create_api_key(engine, workspace_id, name="Test", by=COMMAND_LINE)
    principal = await authenticate(engine, made["key"])
    assert principal is not None
    assert (principal.workspace_id, principal.actor.id) == (workspace_id, made["id"])
    assert principal.grant is Scope.OPERATOR
    async with engine.connect() as conn:
        row = (await conn.execute(select(api_keys))).one()
    assert made["key"] not in str(row)
    for wrong in ("", made["key"][:-1], made["key"] + "x", made["hint"], made["id"], "\ud800"):
        assert await authenticate(engine, wrong) is None


async def test_use_is_noted_at_most_once_a_minute(engine, workspace_id):
    made = await create_api_key(engine, workspace_id, name="Test", by=COMMAND_LINE)
    assert await used_at(engine) is None
    await authenticate(engine, made["key"])
    first = await used_at(engine)
    await authenticate(engine, made["key"])
    assert await used_at(engine) == first
    long_ago = datetime.now(UTC) - timedelta(seconds=61)
    async with engine.begin() as conn:
        await conn.execute(update(api_keys).values(last_used_at=long_ago))
    await authenticate(engine, made["key"])
    assert await used_at(engine) > long_ago


async def test_a_key_revoked_elsewhere_works_as_long_as_it_is_remembered_and_no_longer(engine, workspace_id):
    now = 0.0
    remembering = Authenticator(engine, ttl_s=3.0, clock=lambda: now)
    made = await create_api_key(engine, workspace_id, name="Test", by=COMMAND_LINE)
    assert await remembering(made["key"]) is not None
    await revoke_api_key(engine, workspace_id, made["id"], by=COMMAND_LINE)
    now = 2.9
    assert await remembering(made["key"]) is not None
    now = 3.0
    assert await remembering(made["key"]) is None


async def test_a_key_revoked_here_is_forgotten_at_once(engine, workspace_id):
    remembering = Authenticator(engine)
    made = await create_api_key(engine, workspace_id, name="Test", by=COMMAND_LINE)
    assert await remembering(made["key"]) is not None
    await revoke_api_key(engine, workspace_id, made["id"], by=COMMAND_LINE)
    remembering.forget(made["id"])
    assert await remembering(made["key"]) is None


async def test_revoking_twice_keeps_the_first_instant(engine, workspace_id):
    made = await create_api_key(engine, workspace_id, name="Test", by=COMMAND_LINE)
    first = await revoke_api_key(engine, workspace_id, made["id"], by=COMMAND_LINE)
    assert await revoke_api_key(engine, workspace_id, made["id"], by=COMMAND_LINE) == first


async def test_a_key_has_the_scope_it_was_made_with_or_was_given_later(engine, workspace_id):
    made = await create_api_key(engine, workspace_id, name="Zapier", scope=Scope.PLACE_CALLS, by=COMMAND_LINE)
    assert made["scope"] is Scope.PLACE_CALLS
    assert (await authenticate(engine, made["key"])).grant is Scope.PLACE_CALLS
    changed = await change_scope(engine, workspace_id, made["id"], Scope.READ, by=COMMAND_LINE)
    assert (changed["scope"], changed["hint"]) == (Scope.READ, made["hint"])
    assert await change_scope(engine, workspace_id, made["id"], Scope.READ, by=COMMAND_LINE) == changed
    assert (await authenticate(engine, made["key"])).grant is Scope.READ
    async with engine.connect() as conn:
        entries = (await list_audit(conn, workspace_id))["entries"]
        assert [key["scope"] for key in await list_api_keys(conn, workspace_id)] == ["read"]
    assert [(entry["act"], entry["details"]) for entry in entries] == [
        ("api_key.scope_changed", {"hint": made["hint"], "scope": "read", "before": "place_calls"}),
        ("api_key.created", {"hint": made["hint"], "scope": "place_calls"}),
    ]


async def test_only_a_key_of_the_workspace_that_still_works_is_given_another_scope(engine, workspace_id):
    made = await create_api_key(engine, workspace_id, name="Zapier", by=COMMAND_LINE)
    other = (await create_workspace(engine, name="Another"))["id"]
    with pytest.raises(NotFound):
        await change_scope(engine, other, made["id"], Scope.READ, by=COMMAND_LINE)
    await revoke_api_key(engine, workspace_id, made["id"], by=COMMAND_LINE)
    with pytest.raises(Conflict) as refused:
        await change_scope(engine, workspace_id, made["id"], Scope.READ, by=COMMAND_LINE)
    assert refused.value.code == "api_key_revoked"


# -- what strangers' keys cost ---------------------------------------------------------------------------------

ADDRESS, ELSEWHERE = "192.0.2.1", "198.51.100.7"


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def look_ups(engine):
    """The statements that were sent to the database."""
    sent = []

    def note(conn, cursor, statement, *rest):
        if "api_keys" in statement:
            sent.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine.sync_engine, "before_cursor_execute", note)


@pytest.mark.parametrize("text", ["", "x", "od_", "Bearer", "od_é", "od_a b", "od_\ud800", "od_" + "a" * 198, "\0" * 9])
async def test_what_can_t_be_a_key_is_not_looked_up(engine, look_ups, text):
    assert await Authenticator(engine)(text, address=ADDRESS) is None
    assert look_ups == []


async def test_an_unknown_key_is_not_looked_up_again_at_once(engine, look_ups):
    clock = Clock()
    remembering = Authenticator(engine, ttl_s=3.0, clock=clock)
    for _ in range(5):
        assert await remembering("od_wrong", address=ADDRESS) is None
    assert len(look_ups) == 1
    clock.now_s = 3.0
    assert await remembering("od_wrong", address=ADDRESS) is None
    assert len(look_ups) == 2


async def test_an_address_with_one_unknown_key_after_the_other_has_to_wait(engine, workspace_id, look_ups, caplog):
    clock = Clock()
    remembering = Authenticator(engine, guesses_per_s=2.0, clock=clock)
    good = (await create_api_key(engine, workspace_id, name="Test", by=COMMAND_LINE))["key"]
    new = (await create_api_key(engine, workspace_id, name="New", by=COMMAND_LINE))["key"]
    assert await remembering(good, address=ADDRESS) is not None
    look_ups.clear()

    async def guess(n):
        try:
            return await remembering(f"od_guess{n}", address=ADDRESS)
        except LimitReached as refused:
            return refused.code, refused.retry_after_s

    told = await asyncio.gather(*(guess(n) for n in range(500)))
    assert (told.count(None), told.count(("rate_limited", 1))) == (20, 480)
    assert len(look_ups) == 20
    assert [record.message for record in caplog.records] == ["API key limit of an address reached"]
    clock.now_s = 10.0  # long enough for the key to be looked up again, and for all tokens
    assert [await guess(n) for n in range(1000, 1021)] == [None] * 20 + [("rate_limited", 1)]
    assert await remembering(good, address=ADDRESS) is not None
    with pytest.raises(LimitReached):
        await remembering(new, address=ADDRESS)  # as good as any other unknown key from here
    assert await remembering(new, address=ELSEWHERE) is not None
    assert await remembering("od_guess", address=ELSEWHERE) is None


async def test_who_uses_a_good_key_a_lot_guesses_nothing(engine, workspace_id):
    remembering = Authenticator(engine, guesses_per_s=0.1, clock=Clock())
    for name in ("A", "B", "C"):
        key = (await create_api_key(engine, workspace_id, name=name, by=COMMAND_LINE))["key"]
        known = await asyncio.gather(*(remembering(key, address=ADDRESS) for _ in range(50)))
        assert all(known)


async def test_a_database_that_is_away_makes_no_guess_of_a_key(engine, workspace_id, monkeypatch):
    remembering = Authenticator(engine, guesses_per_s=0.1, clock=Clock())
    key = (await create_api_key(engine, workspace_id, name="Test", by=COMMAND_LINE))["key"]
    with monkeypatch.context() as away:
        away.setattr(outdial.workspaces.api_keys, "reading", broken)
        for _ in range(30):
            with pytest.raises(ConnectionError):
                await remembering(key, address=ADDRESS)
    assert await remembering(key, address=ADDRESS) is not None


def broken(engine):
    raise ConnectionError
