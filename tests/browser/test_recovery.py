"""A page left open while the server stops and starts again."""

import secrets
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, expect

from end_to_end.process import Server
from outdial.db.engine import create_engine, put_away
from outdial.members.first_start import first_start


@pytest_asyncio.fixture(loop_scope="session")
async def server(browser: Browser, new_database: Callable[[], str]) -> AsyncIterator[tuple[Server, str]]:
    with tempfile.TemporaryDirectory(prefix="outdial-browser-") as folder:
        url = new_database()
        server = Server(Path(folder) / "server", url, secrets.token_urlsafe(32))
        await server.start()
        engine = create_engine(url)
        first = await first_start(engine, server.base_url, with_link=True)
        await put_away(engine)
        assert first is not None
        yield server, first.link
        await server.stop()


async def test_a_page_left_open_recovers_by_itself(browser: Browser, server: tuple[Server, str]):
    process, link = server
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(link)
    await expect(page.get_by_role("heading", name="Welcome to Outdial", level=1)).to_be_visible()
    await page.goto(f"{process.base_url}/calls")
    lost = page.get_by_text("Connection lost")
    await expect(lost).to_be_hidden()
    await process.stop()
    await expect(lost).to_be_visible()
    await process.start()
    await expect(lost).to_be_hidden()
    await context.close()
