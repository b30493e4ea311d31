"""Waiting until a page can be used: it is shown before its scripts have run and have fetched what they need."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Page, Request

DRAWN = "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
ENDLESS = ("eventsource", "websocket")  # they stay open as long as the page is


@asynccontextmanager
async def leading_elsewhere(page: Page) -> AsyncIterator[None]:
    """Around a click that loads a page: until that page's scripts have run, a click there would do nothing."""
    async with page.expect_event("load"):
        yield


class Requests:
    """What a page is fetching. Make it before the page is opened."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._open: set[Request] = set()
        page.on("request", self._begin)
        page.on("requestfinished", self._end)
        page.on("requestfailed", self._end)

    async def settled(self) -> None:
        """Until the page has loaded and what it fetched after that is there and drawn."""
        await self._page.wait_for_load_state("load")
        while True:
            await self._page.evaluate(DRAWN)
            if not self._open:
                return

    def _begin(self, request: Request) -> None:
        if request.resource_type not in ENDLESS:
            self._open.add(request)

    def _end(self, request: Request) -> None:
        self._open.discard(request)
