"""Hosts with another secret key than the database's don't join."""

import asyncio

import pytest
from sqlalchemy import delete, select, update

from outdial.accounts.secret_key import AnotherSecretKey, check_secret_key, forget_secret_key, is_secret_key
from outdial.app import running
from outdial.db.tables import carrier_accounts, secret_keys
from outdial.settings import Settings
from outdial.workspaces.secrets import SecretBox

OURS, THEIRS = SecretBox("a key"), SecretBox("another key")


async def test_the_first_key_is_the_databases(engine):
    assert await is_secret_key(engine, THEIRS)  # there is none yet, and looking leaves none
    await check_secret_key(engine, OURS)
    await check_secret_key(engine, OURS)
    with pytest.raises(AnotherSecretKey, match="OUTDIAL_SECRET_KEY"):
        await check_secret_key(engine, THEIRS)
    assert not await is_secret_key(engine, THEIRS)
    assert await is_secret_key(engine, OURS)


async def test_of_two_hosts_that_start_at_once_one_joins(engine):
    checks = (check_secret_key(engine, box) for box in (OURS, THEIRS))
    results = await asyncio.gather(*checks, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["AnotherSecretKey", "NoneType"]


@pytest.fixture
async def stored(workspace):
    """Credentials of a carrier account, encrypted with our key."""
    async with workspace.engine.begin() as conn:
        await conn.execute(delete(secret_keys))
        await conn.execute(update(carrier_accounts).values(credentials=OURS.encrypt({"token": "x"})))


async def test_credentials_stored_before_there_were_canaries_say_whose_key_it_is(engine, stored):
    assert not await is_secret_key(engine, THEIRS)
    with pytest.raises(AnotherSecretKey):
        await check_secret_key(engine, THEIRS)
    await check_secret_key(engine, OURS)


async def test_a_lost_key_can_be_forgotten_and_the_next_one_holds(engine, stored):
    await check_secret_key(engine, OURS)
    await forget_secret_key(engine)
    await check_secret_key(engine, THEIRS)
    with pytest.raises(AnotherSecretKey):
        await check_secret_key(engine, OURS)


async def test_a_process_with_another_key_does_not_start(database_url, engine, tmp_path):
    await check_secret_key(engine, OURS)
    settings = Settings(data_dir=tmp_path, database_url=database_url, secret_key="another key", port=0)
    with pytest.raises(AnotherSecretKey):
        async with running(settings):
            pass


async def test_who_forgets_at_once_leaves_one_row(engine):
    await check_secret_key(engine, OURS)
    await asyncio.gather(*(forget_secret_key(engine) for _ in range(4)))
    async with engine.connect() as conn:
        assert (await conn.execute(select(secret_keys.c.canary))).all() == [(None,)]
    await check_secret_key(engine, THEIRS)
