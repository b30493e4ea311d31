"""The dashboard in a real browser, beside the demo as a newcomer starts it. Without a Chromium it is left out."""

import inspect
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, Playwright, async_playwright, expect

from browser.chromium import FLAGS, WHY_NOT, chromium
from browser.demo import PATIENCE_MS, Demo, running_demo, signed_in
from end_to_end.conftest import new_database

__all__ = ["new_database"]

expect.set_options(timeout=PATIENCE_MS)
NO_ERROR = ("Failed to load resource",)  # the status is looked at where it matters


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One loop for all: the browser and the demo live as long as the session."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and inspect.iscoroutinefunction(item.function):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def demo() -> AsyncIterator[Demo]:
    if chromium() is None:
        pytest.skip(WHY_NOT)
    with tempfile.TemporaryDirectory(prefix="outdial-browser-") as folder:
        os.chmod(folder, 0o755)  # PostgreSQL may run as another user
        async with running_demo(Path(folder)) as demo:
            yield demo


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    if chromium() is None:
        pytest.skip(WHY_NOT)
    async with async_playwright() as playwright:
        yield playwright


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(playwright: Playwright) -> AsyncIterator[Browser]:
    browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
    yield browser
    await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def operator(browser: Browser, demo: Demo) -> dict[str, Any]:
    return await signed_in(browser, demo)


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser, demo: Demo, operator: dict[str, Any]) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(
        base_url=demo.base_url, storage_state=operator, permissions=["clipboard-read", "clipboard-write"]  # type: ignore[arg-type]
    )
    context.set_default_timeout(PATIENCE_MS)
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    """Signed in as the operator. Whatever the page complains of in its console fails the test."""
    page = await context.new_page()
    complaints = listen_to(page)
    yield page
    assert complaints == []


def listen_to(page: Page) -> list[str]:
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def heard(message: Any) -> None:
        if message.type == "error" and not message.text.startswith(NO_ERROR):
            complaints.append(message.text)

    page.on("console", heard)
    return complaints
