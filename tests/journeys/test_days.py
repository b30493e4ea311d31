"""Who comes later: somebody who only looks on, and the operator on the next day, when the server was stopped and
started again."""

import os
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from browser.conftest import listen_to
from browser.demo import PATIENCE_MS, Demo, beside, free_port, running_demo, signed_in
from browser.loading import leading_elsewhere

BUSY = "+12025550103"
SCRIPT = """agent:
  name: Appointment reminder
start: greet
steps:
  greet:
    say: Hello, this is the front desk on the next day.
    hang_up: true
"""
FETCH = """async ([method, path, body]) => {
    const response = await fetch(path, {
        method,
        headers: {
            "Content-Type": "application/json",
            "X-CSRF-Token": document.querySelector('meta[name="csrf-token"]').content,
        },
        body: JSON.stringify(body),
    });
    return [response.status, (await response.json()).message];
}"""


class Days:
    """A demo that can be stopped and started again where it was."""

    def __init__(self, folder: Path, running: AsyncExitStack) -> None:
        self.folder = folder
        self._running = running
        self._port = free_port()
        self.demo: Demo

    async def begin(self) -> Demo:
        await self._running.aclose()
        self.demo = await self._running.enter_async_context(running_demo(self.folder, self._port))
        return self.demo


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def days(browser: Browser) -> AsyncIterator[Days]:
    with tempfile.TemporaryDirectory(prefix="outdial-days-") as name:
        os.chmod(name, 0o755)  # PostgreSQL may run as another user
        async with AsyncExitStack() as running:
            days = Days(Path(name), running)
            await days.begin()
            yield days


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def operator(browser: Browser, days: Days) -> dict[str, Any]:
    """Their cookies, from the first day."""
    return await signed_in(browser, days.demo)


async def a_page(browser: Browser, days: Days, cookies: dict[str, Any] | None = None) -> tuple[BrowserContext, Page]:
    context = await browser.new_context(base_url=days.demo.base_url, storage_state=cookies)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    return context, await context.new_page()


async def agent_of(demo: Demo) -> str:
    async with demo.api() as http:
        agents = (await http.get("/v1/agents")).json()["agents"]
    return str(agents[0]["id"])


async def test_who_only_looks_on_sees_the_calls_and_is_refused_the_rest(browser: Browser, days: Days):
    demo = days.demo
    call, agent = await demo.called(BUSY), await agent_of(demo)
    invited = beside(days.folder).run("members", "invite", "vera@clinic.example", "--role", "viewer")
    (link,) = re.findall(r"http://\S+/sign-in/\S+", invited.stdout)
    context, page = await a_page(browser, days)
    complaints = listen_to(page)
    await page.goto(link)
    await page.wait_for_url(f"{demo.base_url}/")
    await page.goto("/calls")
    await expect(page.get_by_role("row").filter(has_text=BUSY).first).to_be_visible()

    forbidden = re.compile("^(Call|Call again|Save draft|Review and publish|Create|Revoke|Edit|Replace|Stop)")
    settings = ("/settings", "/settings/api-keys", "/settings/carriers")
    for path in ("/phone-numbers", f"/calls/{call}", f"/agents/{agent}", *settings):
        await page.goto(path)
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        await expect(page.get_by_role("button", name=forbidden)).to_have_count(0)
        assert demo.api_key not in await page.content()
    refused = await page.goto("/phone-numbers/connect")
    assert refused is not None
    assert refused.status == 403
    await expect(page.get_by_role("main")).to_contain_text("operator")

    wishes = [
        ("POST", f"/v1/phone-number/{demo.numbers['twilio']}/outbound", {"to": BUSY}),
        ("POST", f"/v1/agents/{agent}/versions", {"source": SCRIPT}),
        ("POST", f"/v1/agents/{agent}/publish", {"version": 1}),
        ("POST", "/v1/api-keys", {"name": "mine"}),
        ("POST", "/v1/phone-numbers/owned", {"carrier": "twilio", "credentials": {}}),
        ("PATCH", "/v1/workspace", {"lines": 100}),
    ]
    for method, path, body in wishes:
        status, message = await page.evaluate(FETCH, [method, path, body])
        assert (status, "viewer" in message) == (403, True), (path, message)
    assert complaints == []
    await context.close()


async def test_the_operator_comes_back_on_the_next_day(browser: Browser, days: Days, operator: dict[str, Any]):
    yesterday = await days.demo.called(BUSY)
    demo = await days.begin()
    context, page = await a_page(browser, days, operator)
    complaints = listen_to(page)
    await page.goto("/calls")  # still signed in
    await page.get_by_role("row").filter(has_text=BUSY).first.wait_for()
    await page.goto(f"/calls/{yesterday}")
    await expect(page.get_by_text("Busy").first).to_be_visible()
    await page.get_by_role("button", name="Call again").click()
    async with leading_elsewhere(page):
        await page.get_by_role("dialog").get_by_role("button", name="Call", exact=True).click()
    again = page.url.rpartition("/")[2]
    assert again != yesterday
    assert (await demo.call_ended(again))["end_reason"] == "busy"

    await page.goto(f"/agents/{await agent_of(demo)}")
    await page.get_by_label("Script, YAML").fill(SCRIPT)
    await page.get_by_role("button", name="Save draft").click()
    await expect(page.get_by_text("Saved as version 2.")).to_be_visible()
    await page.get_by_role("button", name="Review and publish").click()
    review = page.get_by_role("dialog", name=re.compile("^Publish version"))
    await expect(review).to_contain_text("on the next day")
    await review.get_by_role("button", name="Publish", exact=True).click()
    await expect(review).to_be_hidden()
    await page.goto("/settings/audit-log")
    await expect(page.get_by_role("row").filter(has_text="Appointment reminder").first).to_contain_text(
        re.compile("publish", re.I)
    )
    assert complaints == []
    await context.close()

    context, page = await a_page(browser, days)  # another browser, without the cookie
    await page.goto("/calls")
    await expect(page).to_have_url(re.compile("/sign-in"))
    await expect(page.get_by_role("main")).to_contain_text("outdial members link")
    back = beside(days.folder).run("members", "link", "operator@localhost", "--json")
    assert back.returncode == 0, back.stderr
    (link,) = re.findall(r'http://[^\s"]+/sign-in/[^\s"]+', back.stdout)
    await page.goto(link)
    await page.wait_for_url(f"{demo.base_url}/")
    await context.close()
