"""The modal of the outbound call API: what is copied from it places a call as it is."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from browser.demo import Demo
from workspace import until

BUSY = "+12025550103"
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
SCRIPT = """
agent:
  name: Odd
variables:
  greeting: |
    It's "so",
    Zoë 🎉
  count: 3
  room: "12"
  user_name:
steps:
  hello:
    - hang_up: "{greeting}"
"""
ALL_STORED = """async () => JSON.stringify([
  Object.entries(localStorage), Object.entries(sessionStorage), document.cookie, await indexedDB.databases(),
  [...document.querySelectorAll("input, textarea")].map((one) => one.value), document.documentElement.outerHTML,
])"""

# What has the focus; nothing where that is the browser's own frame.
FOCUSED = """() => {
  const one = document.activeElement;
  if (one === document.body) return "";
  return one.closest("dialog") ? one.id || one.textContent.trim() || one.name : "outside";
}"""


async def opened(page: Page) -> Locator:
    await page.goto("/phone-numbers")
    await page.get_by_role("row", name=re.compile("15551230002")).get_by_role("button", name="View").click()
    modal = page.get_by_role("dialog", name="Outbound call API")
    await expect(modal).to_be_visible()
    return modal


async def copied(page: Page, modal: Locator) -> str:
    """What the button beside the code puts into the clipboard."""
    await page.evaluate("navigator.clipboard.writeText('')")
    await modal.get_by_role("button", name=re.compile("^Copy the code")).click()
    await expect(page.get_by_text(re.compile(r"^Copied\.")).last).to_be_visible()  # perhaps that of the copy before
    text = ""

    async def is_there() -> bool:
        nonlocal text
        text = await page.evaluate("navigator.clipboard.readText()")
        return text != ""

    await until(is_there)
    return text


async def run(command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    out, _ = await process.communicate()
    return out.decode()


@pytest_asyncio.fixture(loop_scope="session")
async def odd_draft(demo: Demo) -> AsyncIterator[dict[str, Any]]:
    """Beside what is published: a draft of the number's agent, for as long as a test takes."""
    async with demo.api() as http:
        number = (await http.get(f"/v1/phone-numbers/{demo.numbers['twilio']}")).json()
        path = f"/v1/agents/{number['agent']['id']}"
        before = (await http.get(path)).json()
        draft = (await http.post(f"{path}/versions", json={"source": SCRIPT})).json()
        yield draft
        await http.post(f"{path}/versions", json={"source": before["source"]})


async def test_a_key_is_made_there_and_the_copied_curl_places_a_call_with_it(page: Page, demo: Demo):
    modal = await opened(page)
    assert "YOUR_API_KEY" in await copied(page, modal)
    await expect(page.get_by_text("Copied. Put an API key in place of YOUR_API_KEY.")).to_be_visible()
    await modal.get_by_role("textbox", name="Phone number").fill(BUSY)
    await modal.get_by_label("Name of the key").fill("Reminders at night")
    await modal.get_by_role("button", name="Make a key").click()
    made = modal.get_by_role("region", name=re.compile("“Reminders at night” was made"))
    await expect(made).to_be_focused()
    await expect(made.get_by_text("The browser stores it nowhere: when you close this, it is gone.")).to_be_visible()
    command = await copied(page, modal)
    key = await made.locator("pre").inner_text()
    assert f"Authorization: {key}'" in command
    call_id = json.loads(await run(command))["call_id"]
    async with demo.api() as http:
        assert (await http.get(f"/v1/calls/{call_id}")).json()["to"] == BUSY
        keys = (await http.get("/v1/api-keys")).json()["api_keys"]
        audited = (await http.get("/v1/audit-log")).json()["entries"]
    [kept] = [one for one in keys if one["name"] == "Reminders at night"]
    assert (kept["scope"], kept["hint"]) == ("place_calls", key[:8])
    made_last = next(one for one in audited if one["act"] == "api_key.created")
    assert made_last["subject"]["name"] == "Reminders at night"


async def test_the_key_is_gone_with_the_modal(page: Page, demo: Demo):
    modal = await opened(page)
    await modal.get_by_role("button", name="Make a key").click()
    await expect(modal.locator("[data-key-itself]")).to_have_text(re.compile("^od_"))
    key = await modal.locator("[data-key-itself]").inner_text()
    for language in ("Python", "JavaScript", "Zapier, Make, n8n"):
        await modal.get_by_role("tab", name=language).click()
        await expect(modal.get_by_role("tabpanel")).to_contain_text(key)
    await modal.get_by_role("textbox", name="Phone number").fill(BUSY)
    await expect(modal.get_by_role("tabpanel")).to_contain_text(BUSY)
    await expect(modal.get_by_role("tabpanel")).to_contain_text(key)  # also once the code was written anew
    await page.keyboard.press("Escape")
    await expect(modal).to_be_hidden()
    assert key not in await page.evaluate(ALL_STORED)
    await page.get_by_role("row", name=re.compile("15551230002")).get_by_role("button", name="View").click()
    await expect(modal.get_by_role("tabpanel")).to_contain_text("YOUR_API_KEY")
    assert key not in await page.evaluate(ALL_STORED)


