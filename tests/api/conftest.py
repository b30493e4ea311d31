"""The API over a fresh database, and a client that speaks to it without a socket."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.api.app import create_api
from outdial.api.services import Services
from outdial.db.notify import Notifications
from outdial.settings import Settings
from outdial.workspaces.secrets import SecretBox
from simulated_accounts import SimulatedAccounts
from tenants import Tenant, make_tenant


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, public_url="https://voice.example")


@pytest.fixture
async def services(
    engine: AsyncEngine, database_url: str, settings: Settings, accounts_at_carriers: SimulatedAccounts
) -> AsyncIterator[Services]:
    async with Notifications(database_url) as notifications:
        yield Services(
            engine=engine,
            settings=settings,
            notifications=notifications,
            secret_box=SecretBox("a key for tests"),
            recordings_dir=settings.data_dir / "recordings",
            open_account=accounts_at_carriers.open,
        )


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
