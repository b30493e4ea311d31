"""`make screenshots EVERY=folder`: every page, dialog and empty list, in both themes, on a wide screen and on a phone.
For whoever has changed the dashboard, to look at; they are not kept.
"""

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from playwright.async_api import Browser, Page

from browser.demo import Demo, beside, signed_in
from browser.loading import Requests
from browser.pages import PAGES
from browser.screenshots import THEMES, calls, demo_in_browser

SIZES = {1440: 900, 390: 844}
QUALITY = 80
HIGHEST = 8000  # of the reference of the API only the beginning
FAILED = "+12025550107"

Ids = Mapping[str, str]
State = tuple[str, Callable[[Page], Awaitable[None]]]  # where, and what is done there


def _pressed(name: str) -> Callable[[Page], Awaitable[None]]:
    """A button that opens a dialog."""

    async def press(page: Page) -> None:
        await page.get_by_role("button", name=re.compile(f"^{name}")).first.click()
        await page.get_by_role("dialog").first.wait_for()

    return press


async def _numbers_listed(page: Page) -> None:
    await page.get_by_role("radio", name=re.compile("On the simulator")).check()
    await page.get_by_role("button", name="List the account's numbers").click()
    await page.get_by_role("group", name="The account's numbers").wait_for()
    await page.get_by_role("button", name="Check", exact=True).click()
    await page.locator("[data-result] .alert").first.wait_for()


async def _wrong_number(page: Page) -> None:
    await _pressed("View")(page)
    await page.get_by_role("textbox", name="Phone number").fill("555 1234")
    await page.get_by_role("button", name="Call", exact=True).click()
    await page.locator("[aria-invalid=true]").first.wait_for()


async def _as_it_is(page: Page) -> None:
    pass


STATES: dict[str, State] = {
    "failed-call": ("/calls/{failed}", _as_it_is),
    "edit-number": ("/phone-numbers", _pressed("Edit")),
    "outbound-call-api": ("/phone-numbers", _pressed("View")),
    "outbound-call-api-wrong": ("/phone-numbers", _wrong_number),
    "connect-a-number-chosen": ("/phone-numbers/connect", _numbers_listed),
    "new-agent": ("/agents", _pressed("New agent")),
    "publish": ("/agents/{agent}", _pressed("Review and publish")),
    "stop": ("/calls", _pressed("Stop")),
    "call-again": ("/calls/{call}", _pressed("Call again")),
    "calls-none-found": ("/calls?q=zzzz", _as_it_is),
    "not-found": ("/calls/call_none", _as_it_is),
}
EMPTY = (
    "overview",
    "calls",
    "phone-numbers",
    "agents",
    "do-not-call",
    "settings",
    "api-keys",
    "carrier-accounts",
    "members",
)


async def take(folder: Path) -> None:
    async with demo_in_browser() as (home, demo, browser):
        state = await signed_in(browser, demo)
        ids = await calls(demo) | {"failed": await demo.called(FAILED)}
        screens = {name: (path.format_map(ids), _as_it_is) for name, path in PAGES.items()}
        screens |= {name: (path.format_map(ids), act) for name, (path, act) in STATES.items()}
        await _each(browser, demo, state, screens, folder)
        await _each(browser, demo, None, {"sign-in": ("/sign-in", _as_it_is)}, folder)
        empty = await _empty_workspace(home, browser, demo)
        await _each(browser, demo, empty, {f"empty-{one}": (PAGES[one], _as_it_is) for one in EMPTY}, folder)


async def _each(browser: Browser, demo: Demo, state: object, screens: Mapping[str, State], folder: Path) -> None:
    for theme in THEMES:
        for width, height in SIZES.items():
            context = await browser.new_context(
                base_url=demo.base_url,
                storage_state=state,  # type: ignore[arg-type]
                viewport={"width": width, "height": height},
                color_scheme=theme,
            )
            for name, (path, act) in screens.items():
                page = await context.new_page()
                requests = Requests(page)
                await page.goto(path)
                await requests.settled()
                await act(page)
                await requests.settled()
                file = folder / f"{name}-{width}-{theme}.jpg"
                if await page.get_by_role("dialog").count() == 0:  # it covers the window, not what is below
                    needed = await page.evaluate("document.documentElement.scrollHeight")
                    await page.set_viewport_size({"width": width, "height": min(max(height, needed), HIGHEST)})
                await page.screenshot(path=file, type="jpeg", quality=QUALITY)
                print(file)
                await page.close()
            await context.close()


async def _empty_workspace(home: Path, browser: Browser, demo: Demo) -> object:
    """Another workspace, with nothing in it but its first member; their cookies."""
    here = beside(home)
    made = json.loads(here.run("workspaces", "create", "Nothing yet", "--json").stdout)["id"]
    who = ("new@clinic.example", "--role", "operator", "--workspace", made, "--json")
    (link,) = re.findall(r'http://[^\s"]+/sign-in/[^\s"]+', here.run("members", "invite", *who).stdout)
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(link)
    await page.wait_for_url(f"{demo.base_url}/")
    state = await context.storage_state()
    await context.close()
    return state


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(take(folder))
