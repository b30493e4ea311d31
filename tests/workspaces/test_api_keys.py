from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from outdial.db.tables import api_keys
from outdial.lines.workspace_pools import create_workspace
from outdial.workspaces.access import Scope
from outdial.workspaces.api_keys import Authenticator, authenticate, create_api_key, revoke_api_key
from outdial.workspaces.audit import COMMAND_LINE


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
