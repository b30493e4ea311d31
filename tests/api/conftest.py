"""The API over a fresh database, and a client that speaks to it without a socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.api.app import create_api
from outdial.api.server import HttpServer, listen
from outdial.api.services import Services
from outdial.calls.events import add_event
from outdial.db.notify import Notifications
from outdial.db.tables import calls
from outdial.ids import new_id
from outdial.members import store
from outdial.members.sign_in import make_link, use_link
from outdial.recordings.recordings import Recordings
from outdial.settings import Settings
from outdial.webhooks.attempt import WebhookClient
from outdial.workspaces.access import Role
from outdial.workspaces.audit import COMMAND_LINE
from secret_box import BOX
from simulated_accounts import SimulatedAccounts
from tenants import Tenant, make_tenant

# No test but that of the limit is about how many requests it makes.
_settings = Settings(
    public_url="https://voice.example", max_requests_per_s=100_000, allowed_private_hosts="127.0.0.1"
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return _settings.model_copy(update={"data_dir": tmp_path})


@pytest.fixture
async def services(
    engine: AsyncEngine, database_url: str, settings: Settings, accounts_at_carriers: SimulatedAccounts
) -> AsyncIterator[Services]:
    webhooks = WebhookClient(settings.allowed_private)
    async with Notifications(database_url) as notifications:
        yield Services(
            engine=engine,
            settings=settings,
            notifications=notifications,
            secret_box=BOX,
            recordings=Recordings(settings.data_dir, (settings.data_dir / "store").as_uri()),
            open_number_control=accounts_at_carriers.open,
            webhooks=webhooks,
        )
    await webhooks.aclose()


@pytest.fixture
def accounts_at_carriers() -> SimulatedAccounts:
    return SimulatedAccounts()


@pytest.fixture
def app(services: Services) -> FastAPI:
    return create_api(services)


@pytest.fixture
async def tenant(engine: AsyncEngine) -> Tenant:
    return await make_tenant(engine)


@pytest.fixture
async def client(app: FastAPI, tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="https://voice.example",
        headers={"Authorization": tenant.key},
    ) as client:
        yield client


@pytest.fixture
async def browser_of(app: FastAPI, engine: AsyncEngine, tenant: Tenant):
    """A browser in which somebody of this role is signed in, with the headers that a page of ours sends."""
    async with AsyncExitStack() as stack:

        async def browser_of(role: Role, *, csrf: bool = True) -> httpx.AsyncClient:
            member = await store.invite(
                engine,
                tenant.workspace_id,
                email=f"{new_id(role)}@clinic.example",
                name=role.title(),
                role=role,
                by=COMMAND_LINE,
                base_url="",
            )
            token = await use_link(engine, await make_link(engine, member["id"]), user_agent="Firefox")
            signed_in = await app.state.sign_ins(token)
            headers = {"X-CSRF-Token": signed_in.csrf_token, "Origin": "https://voice.example"} if csrf else {}
            browser = httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url="https://voice.example",
                headers=headers,
                cookies={"__Host-outdial_sign_in": token},
            )
            browser.signed_in = signed_in
            return await stack.enter_async_context(browser)

        yield browser_of


@pytest.fixture
async def operator(browser_of):
    """A browser in which somebody is signed in who may do everything."""
    return await browser_of(Role.OPERATOR)


@pytest.fixture
async def served(app, settings):
    """The API on a socket, as it is served; its address."""
    at = settings.model_copy(update={"host": "127.0.0.1", "port": 0})
    listener = listen(at)

    async def no_media(path, headers):
        return None

    server = HttpServer(app, no_media, at)
    serving = asyncio.create_task(server.serve([listener]))
    await server.up.wait()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
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
