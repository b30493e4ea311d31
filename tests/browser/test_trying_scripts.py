"""A script is tried on its page: line by line, and on callees written down."""

import re
from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from browser.loading import leading_elsewhere


async def open_agent(page: Page) -> None:
    await page.goto("/agents")
    async with leading_elsewhere(page):
        await page.get_by_role("row").filter(has_text="Appointment reminder").get_by_role("link").first.click()
    await expect(page.get_by_role("status").filter(has_text="No problems.")).to_be_visible()


async def test_the_script_in_the_editor_answers_what_is_typed(page: Page):
    await open_agent(page)
    source = page.get_by_label("Script, YAML")
    await source.fill((await source.input_value()).replace("your appointment is confirmed", "it stays as it is"))
    await page.get_by_role("button", name="Start", exact=True).click()
    call = page.get_by_role("log", name="The call")
    await expect(call).to_contain_text("Am I speaking with")
    line = page.get_by_label(re.compile("^What the callee says"))
    await expect(line).to_be_focused()
    await line.fill("Yes, speaking.")
    await line.press("Enter")
    await expect(call).to_contain_text("→ reminder “yes”")
    await line.fill("1")
    await line.press("Enter")
    await expect(call).to_contain_text("[1]")
    await expect(call).to_contain_text("it stays as it is")  # what isn't saved yet
    await page.get_by_role("button", name="Stay silent").click()
    await expect(page.get_by_text("Outcome: confirmed.")).to_be_visible()
    await expect(line).to_be_hidden()
    await page.get_by_role("button", name="Start over").click()
    await expect(call).not_to_contain_text("reminder")
    await page.get_by_role("button", name="Hang up").click()
    await expect(page.get_by_text("The callee hung up")).to_be_visible()


async def test_a_fault_of_the_script_is_told_instead_of_an_answer(page: Page):
    await open_agent(page)
    await page.get_by_label("Script, YAML").fill("steps: {}")
    await page.get_by_role("button", name="Start", exact=True).click()
    fault = "The script has a fault on line 1: A script needs at least one step."
    await expect(page.get_by_text(fault)).to_be_visible()


async def test_rehearsals_are_played_and_kept_in_the_browser(page: Page):
    await open_agent(page)
    await page.get_by_text("Rehearsals", exact=True).click()
    written = page.get_by_label(re.compile("^Callees written down"))
    await written.fill("rehearsals:\n  - name: Says no\n    call: [says: No.]\n    expect: {outcome: confirmed}\n")
    await page.get_by_role("button", name="Rehearse").click()
    results = page.get_by_role("list", name="Rehearsals")
    await expect(results).to_contain_text("Failed Says no, line 4: Outcome is 'wrong_person', not 'confirmed'.")
    await written.fill((await written.input_value()).replace("confirmed", "wrong_person"))
    await page.get_by_role("button", name="Rehearse").click()
    await expect(page.get_by_text("1 of 1 went as written.")).to_be_visible()
    await page.reload()
    await page.get_by_text("Rehearsals", exact=True).click()
    await expect(written).to_have_value(re.compile("Says no"))


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_a_call_that_was_tried_can_be_read_in_both_themes_and_on_a_phone(
    page: Page, theme: Literal["light", "dark"]
):
    await page.emulate_media(color_scheme=theme)
    await open_agent(page)
    await page.get_by_role("button", name="Start", exact=True).click()
    line = page.get_by_label(re.compile("^What the callee says"))
    await line.fill("Yes")
    await line.press("Enter")
    await expect(page.get_by_role("log", name="The call")).to_contain_text("reminder")
    await page.get_by_text("Rehearsals", exact=True).click()
    await page.get_by_role("button", name="Rehearse").click()
    await expect(page.get_by_text(re.compile("of 2 went as written"))).to_be_visible()
    for width in (1440, 390):
        await page.set_viewport_size({"width": width, "height": 900})
        needed = await page.evaluate("document.documentElement.scrollWidth")
        assert needed <= width
        found = (await Axe().run(page)).response["violations"]
        assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
