"""The API's reference, for somebody who looks for one request: on a phone, and with nobody signed in."""

import re

import pytest
from playwright.async_api import Browser, expect

from browser.conftest import listen_to
from browser.demo import PATIENCE_MS, Demo


@pytest.mark.parametrize("width", [360, 1440])
async def test_a_request_is_found_read_and_copied(browser: Browser, demo: Demo, width: int):
    context = await browser.new_context(
        base_url=demo.base_url,
        viewport={"width": width, "height": 740},
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    complaints = listen_to(page)
    await page.goto("/docs")
    operations = page.get_by_role("navigation", name="Operations")
    if width == 360:
        await expect(operations).to_be_hidden()
        await page.get_by_role("button", name="Operations").click()
    await page.get_by_role("searchbox", name="Find an operation").fill("hang up")
    await expect(operations.get_by_role("link")).to_have_count(1)
    await page.keyboard.press("Tab")  # to the group, whose list may be closed
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("/docs#hang-up$"))
    article = page.get_by_role("article", name="Hang up")
    await expect(article.get_by_role("heading", name="Hang up")).to_be_in_viewport()
    await article.get_by_role("button", name=re.compile("^Copy the request")).click()
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(f"curl -X POST '{demo.base_url}/v1/calls/CALL_ID/hang-up'")
    await expect(article.get_by_text("call_not_found")).to_be_hidden()
    await article.locator("summary", has_text="Errors").click()
    await expect(article.get_by_text("call_not_found")).to_be_visible()
    await context.close()
    assert complaints == []
