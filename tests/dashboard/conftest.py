"""The whole app (API and dashboard) over a fresh database, and browsers that are signed in to it."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from api.conftest import accounts_at_carriers, browser_of, services, settings, tenant
from outdial.api.app import create_api
from outdial.api.services import Services
from outdial.dashboard.app import add_dashboard
from outdial.workspaces.access import Role

__all__ = ["accounts_at_carriers", "browser_of", "services", "settings", "tenant"]


@pytest.fixture
async def app(services: Services) -> AsyncIterator[FastAPI]:
    app = create_api(services)
    live_pages = add_dashboard(app, services)
    yield app
    await live_pages.aclose()


@pytest.fixture
async def editor(browser_of) -> httpx.AsyncClient:
    return await browser_of(Role.EDITOR)


@pytest.fixture
async def viewer(browser_of) -> httpx.AsyncClient:
    return await browser_of(Role.VIEWER)
