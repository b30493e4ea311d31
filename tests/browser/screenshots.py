"""`make screenshots`: every page of the dashboard, light and dark, into docs/screenshots/, from a demo with calls.

JPEG, half a megapixel each: enough to see what a page is like, small enough to be kept with the code.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, async_playwright

from browser.chromium import FLAGS, WHY_NOT, chromium
from browser.demo import Demo, running_demo, signed_in
from browser.loading import Requests
from browser.pages import PAGES

THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SIZE = {"width": 1280, "height": 800}
SCALE = 0.75  # CSS pixels to image pixels
QUALITY = 70
CALLEES = ("00", "05", "03", "07", "12", "00")  # as they answer in docs/simulator.md
VARIABLES = {"user_name": "Jane", "account_type": "Premium"}


async def take(folder: Path) -> None:
    async with demo_in_browser() as (_, demo, browser):
        state = await signed_in(browser, demo)
        ids = await calls(demo)
        for theme in THEMES:
            context = await browser.new_context(
                base_url=demo.base_url,
                storage_state=state,  # type: ignore[arg-type]
                viewport=SIZE,  # type: ignore[arg-type]
                device_scale_factor=SCALE,
                color_scheme=theme,
            )
            page = await context.new_page()
            requests = Requests(page)
            for name, path in PAGES.items():
                await page.goto(path.format_map(ids))
                await requests.settled()
                file = folder / f"{name}-{theme}.jpg"
                await page.screenshot(path=file, type="jpeg", quality=QUALITY)
                print(f"{file}  {file.stat().st_size // 1024} KiB")
            await page.goto("/phone-numbers")
            await page.get_by_role("button", name="View").first.click()
            await page.get_by_role("dialog").wait_for()
            await page.screenshot(path=folder / f"outbound-call-api-{theme}.jpg", type="jpeg", quality=QUALITY)
            await context.close()


@asynccontextmanager
async def demo_in_browser() -> AsyncIterator[tuple[Path, Demo, Browser]]:
    """A demo, the folder it runs in, and a browser to look at it with; ends the program where there is none."""
    executable = chromium()
    if executable is None:
        sys.exit(f"No screenshots: {WHY_NOT}.")
    with tempfile.TemporaryDirectory(prefix="outdial-screenshots-") as name:
        os.chmod(name, 0o755)
        async with running_demo(Path(name)) as demo, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=executable, args=FLAGS)
            yield Path(name), demo, browser
            await browser.close()


async def calls(demo: Demo) -> dict[str, str]:
    """Something to see: calls that have ended in different ways, and one that goes on."""
    async with demo.api() as http:
        placed = []
        for place, callee in enumerate(CALLEES):
            carrier = list(demo.numbers)[place % len(demo.numbers)]
            answer = await http.post(
                f"/v1/phone-number/{demo.numbers[carrier]}/outbound",
                json={"to": f"+120255501{callee}", "amd": True, "variables": VARIABLES, "metadata": {"crm_id": "4711"}},
            )
            placed.append(answer.json()["call_id"])
        number = (await http.get("/v1/phone-numbers")).json()["numbers"][0]
        await asyncio.gather(*(demo.call_ended(call_id) for call_id in placed))
    return {"number": number["id"], "agent": number["agent"]["id"], "call": placed[0]}


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(take(folder))
