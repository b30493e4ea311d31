"""An agent with a model on its page: form and source, a talk with the model that stands in, and the phone."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, Route, expect

from browser.demo import Demo
from outdial.agents.script.examples import load_example

SOURCE = load_example("model_reminder")


@pytest_asyncio.fixture(loop_scope="session")
async def agent(demo: Demo, page: Page) -> AsyncIterator[dict[str, Any]]:
    """With a draft that nothing was published of; its page is open."""
    async with demo.api() as http:
        made = (await http.post("/v1/agents", json={"name": "Thinks", "source": SOURCE})).json()
    await page.goto(f"/agents/{made['id']}")
    await expect(page.get_by_role("status").filter(has_text="It can be saved.")).to_be_visible()
    yield made


async def test_form_and_source_are_one_truth(page: Page, agent: dict[str, Any]):
    source, greeting = page.get_by_label("Model, YAML"), page.get_by_label("Greeting, word for word")
    await greeting.fill("Hello {user_name|there}.")
    await greeting.press("Tab")
    await expect(source).to_have_value(
        re.compile(r"^greeting: Hello \{user_name\|there\}\.  # nothing of", re.MULTILINE)
    )
    await expect(page.get_by_label("Instructions")).to_be_focused()
    await source.fill((await source.input_value()).replace("Hello {user_name", "Good day {user_name"))
    await expect(greeting).to_have_value("Good day {user_name|there}.")
    turns = page.get_by_label("Turns")
    await turns.fill("no number")
    await turns.press("Tab")
    await expect(turns).to_have_attribute("aria-invalid", "true")
    await expect(page.locator("#form-limits-turns-error")).to_contain_text("Turns is a whole number")
    await expect(page.get_by_role("list", name="Problems")).to_contain_text("turns is a whole number")
    await turns.fill("12")
    await page.get_by_label("New outcome: its name").fill("too_late")
    await page.keyboard.press("Enter")
    await expect(page.locator("#form-outcomes-too_late")).to_have_value("too late")
    await expect(page.locator("#form-add-outcomes")).to_be_focused()
    await expect(source).to_have_value(re.compile(r"^  turns: 12$", re.MULTILINE))
    await page.get_by_role("button", name="Save draft").click()
    await expect(page.get_by_text("Saved as version 2.")).to_be_visible()
    await page.get_by_role("button", name="Changes in version 2").click()
    await expect(page.get_by_role("dialog")).to_contain_text("Good day {user_name|there}.")


async def test_the_model_that_stands_in_is_talked_to_by_typing(page: Page, agent: dict[str, Any]):
    await page.get_by_role("button", name="Start", exact=True).click()
    call, line = page.get_by_role("log", name="The call"), page.get_by_label(re.compile("^What the callee says"))
    await expect(call).to_contain_text("Am I speaking with")
    await expect(page.get_by_text("A stand-in answers")).to_be_visible()
    for said, answer in (("Yes, speaking.", "Does that time still work"), ("Yes.", "your appointment is confirmed")):
        await line.fill(said)
        await line.press("Enter")
        await expect(call).to_contain_text(answer)
    await expect(call).to_contain_text(re.compile(r"first word after \d+ ms, all after \d+ ms, \d+ tokens"))
    await expect(call).to_contain_text("→ hang_up outcome: confirmed")
    await line.fill("Goodbye.")
    await line.press("Enter")
    await expect(page.get_by_text("Outcome: confirmed.")).to_be_visible()
    await page.set_viewport_size({"width": 360, "height": 800})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    for theme in ("light", "dark"):
        await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        found = await Axe().run(page)
        assert [violation["id"] for violation in found.response["violations"]] == []


async def test_the_browser_phone_is_called_by_the_draft(page: Page, agent: dict[str, Any]):
    asked: list[Any] = []

    async def refuse(route: Route) -> None:
        asked.append(route.request.post_data_json)
        await route.fulfill(
            status=409, json={"code": "paused", "message": "Nobody is called in this test.", "errors": []}
        )

    await page.route("**/outbound", refuse)
    await page.get_by_role("link", name="Talk to the saved draft by browser phone").click()
    await expect(page.get_by_label("Who talks")).to_have_value(agent["id"])
    await expect(page.get_by_role("status").filter(has_text="Ready to be called")).to_be_visible()
    await page.get_by_role("button", name="Call me").click()
    await expect(page.get_by_text("Nobody is called in this test.")).to_be_visible()
    assert asked[0]["agent"] == {"id": agent["id"], "version": "draft"}