async def test_whoever_may_not_make_keys_is_told_who_may(browser: Browser, demo: Demo, operator: Any):
    for role, may_call in (("editor", True), ("viewer", False)):
        page = await of_role(browser, demo, operator, role)
        modal = await opened(page)
        await expect(modal.get_by_role("tabpanel")).to_contain_text("YOUR_API_KEY")
        await expect(modal.get_by_text(re.compile("Only operators make keys: ask one for it"))).to_be_visible()
        await expect(modal.get_by_role("button", name="Make a key")).to_have_count(0)
        await expect(modal.get_by_role("button", name="Call", exact=True)).to_have_count(1 if may_call else 0)
        assert await serious(page) == []
        await page.context.close()


async def of_role(browser: Browser, demo: Demo, operator: Any, role: str) -> Page:
    """Invited by the operator, in a browser of their own."""
    asking: BrowserContext = await browser.new_context(base_url=demo.base_url, storage_state=operator)
    page = await asking.new_page()
    await page.goto("/settings/members")
    invitation = {"email": f"{role}-{id(page)}@clinic.example", "name": role.title(), "role": role}
    link = await page.evaluate(
        """async (body) => {
          const told = (name) => document.querySelector(`meta[name="${name}"]`).content;
          const headers = {"Content-Type": "application/json", "X-CSRF-Token": told("csrf-token")};
          const answer = await fetch("/v1/members", {method: "POST", headers, body: JSON.stringify(body)});
          return (await answer.json()).link.url;
        }""",
        invitation,
    )
    await asking.close()
    context = await browser.new_context(base_url=demo.base_url, viewport=WIDE)  # type: ignore[arg-type]
    theirs = await context.new_page()
    await theirs.goto(link)
    await theirs.wait_for_url(f"{demo.base_url}/**")
    return theirs


async def test_a_draft_is_chosen_and_its_variables_are_in_form_and_code(page: Page, demo: Demo, odd_draft: Any):
    modal = await opened(page)
    await expect(modal.get_by_label("practice")).to_have_value("Riverside Dental")
    await modal.get_by_label("practice").fill("Harbour Dental")
    version = modal.get_by_label("Version of the agent")
    await version.select_option(label=f"Draft, version {odd_draft['draft_version']}")
    await expect(modal.get_by_label("greeting")).to_have_value('It\'s "so",\nZoë 🎉\n')
    await expect(modal.get_by_label("room")).to_have_value('"12"')
    await expect(modal.get_by_label("user_name")).to_have_value("")
    await expect(modal.get_by_label("Value of variable 1")).to_have_value("Harbour Dental")  # typed, so it stays
    await modal.get_by_role("button", name="Remove variable 1").click()
    await modal.get_by_role("textbox", name="Phone number").fill(BUSY)
    await modal.get_by_role("tab", name="Zapier, Make, n8n").click()
    sent = json.loads(await copied(page, modal))  # asked for in the instant of the last change
    assert sent == {
        "to": BUSY,
        "variables": {"greeting": 'It\'s "so",\nZoë 🎉\n', "count": 3, "room": "12"},
        "agent": {"id": odd_draft["id"], "version": "draft"},
    }
    async with page.expect_response(re.compile("/outbound$")) as placed:
        await modal.get_by_role("button", name="Call", exact=True).click()
    async with demo.api() as http:
        call = (await http.get(f"/v1/calls/{(await (await placed.value).json())['call_id']}")).json()
        number = (await http.get(f"/v1/phone-numbers/{demo.numbers['twilio']}")).json()
    assert call["agent"] == {"id": odd_draft["id"], "version": odd_draft["draft_version"]}
    assert call["variables"] == sent["variables"]
    assert number["agent"]["version"] == "published"


