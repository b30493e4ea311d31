"""The MCP server on a socket."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import func, update

from outdial.api.server import HttpServer, listen
from outdial.calls.events import add_event
from outdial.db.tables import calls


@pytest.fixture
async def url(app, settings):
    """The API on a socket, as it is served; the address of its MCP server."""
    at = settings.model_copy(update={"host": "127.0.0.1", "port": 0})
    listener = listen(at)

    async def no_media(path, headers):
        return None

    server = HttpServer(app, no_media, at)
    serving = asyncio.create_task(server.serve([listener]))
    await server.up.wait()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    await app.state.mcp.aclose()
    await server.stop()
    await serving
    listener.close()


@pytest.fixture
def ends_calls(engine):
    """`async with ends_calls()`: whatever is placed ends a moment later, and well."""

    @asynccontextmanager
    async def ends_calls_():
        async def end() -> None:
            while True:
                async with engine.begin() as conn:
                    well = {"end_reason": "completed", "outcome": "confirmed", "ended_at": func.now()}
                    statement = update(calls).where(calls.c.state == "queued").values(state="ended", **well)
                    for call_id in await conn.scalars(statement.returning(calls.c.id)):
                        await add_event(conn, call_id, "state", {"state": "ended"})
                await asyncio.sleep(0.2)

        ending = asyncio.create_task(end())
        yield
        ending.cancel()

    return ends_calls_
