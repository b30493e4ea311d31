"""Do-not-call entries whose number was erased are still known by it, and by nobody who has the database alone."""

import pytest
from sqlalchemy import func, insert, select, text

from outdial.db.retention_tables import erased_entries, number_keys
from outdial.db.tables import do_not_call
from outdial.policy.erased_entries import count_hashed, forget_hash, hash_entry, knows_number
from outdial.workspaces.secrets import SecretBox
from seats import an_older_worker

ONE, OTHER = "+12025550166", "+12025550167"


@pytest.fixture
def box():
    return SecretBox("a key")


async def enter(workspace, number=ONE, age="5 minutes"):
    at = func.now() - text(f"interval '{age}'")
    async with workspace.engine.begin() as conn:
        entry = {"workspace_id": workspace.id, "number": number, "source": "callee", "call_id": "call_1"}
        await conn.execute(insert(do_not_call).values(**entry, created_at=at))


async def test_an_entry_becomes_a_hash_that_knows_its_number_alone(workspace, box):
    await enter(workspace)
    async with workspace.engine.begin() as conn:
        assert await hash_entry(conn, box, workspace.id, ONE)
        assert await hash_entry(conn, box, workspace.id, ONE)  # again
        assert await conn.scalar(select(func.count()).select_from(do_not_call)) == 0
        assert await knows_number(conn, box, workspace.id, ONE)
        assert not await knows_number(conn, box, workspace.id, OTHER)
        assert not await knows_number(conn, box, "ws_other", ONE)
        assert await count_hashed(conn, workspace.id) == 1


async def test_a_new_entry_is_hashed_later(workspace, box):
    await enter(workspace, age="10 seconds")
    async with workspace.engine.begin() as conn:
        assert not await hash_entry(conn, box, workspace.id, ONE)
        assert await conn.scalar(select(func.count()).select_from(do_not_call)) == 1


async def test_an_entry_stays_a_number_while_a_process_lives_that_would_look_for_one(workspace, box):
    """It would dial."""
    await enter(workspace)
    async with an_older_worker(workspace.engine), workspace.engine.begin() as conn:
        assert not await hash_entry(conn, box, workspace.id, ONE)
        assert await conn.scalar(select(func.count()).select_from(do_not_call)) == 1
    async with workspace.engine.begin() as conn:
        assert await hash_entry(conn, box, workspace.id, ONE)


async def test_a_number_that_is_not_on_the_list_leaves_nothing(workspace, box):
    async with workspace.engine.begin() as conn:
        assert await hash_entry(conn, box, workspace.id, ONE)
        assert await conn.scalar(select(func.count()).select_from(number_keys)) == 0
        assert not await knows_number(conn, box, workspace.id, ONE)


async def test_it_is_taken_off_once_with_what_was_known_of_it(workspace, box):
    await enter(workspace)
    async with workspace.engine.begin() as conn:
        await hash_entry(conn, box, workspace.id, ONE)
        entry = await forget_hash(conn, box, workspace.id, ONE)
        assert (entry.source, entry.call_id) == ("callee", "call_1")
        assert await forget_hash(conn, box, workspace.id, ONE) is None


async def test_the_key_is_not_readable_in_the_database_and_another_one_knows_nothing(workspace, box, caplog):
    await enter(workspace)
    async with workspace.engine.begin() as conn:
        await hash_entry(conn, box, workspace.id, ONE)
        sealed = bytes(await conn.scalar(select(number_keys.c.sealed)))
        assert len(bytes(await conn.scalar(select(erased_entries.c.number_hash)))) == 32
        assert box.decrypt(sealed).encode() not in sealed
        assert not await knows_number(conn, SecretBox("another"), workspace.id, ONE)
    assert caplog.messages == ["Key of erased do-not-call entries not readable"]