async def test_form_and_code_are_beside_each_other_where_there_is_room_and_else_behind_tabs(page: Page, demo: Demo):
    await page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    modal = await opened(page)
    form, code = modal.get_by_role("button", name="Call", exact=True), modal.get_by_role("button", name="Copy the code")
    await expect(modal.get_by_role("tab", name="Test call")).to_be_hidden()
    left, right = await form.bounding_box(), await code.bounding_box()
    assert left is not None
    assert right is not None
    assert left["x"] + left["width"] < right["x"]
    await modal.get_by_role("textbox", name="Phone number").fill(BUSY)
    await page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    await expect(form).to_be_visible()
    await expect(code).to_be_hidden()
    await modal.get_by_role("tab", name="Test call").focus()
    await page.keyboard.press("ArrowRight")
    await expect(modal.get_by_role("tab", name="Code")).to_be_focused()
    await expect(form).to_be_hidden()
    await expect(code).to_be_visible()
    await expect(modal.get_by_role("tabpanel", name="Code")).to_contain_text(BUSY)
    assert await modal.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
    await page.keyboard.press("Home")
    await expect(modal.get_by_role("textbox", name="Phone number")).to_have_value(BUSY)
    await page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    await expect(code).to_be_visible()


async def test_no_button_lies_on_the_code(page: Page, demo: Demo):
    for size in (WIDE, NARROW):
        await page.set_viewport_size(size)  # type: ignore[arg-type]
        modal = await opened(page)
        if size is NARROW:
            await modal.get_by_role("tab", name="Code").click()
        button = await modal.get_by_role("button", name="Copy the code").bounding_box()
        code = await modal.locator("#code-curl").bounding_box()
        assert button is not None
        assert code is not None
        assert button["y"] + button["height"] <= code["y"]


async def test_keys_alone_reach_everything_and_leave_where_they_came_from(page: Page, demo: Demo):
    await page.goto("/phone-numbers")
    view = page.get_by_role("row", name=re.compile("15551230002")).get_by_role("button", name="View")
    await view.focus()
    await page.keyboard.press("Enter")
    modal = page.get_by_role("dialog", name="Outbound call API")
    await expect(modal).to_be_visible()
    reached = set()
    for _ in range(60):
        await page.keyboard.press("Tab")
        reached.add(await page.evaluate(FOCUSED))
    assert "outside" not in reached
    assert reached >= {"Close", "f-to", "f-version", "Add a variable", "amd", "Call"}
    assert reached >= {"key-name", "Make a key", "tab-curl", "code-curl"}
    await modal.get_by_role("tab", name="curl").focus()
    for key, language in (
        ("ArrowRight", "Python"),
        ("End", "Zapier, Make, n8n"),
        ("ArrowRight", "curl"),
        ("ArrowLeft", "Zapier, Make, n8n"),
        ("Home", "curl"),
    ):
        await page.keyboard.press(key)
        tab = modal.get_by_role("tab", name=language)
        await expect(tab).to_be_focused()
        await expect(tab).to_have_attribute("aria-selected", "true")
        await expect(modal.get_by_role("tabpanel", name=language)).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(modal).to_be_hidden()
    await expect(view).to_be_focused()


async def test_assistive_technology_finds_its_way_in_the_modal(page: Page, demo: Demo):
    for size in (WIDE, NARROW):
        await page.set_viewport_size(size)  # type: ignore[arg-type]
        for theme in ("light", "dark"):
            await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            modal = await opened(page)
            assert await serious(page) == []
            if size is NARROW:
                await modal.get_by_role("tab", name="Code").click()
                assert await serious(page) == []
            await modal.get_by_role("button", name="Make a key").click()
            await expect(modal.get_by_role("button", name="Copy the key")).to_be_visible()
            await modal.get_by_role("tab", name="Zapier, Make, n8n").click()
            assert await serious(page) == []


async def serious(page: Page) -> list[Any]:
    found = (await Axe().run(page)).response["violations"]
    grave = [one for one in found if one["impact"] in ("serious", "critical")]
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in grave]


async def test_a_version_s_error_and_a_key_s_are_said_at_their_fields(page: Page, demo: Demo):
    modal = await opened(page)
    name = modal.get_by_label("Name of the key")
    await name.evaluate("input => input.removeAttribute('maxlength')")
    await name.fill("x" * 101)
    await modal.get_by_role("button", name="Make a key").click()
    await expect(name).to_have_attribute("aria-invalid", "true")
    await modal.get_by_role("textbox", name="Phone number").fill(BUSY)
    await modal.get_by_label("Version of the agent").evaluate(
        "select => { select.add(new Option('gone', '999')); select.value = '999'; }"
    )
    await modal.get_by_role("button", name="Call", exact=True).click()
    await expect(modal.get_by_label("Version of the agent")).to_have_attribute("aria-invalid", "true")
    await expect(modal.get_by_text("Is 999, and this agent has no such version.")).to_be_visible()
