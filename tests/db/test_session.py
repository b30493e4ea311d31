import asyncio
import time

import pytest

from outdial.db import session as session_module
from outdial.db.session import Session, Silent


async def test_a_session_answers_with_the_first_row(database_url):
    session = await Session.open(database_url)
    assert await session.ask("SELECT %s::int, 'a'", [7]) == (7, "a")
    assert await session.ask("LISTEN something") is None
    await session.close()


async def test_a_database_that_does_not_answer_is_not_waited_for_without_end(database_url, monkeypatch):
    monkeypatch.setattr(session_module, "PATIENCE_S", 1)
    session = await Session.open(database_url)
    async with asyncio.timeout(30):
        with pytest.raises(Silent):
            await session.ask("SELECT pg_sleep(60)")
    await session.close()


async def test_who_is_cancelled_does_not_wait_for_an_answer_either(database_url):
    session = await Session.open(database_url)
    asking = asyncio.create_task(session.ask("SELECT pg_sleep(60)"))
    await asyncio.sleep(0.2)
    asking.cancel()
    async with asyncio.timeout(30):
        with pytest.raises(asyncio.CancelledError):
            await asking
    await session.close()


async def test_a_process_that_was_frozen_itself_finds_the_answer(database_url, monkeypatch):
    """Its patience is counted in seconds in which it ran."""
    monkeypatch.setattr(session_module, "PATIENCE_S", 2)
    session = await Session.open(database_url)
    asking = asyncio.create_task(session.ask("SELECT pg_sleep(0.2), 7"))
    await asyncio.sleep(0.05)
    time.sleep(3)  # noqa: ASYNC251 - frozen
    assert (await asking)[1] == 7
    await session.close()
