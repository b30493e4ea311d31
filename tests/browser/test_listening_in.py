"""Somebody listens to a call on its page, by keyboard alone; speaks into it, and takes it over."""

import asyncio
import re

from playwright.async_api import Page, expect

from browser.demo import A_CALL_MS, PATIENCE_MS, Demo

LOUD = 0.005  # of a meter: somebody speaks
HEARS = """() => ["callee", "agent"].map((side) => document.querySelector(`[data-level-${side}]`).value)"""


async def press(page: Page, name: str) -> None:
    """As somebody does who has no mouse."""
    await page.get_by_role("button", name=name, exact=True).focus()
    await page.keyboard.press("Enter")


async def answered(page: Page, demo: Demo, to: str) -> str:
    """The page of a call to somebody, while it lasts; its id."""
    async with demo.api() as http:
        body = {"to": to, "variables": {"user_name": "Jane"}}
        answer = await http.post(f"/v1/phone-number/{demo.numbers['twilio']}/outbound", json=body)
    call_id: str = answer.json()["call_id"]
    await page.goto(f"/calls/{call_id}")
    await expect(page.get_by_role("region", name="Listening in")).to_be_visible()
    return call_id


async def test_a_call_is_heard_spoken_into_and_left(page: Page, demo: Demo):
    call_id = await answered(page, demo, "+12025550100")
    await press(page, "Listen")
    await expect(page.get_by_text("Listening", exact=True)).to_be_visible()
    loud = [False, False]
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while not all(loud):
            loud = [was or level > LOUD for was, level in zip(loud, await page.evaluate(HEARS), strict=True)]
            await asyncio.sleep(0.05)
    await expect(page.get_by_text("A person began to listen in")).to_be_visible()
    told = page.locator('.turn[data-speaker="agent"]').filter(has_text="This call may be listened to.")
    await expect(told).to_be_visible()
    await press(page, "Mute")
    await expect(page.get_by_text("Listening, muted")).to_be_visible()
    await page.get_by_label("Tell them something").fill("Offer ten percent off.")
    await press(page, "Whisper it to the agent")
    await expect(page.get_by_text(re.compile("Nobody can be whispered to"))).to_be_visible()  # it is a script
    await press(page, "Stop listening")
    await expect(page.get_by_role("button", name="Listen", exact=True)).to_be_focused()
    await expect(page.get_by_text("A person stopped listening in")).to_be_visible()
    async with demo.api() as http:
        await http.post(f"/v1/calls/{call_id}/hang-up")
    await page.goto("/settings/audit-log")
    await expect(page.get_by_text("Listened to a call").first).to_be_visible()


async def test_who_takes_over_gets_the_call_after_a_sentence(page: Page, demo: Demo):
    call_id = await answered(page, demo, "+12025550100")
    await press(page, "Listen")
    await expect(page.get_by_text("Listening", exact=True)).to_be_visible()
    await press(page, "Take over")
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Your phone number").fill("+12025550177")
    await dialog.get_by_label("What the agent says before").fill("A colleague is taking over.")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    said = page.locator('.turn[data-speaker="agent"]').filter(has_text="A colleague is taking over.")
    await expect(said).to_be_visible(timeout=A_CALL_MS)
    await expect(page.get_by_text(re.compile("Listening has ended"))).to_be_visible()
    call = await demo.call_ended(call_id)
    assert [transfer["to"] for transfer in call["transfers"]] == ["+12025550177"]
