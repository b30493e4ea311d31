"""The browser's phone rings, answers, talks, hangs up: with a voice for a microphone."""

import re
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, Playwright, expect

from browser.chromium import FLAGS, chromium, microphone
from browser.conftest import listen_to
from browser.demo import A_CALL_MS, PATIENCE_MS, Demo
from outdial.media.frames import silence
from outdial.speech.offline import OfflineTextToSpeech

SAYS = "Yes, speaking. That works for me, thank you."


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody who says the same thing every few seconds."""
    speech = OfflineTextToSpeech()
    await speech.warm_up()
    pcm = b"".join([part async for part in speech.speak(SAYS)])
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(silence(2500) + pcm + silence(2500))
    return path


@pytest_asyncio.fixture(loop_scope="session")
async def phone(playwright: Playwright, demo: Demo, operator: dict[str, Any], voice: Path) -> AsyncIterator[Page]:
    """The page Browser phone, in a browser of its own: the microphone is chosen when it starts."""
    browser = await playwright.chromium.launch(executable_path=chromium(), args=[*FLAGS, microphone(voice)])
    context: BrowserContext = await browser.new_context(
        base_url=demo.base_url, storage_state=operator, permissions=["microphone"]  # type: ignore[arg-type]
    )
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    complaints = listen_to(page)
    await page.goto("/phone")
    await expect(page.get_by_text("Ready to be called")).to_be_visible()
    yield page
    await browser.close()
    assert complaints == []


@pytest.mark.parametrize("carrier", ["Twilio", "Vonage", "Telnyx"])
async def test_it_rings_answers_talks_and_hangs_up(phone: Page, demo: Demo, carrier: str):
    option = await phone.get_by_label("From").locator("option").filter(has_text=carrier).first.get_attribute("value")
    await phone.get_by_label("From").select_option(option)
    await phone.get_by_label("Your name").fill("Jane")
    await phone.get_by_role("button", name="Call me").click()
    await expect(phone.get_by_text("Incoming call")).to_be_visible()
    await phone.get_by_role("button", name="Answer").click()
    await expect(phone.get_by_text("Connected")).to_be_visible()
    await expect(phone.get_by_text(re.compile("^Hello Jane, this is the automated assistant"))).to_be_visible()
    callee = phone.locator('.turn[data-speaker="callee"]').filter(has_text=re.compile("speaking|works", re.I)).first
    await expect(callee).to_be_visible(timeout=A_CALL_MS)
    await phone.get_by_role("button", name="1", exact=True).click()
    await expect(phone.locator('.turn[data-speaker="callee"]').filter(has_text="[1]")).to_be_visible()
    await phone.get_by_label("Phone", exact=True).get_by_role("button", name="Hang up").click()
    await expect(phone.get_by_text("You hung up")).to_be_visible()
    link = await phone.get_by_role("link", name="Open the call").get_attribute("href")
    assert link is not None
    call = await demo.call_ended(link.rpartition("/")[2])
    assert (call["end_reason"], call["error"]) == ("completed", None)
    assert call["attempts"][0]["carrier"] == carrier.lower()


async def test_a_call_that_is_declined_ends_as_declined(phone: Page, demo: Demo):
    await phone.get_by_role("button", name="Call me").click()
    await phone.get_by_role("button", name="Decline").click()
    await expect(phone.get_by_text("You declined")).to_be_visible()
    link = await phone.get_by_role("link", name="Open the call").get_attribute("href")
    assert link is not None
    assert (await demo.call_ended(link.rpartition("/")[2]))["end_reason"] == "declined"


async def test_the_phone_calls_its_agent(phone: Page):
    await phone.get_by_role("button", name="Call this number yourself").click()
    await expect(phone.get_by_text("Connected")).to_be_visible()
    await phone.get_by_label("Phone", exact=True).get_by_role("button", name="Hang up").click()
    await expect(phone.get_by_text("You hung up")).to_be_visible()
