"""A number of each carrier is connected on the simulator, changed, and disconnected."""

import re

import pytest
from playwright.async_api import Page, Route, expect

from browser.demo import Demo
from browser.loading import leading_elsewhere

SECOND = {"Twilio": "+15551230004", "Vonage": "+15551230014", "Telnyx": "+15551230034"}


@pytest.mark.parametrize("carrier", SECOND)
async def test_a_number_is_connected_changed_and_disconnected(page: Page, demo: Demo, carrier: str):
    number = SECOND[carrier]
    await page.goto("/phone-numbers")
    async with leading_elsewhere(page):
        await page.get_by_role("link", name="Connect a number").click()
    await page.get_by_role("radio", name=carrier).check()
    await page.get_by_role("radio", name=re.compile("On the simulator")).check()
    await page.get_by_label("Phone number").fill(number)
    await page.get_by_label("Name").fill("Second desk")
    await page.get_by_label("Agent", exact=True).select_option(label="Appointment reminder")
    connect = page.get_by_role("button", name="Connect", exact=True)
    await expect(connect).to_be_disabled()
    await page.get_by_role("button", name="Check", exact=True).click()
    await expect(page.locator("[data-result]")).to_contain_text(re.compile("will be|nothing", re.I))
    async with leading_elsewhere(page):
        await connect.click()
    await expect(page).to_have_url(re.compile("/phone-numbers$"))
    row = page.get_by_role("row").filter(has_text=number)
    await expect(row).to_contain_text("Second desk")
    await expect(row).to_contain_text("Appointment reminder")
    await row.get_by_role("button", name=re.compile("^Edit")).click()
    dialog = page.get_by_role("dialog", name=f"Edit {number}")
    await dialog.get_by_label("Direction").select_option("inbound")
    async with leading_elsewhere(page):
        await dialog.get_by_role("button", name="Save").click()
    await expect(row).to_contain_text("Inbound only")
    await row.get_by_role("button", name=re.compile("^Edit")).click()
    await dialog.get_by_role("button", name="Disconnect").click()
    await page.get_by_role("dialog", name="Are you sure?").get_by_role("button", name="Disconnect").click()
    await expect(page.get_by_role("dialog").filter(has_text=re.compile("as they were|put back", re.I))).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(row).to_have_count(0)


async def test_a_number_of_somebody_else_is_said_and_nothing_typed_is_lost(page: Page):
    await page.goto("/phone-numbers/connect")
    await page.get_by_role("radio", name=re.compile("On the simulator")).check()
    await page.get_by_label("Phone number").fill("+15557654321")
    await page.get_by_role("button", name="Check", exact=True).click()
    await expect(page.locator("[data-result]")).to_contain_text("does not belong to the Twilio account")
    await expect(page.get_by_label("Phone number")).to_have_value("+15557654321")
    await expect(page.get_by_role("button", name="Connect", exact=True)).to_be_disabled()


@pytest.mark.parametrize("carrier", SECOND)
async def test_a_number_is_chosen_from_those_the_credentials_list(page: Page, demo: Demo, carrier: str):
    await page.goto("/phone-numbers/connect")
    await page.get_by_role("radio", name=carrier).check()
    await page.get_by_role("button", name="List the account's numbers").click()
    await expect(page.locator("[data-error-of^='credentials.']:visible").first).to_contain_text("required")
    await page.get_by_role("radio", name=re.compile("On the simulator")).check()
    await page.get_by_label("Phone number", exact=True).fill("")
    await page.get_by_role("button", name="List the account's numbers").click()
    choices = page.get_by_role("group", name="The account's numbers").get_by_role("button")
    await expect(choices).to_have_count(2)
    await expect(choices.filter(has_text="Connected already")).to_be_disabled()
    free = choices.filter(has_text=SECOND[carrier])
    await free.click()
    await expect(free).to_have_attribute("aria-pressed", "true")
    await expect(page.get_by_label("Phone number", exact=True)).to_have_value(SECOND[carrier])
    await page.get_by_role("button", name="Check", exact=True).click()
    await expect(page.locator("[data-result]")).to_contain_text("the number is the account's")
    await page.get_by_role("radio", name="At the carrier").check()
    await expect(choices).to_have_count(0)  # they were of another account


async def test_of_many_numbers_the_others_are_found_at_the_carrier(page: Page, demo: Demo):
    every = [f"+1555777{place:04}" for place in range(150)]

    async def owned(route: Route) -> None:
        fitting = [e164 for e164 in every if (route.request.post_data_json or {}).get("search", "") in e164]
        shown = [{"e164": e164, "name": "Desk", "can_call": True, "connected": False} for e164 in fitting[:100]]
        await route.fulfill(json={"carrier": "twilio", "numbers": shown, "more": len(fitting) > 100})

    await page.route("**/v1/phone-numbers/owned", owned)
    await page.goto("/phone-numbers/connect")
    await page.get_by_role("radio", name=re.compile("On the simulator")).check()
    await page.get_by_role("button", name="List the account's numbers").click()
    choices = page.get_by_role("group", name="The account's numbers").get_by_role("button")
    await expect(choices).to_have_count(100)
    await expect(page.get_by_text("The first 100. Search for the others")).to_be_visible()
    await page.get_by_label("Search the numbers").fill("0149")
    await expect(choices).to_have_count(1)
    await choices.click()
    await expect(page.get_by_label("Phone number", exact=True)).to_have_value("+15557770149")
    await page.get_by_label("Search the numbers").fill("123456")
    await expect(page.get_by_text("No number has these digits in it.")).to_be_visible()
