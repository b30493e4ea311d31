"""The newcomer's first hour in the browser: from the link to sign in, by what the overview says is next, to the first
call of an agent of their own."""

import re
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from browser.conftest import listen_to
from browser.demo import A_CALL_MS, PATIENCE_MS, free_port
from browser.loading import Requests, leading_elsewhere
from outdial.simulator.server import Simulator, SimulatorConfig, serve
from terminal import Running, Terminal, home, terminal

HUMAN = "+12025550100"
SCRIPT = """agent:
  name: Front desk
start: greet
steps:
  greet:
    say: Hello, this is the front desk.
    hang_up: true
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def simulator() -> AsyncIterator[Simulator]:
    async with serve(SimulatorConfig(pace=0.2)) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def server(simulator: Simulator) -> Iterator[tuple[Running, Terminal]]:
    with home() as mine:
        there = terminal(mine, "clone")
        settings = {"OUTDIAL_PORT": str(free_port()), "OUTDIAL_SIMULATOR_URL": simulator.base_url}
        with there.server("serve", up="doctor", **settings) as server:
            yield server, terminal(mine, "elsewhere")


def step(page: Page, name: str) -> Locator:
    return page.get_by_role("listitem").filter(has=page.get_by_role("heading", level=2, name=re.compile(name)))


async def assert_next(page: Page, name: str, done: list[str]) -> None:
    """The step that is next has the only prominent button, and is larger than what is done."""
    await page.goto("/")
    await expect(page.get_by_role("heading", level=1, name="Welcome to Outdial")).to_be_visible()
    await expect(page.locator(".steps .button.primary")).to_have_count(1)
    await expect(step(page, name).locator(".button.primary")).to_have_count(1)
    box = await step(page, name).bounding_box()
    assert box is not None
    for other in done:
        smaller = await step(page, other).bounding_box()
        assert smaller is not None
        assert smaller["width"] * smaller["height"] < box["width"] * box["height"], other


async def test_the_overview_leads_from_the_link_to_the_first_call(browser: Browser, server: tuple[Running, Terminal]):
    running, here = server
    told = running.wait_for("Nobody has signed in yet").partition("first person in: ")[2]
    (link,) = re.findall(r"http://\S+/sign-in/\S+", here.type(told).stdout)
    base_url = link.partition("/sign-in/")[0]
    context = await browser.new_context(base_url=base_url)
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    complaints = listen_to(page)
    requests = Requests(page)
    await page.goto(link)
    await page.wait_for_url(f"{base_url}/")

    await assert_next(page, "A phone number", done=[])
    async with leading_elsewhere(page):
        await page.get_by_role("link", name="Connect a number").click()
    await page.get_by_role("radio", name=re.compile("On the simulator")).check()
    await page.get_by_role("button", name="List the account's numbers").click()
    choices = page.get_by_role("group", name="The account's numbers").get_by_role("button")
    number = await choices.nth(1).get_attribute("value")
    await choices.nth(1).click()
    await page.get_by_role("button", name="Check", exact=True).click()
    async with leading_elsewhere(page):
        await page.get_by_role("button", name="Connect", exact=True).click()
    await expect(page.get_by_role("row").filter(has_text=number)).to_be_visible()

    await assert_next(page, "An agent", done=["A phone number"])
    async with leading_elsewhere(page):
        await page.get_by_role("link", name="Make an agent").click()
    await page.get_by_role("button", name="New agent").first.click()
    await page.get_by_role("dialog").get_by_label("Name").fill("Front desk")
    async with leading_elsewhere(page):
        await page.get_by_role("dialog").get_by_role("button", name=re.compile("^(Create|New|Make)")).click()
    await page.get_by_label("Script, YAML").fill(SCRIPT)
    await page.get_by_role("button", name="Save draft").click()
    await expect(page.get_by_text("Saved as version 2.")).to_be_visible()
    await page.get_by_role("button", name="Review and publish").click()
    review = page.get_by_role("dialog", name=re.compile("^Publish version"))
    await review.get_by_role("button", name="Publish", exact=True).click()
    await expect(review).to_be_hidden()

    await assert_next(page, "An agent", done=["A phone number"])  # a number has yet to be given to it
    async with leading_elsewhere(page):
        await page.get_by_role("link", name="Assign it to a number").click()
    await page.get_by_role("button", name=re.compile("^Edit")).click()
    dialog = page.get_by_role("dialog", name=f"Edit {number}")
    await dialog.get_by_label("Agent", exact=True).select_option(label="Front desk")
    async with leading_elsewhere(page):
        await dialog.get_by_role("button", name="Save").click()

    await assert_next(page, "A call", done=["A phone number", "An agent"])
    await page.goto("/phone-numbers")
    await requests.settled()
    await page.get_by_role("button", name="View").click()
    modal = page.get_by_role("dialog", name="Outbound call API")
    await modal.get_by_role("textbox", name="Phone number").fill(HUMAN)
    await modal.get_by_role("button", name="Call", exact=True).click()
    await expect(modal.get_by_text("Hello, this is the front desk.")).to_be_visible(timeout=A_CALL_MS)
    await expect(modal.get_by_text("Completed")).to_be_visible(timeout=A_CALL_MS)
    await page.goto("/")
    await expect(page.get_by_role("heading", level=1, name="Overview")).to_be_visible()
    assert complaints == []
    await context.close()
