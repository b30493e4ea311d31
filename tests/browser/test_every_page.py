"""What holds on every page: for screen readers, on small screens, in both themes, and by weight."""

from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import BrowserContext, Page, Response, expect

from browser.conftest import listen_to
from browser.demo import Demo
from browser.pages import PAGES

SERIOUS = ("serious", "critical")
HUMAN = "+12025550100"
MAX_FIRST_LOAD_BYTES = 150_000
WITHOUT = ("audio/", "application/json")  # a recording, and its waveform


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ids(demo: Demo) -> dict[str, str]:
    """A call that has ended with everything there is to show, and what took part in it."""
    async with demo.api() as http:
        number = (await http.get("/v1/phone-numbers")).json()["numbers"][0]
        body = {"to": HUMAN, "amd": True, "variables": {"user_name": "Jane", "html": "<b>&amp;</b>"}}
        answer = await http.post(f"/v1/phone-number/{number['id']}/outbound", json=body)
    call = await demo.call_ended(answer.json()["call_id"])
    return {"number": number["id"], "agent": number["agent"]["id"], "call": call["id"]}


def path(name: str, ids: dict[str, str]) -> str:
    return PAGES[name].format_map(ids)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
async def test_assistive_technology_finds_its_way(page: Page, ids: dict[str, str], name: str, theme: Any):
    await page.emulate_media(color_scheme=theme)
    await page.goto(path(name, ids))
    await settled(page)
    found = (await Axe().run(page)).response["violations"]
    serious = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found if one["impact"] in SERIOUS]
    assert serious == []


@pytest.mark.parametrize("width", [360, 768, 1440])
@pytest.mark.parametrize("name", PAGES)
async def test_it_fits_the_screen(page: Page, ids: dict[str, str], name: str, width: int):
    await page.set_viewport_size({"width": width, "height": 800})
    await page.goto(path(name, ids))
    await settled(page)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await expect(page.get_by_role("heading", level=1)).to_have_count(1)


@pytest.mark.parametrize("name", PAGES)
async def test_the_first_load_is_light(context: BrowserContext, ids: dict[str, str], name: str):
    page = await context.new_page()
    complaints = listen_to(page)
    sizes: dict[str, int] = {}
    finished: list[Response] = []
    page.on("response", lambda response: finished.append(response))
    await page.goto(path(name, ids))
    await settled(page)
    for response in finished:
        media_type = response.headers.get("content-type", "")
        if "event-stream" not in media_type and not media_type.startswith(WITHOUT):
            sizes[response.url] = (await response.request.sizes())["responseBodySize"]
    assert sum(sizes.values()) < MAX_FIRST_LOAD_BYTES, sizes
    assert {response.url.split("/")[2] for response in finished} == {page.url.split("/")[2]}, "from other hosts"
    assert complaints == []


async def settled(page: Page) -> None:
    """Once what is fetched after the page is there. (Live pages are never idle, so that can't be waited for.)"""
    await page.wait_for_load_state("load")
    await page.wait_for_timeout(400)
