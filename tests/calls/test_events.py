import asyncio

from outdial.calls.events import add_event
from outdial.db.notify import Notifications


async def test_an_event_is_kept_and_told_when_its_transaction_commits(workspace, database_url):
    call_id = await workspace.queue()
    told = asyncio.Queue()
    async with Notifications(database_url) as notifications:
        notifications.subscribe("outdial_call", told.put_nowait)
        async with asyncio.timeout(30):
            assert await told.get() == ""
            async with workspace.engine.connect() as conn:
                await add_event(conn, call_id, "digits", {"digits": "1"})
                await conn.rollback()
                await add_event(conn, call_id, "digits", {"digits": "2"})
                await conn.commit()
            assert await told.get() == call_id
    assert await workspace.events(call_id) == [{"digits": "2"}]
    assert told.empty()
