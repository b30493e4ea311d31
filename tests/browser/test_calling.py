"""View → Call → watch → the recording plays."""

import re

from playwright.async_api import Page, expect

from browser.demo import A_CALL_MS, Demo
from browser.loading import leading_elsewhere

HUMAN, BUSY = "+12025550100", "+12025550103"


async def test_a_call_is_placed_from_the_modal_and_watched_to_its_end(page: Page, demo: Demo):
    await page.goto("/phone-numbers")
    await expect(page.get_by_role("columnheader", name="Outbound call API")).to_be_visible()
    await page.get_by_role("row", name=re.compile("15551230002")).get_by_role("button", name="View").click()
    modal = page.get_by_role("dialog", name="Outbound call API")
    await expect(modal.get_by_text(re.compile("automated calls without consent break the law"))).to_be_visible()
    await modal.get_by_role("textbox", name="Phone number").fill(HUMAN)
    await modal.get_by_label("user_name").fill("Jane")
    await modal.get_by_label("Answering machine detection").check()
    await modal.get_by_role("button", name="Call", exact=True).click()
    await expect(modal.get_by_text("In progress")).to_be_visible()
    await expect(modal.get_by_text("Hello Jane, this is the automated assistant of Riverside Dental.")).to_be_visible()
    await expect(modal.get_by_text("Completed")).to_be_visible(timeout=A_CALL_MS)
    async with leading_elsewhere(page):
        await modal.get_by_role("link", name="Open the call").click()
    await expect(page.get_by_text("Human").first).to_be_visible()
    audio = page.locator("audio")
    await expect(audio).to_be_attached()
    await page.get_by_role("button", name=re.compile("^Play")).first.click()
    await expect(page.locator(".turn.now").nth(0)).to_be_visible()  # the transcript follows
    await page.wait_for_function("audio => audio.currentTime > 0.7", arg=await audio.element_handle())


async def test_the_snippets_say_what_the_form_says(page: Page, demo: Demo):
    await page.goto("/phone-numbers")
    await page.get_by_role("button", name="View").first.click()
    modal = page.get_by_role("dialog", name="Outbound call API")
    url = f"{demo.base_url}/v1/phone-number/{demo.numbers['twilio']}/outbound"
    await expect(modal.get_by_role("tabpanel")).to_contain_text(f"curl -X POST '{url}'")
    await expect(modal.get_by_role("tabpanel")).to_contain_text('"to": "+15551234567"')
    await modal.get_by_role("textbox", name="Phone number").fill("+12025550101")
    await modal.get_by_label("Answering machine detection").check()
    await expect(modal.get_by_role("tabpanel")).to_contain_text('"to": "+12025550101"')
    await modal.get_by_role("tab", name="Python").click()
    await expect(modal.get_by_role("tabpanel")).to_contain_text('"amd": True')
    await modal.get_by_role("button", name="Copy the code").click()
    await expect(page.get_by_text("Copied.")).to_be_visible()
    assert '"to": "+12025550101"' in await page.evaluate("navigator.clipboard.readText()")


async def test_a_wrong_number_is_said_at_its_field_and_nothing_typed_is_lost(page: Page, demo: Demo):
    await page.goto("/phone-numbers")
    await page.get_by_role("button", name="View").first.click()
    modal = page.get_by_role("dialog", name="Outbound call API")
    number = modal.get_by_role("textbox", name="Phone number")
    await number.fill("555 1234")
    await modal.get_by_role("button", name="Call", exact=True).click()
    await expect(number).to_have_attribute("aria-invalid", "true")
    await expect(number).to_have_value("555 1234")
    await expect(number).to_be_focused()


async def test_a_variable_that_can_not_be_kept_is_named_and_the_snippets_keep_its_digits(page: Page, demo: Demo):
    await page.goto("/phone-numbers")
    await page.get_by_role("button", name="View").first.click()
    modal = page.get_by_role("dialog", name="Outbound call API")
    await modal.get_by_role("textbox", name="Phone number").fill(BUSY)
    await modal.get_by_role("button", name="Add a variable").click()
    await modal.get_by_label("Name of variable 1").fill("customer")
    await modal.get_by_label("Value of variable 1").fill('{"ids": [12345678901234567890, null]}')
    await expect(modal.get_by_role("tabpanel")).to_contain_text("12345678901234567890,")
    await modal.get_by_role("tab", name="Python").click()
    await expect(modal.get_by_role("tabpanel")).to_contain_text(re.compile(r"12345678901234567890,\s*None"))
    await modal.get_by_role("button", name="Call", exact=True).click()
    told = "customer.ids[0] is an integer of more than 64 bits; send it as text."
    await expect(modal.get_by_text(told)).to_be_visible()


async def test_a_call_that_is_placed_again_sends_every_digit(page: Page, demo: Demo):
    sent = {"id": 9007199254740993, "size": 1.2345678901234567e19, "list": [{"a": -(2**63)}]}
    async with demo.api() as client:
        path = f"/v1/phone-number/{demo.numbers['twilio']}/outbound"
        first = (await client.post(path, json={"to": BUSY, "variables": sent})).json()["call_id"]
        await page.goto(f"/calls/{first}")
        await page.get_by_role("button", name="Call again").click()
        async with leading_elsewhere(page):
            await page.get_by_role("dialog").get_by_role("button", name="Call", exact=True).click()
        second = page.url.rpartition("/")[2]
        assert second != first
        assert (await client.get(f"/v1/calls/{second}")).json()["variables"] == sent
