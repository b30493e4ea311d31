"""What holds on every page: for screen readers, on small screens, in both themes, and by weight.

Each page is looked at once; the tests are about what was seen.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Response

from browser.conftest import listen_to
from browser.demo import Demo
from browser.loading import Requests
from browser.pages import PAGES

SERIOUS = ("serious", "critical")
HUMAN = "+12025550100"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = (360, 390, 768, 960, 1024, 1280, 1440)
PHONES = (360, 390)
MAX_FIRST_LOAD_BYTES = 150_000
WITHOUT = ("audio/", "application/json")  # a recording, and its waveform


# Boxes that hide a part of what is in them at the side; on a phone those that scroll sideways, too, but for code.
CUT = """(onPhone) => {
  const hides = onPhone ? ["hidden", "clip", "auto", "scroll"] : ["hidden", "clip"];
  const boxes = [...document.querySelectorAll("main, main *")].filter((box) => {
    const style = getComputedStyle(box);
    return box.scrollWidth > box.clientWidth + 1 && box.clientWidth > 1 && hides.includes(style.overflowX)
      && style.textOverflow !== "ellipsis" && !box.matches("input, pre") && !box.closest(".visually-hidden");
  });
  return boxes.map((box) => `${box.tagName} ${box.className} ${box.id}: ${box.scrollWidth} in ${box.clientWidth}`);
}"""


@dataclass(slots=True)
class Seen:
    violations: dict[str, list[Any]] = field(default_factory=dict)  # by theme
    needed_widths: dict[int, int] = field(default_factory=dict)     # by the window's
    cut: dict[int, list[str]] = field(default_factory=dict)         # what doesn't fit its box, by the window's width
    sizes: dict[str, int] = field(default_factory=dict)             # bytes, by URL
    hosts: set[str] = field(default_factory=set)
    headings: int = 0
    complaints: list[str] = field(default_factory=list)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ids(demo: Demo) -> dict[str, str]:
    """A call that has ended with everything there is to show, and what took part in it."""
    async with demo.api() as http:
        number = (await http.get("/v1/phone-numbers")).json()["numbers"][0]
        body = {"to": HUMAN, "amd": True, "variables": {"user_name": "Jane", "html": "<b>&amp;</b>"}}
        answer = await http.post(f"/v1/phone-number/{number['id']}/outbound", json=body)
    call = await demo.call_ended(answer.json()["call_id"])
    return {"number": number["id"], "agent": number["agent"]["id"], "call": call["id"]}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def seen(browser: Browser, demo: Demo, operator: dict[str, Any], ids: dict[str, str]) -> dict[str, Seen]:
    pages = {}
    for name, path in PAGES.items():
        # A context of its own: nothing is in the browser's cache.
        context = await browser.new_context(base_url=demo.base_url, storage_state=operator)  # type: ignore[arg-type]
        pages[name] = await look(context, path.format_map(ids))
        await context.close()
    return pages


async def look(context: BrowserContext, path: str) -> Seen:
    page = await context.new_page()
    seen = Seen(complaints=listen_to(page))
    finished: list[Response] = []
    page.on("response", lambda response: finished.append(response))
    requests = Requests(page)
    await page.goto(path)
    await requests.settled()
    for response in finished:
        media_type = response.headers.get("content-type", "")
        seen.hosts.add(response.url.split("/")[2])
        if "event-stream" not in media_type and not media_type.startswith(WITHOUT):
            seen.sizes[response.url] = (await response.request.sizes())["responseBodySize"]
    seen.headings = await page.get_by_role("heading", level=1).count()
    for theme in THEMES:
        await page.emulate_media(color_scheme=theme)
        found = (await Axe().run(page)).response["violations"]
        serious = [one for one in found if one["impact"] in SERIOUS]
        seen.violations[theme] = [(one["id"], [node["html"] for node in one["nodes"]]) for one in serious]
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 800})
        seen.needed_widths[width] = await page.evaluate("document.documentElement.scrollWidth")
        seen.cut[width] = await page.evaluate(CUT, width in PHONES)
    return seen


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", PAGES)
def test_assistive_technology_finds_its_way(seen: dict[str, Seen], name: str, theme: str):
    assert seen[name].violations[theme] == []
    assert seen[name].headings == 1


@pytest.mark.parametrize("name", PAGES)
def test_it_fits_the_screen(seen: dict[str, Seen], name: str):
    assert {width: needed for width, needed in seen[name].needed_widths.items() if needed > width} == {}


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_cut_off_at_the_side(seen: dict[str, Seen], name: str):
    assert {width: boxes for width, boxes in seen[name].cut.items() if boxes} == {}


@pytest.mark.parametrize("name", PAGES)
def test_the_first_load_is_light_and_all_ours(seen: dict[str, Seen], demo: Demo, name: str):
    assert sum(seen[name].sizes.values()) < MAX_FIRST_LOAD_BYTES, seen[name].sizes
    assert seen[name].hosts == {demo.base_url.split("/")[2]}


@pytest.mark.parametrize("name", PAGES)
def test_the_console_stays_empty(seen: dict[str, Seen], name: str):
    assert seen[name].complaints == []
