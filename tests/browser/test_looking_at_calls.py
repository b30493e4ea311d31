"""What came of a call is read and copied, also on a phone."""

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from browser.demo import Demo
from browser.loading import Requests

LEAVES_EARLY, BUSY = "+12025550113", "+12025550103"
LINE_PX = 40  # more than a line, less than two


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def placed(demo: Demo) -> dict[str, str]:
    """Calls that have ended, by whom they were to."""
    ids = {}
    async with demo.api() as http:
        for to in (LEAVES_EARLY, BUSY):
            answer = await http.post(f"/v1/phone-number/{demo.numbers['twilio']}/outbound", json={"to": to})
            ids[to] = answer.json()["call_id"]
    for call_id in ids.values():
        await demo.call_ended(call_id)
    return ids


async def test_a_transcript_is_copied_as_plain_text_whole(page: Page, demo: Demo, placed: dict[str, str]):
    async with demo.api() as http:
        turns = (await http.get(f"/v1/calls/{placed[LEAVES_EARLY]}")).json()["transcript"]
    assert turns
    requests = Requests(page)
    await page.goto(f"/calls/{placed[LEAVES_EARLY]}")
    await requests.settled()
    transcript = page.get_by_role("region", name="Transcript")
    await transcript.get_by_role("button", name="Copy").click()
    await expect(page.get_by_text("Copied.")).to_be_visible()
    said = [f"{turn['speaker'].capitalize()}: {' '.join(turn['text'].split())}" for turn in turns]
    assert (await page.evaluate("navigator.clipboard.readText()")).split("\n") == said
    await transcript.get_by_label("With times").check()
    await transcript.get_by_role("button", name="Copy").click()
    await page.wait_for_function("async () => /^\\d/.test(await navigator.clipboard.readText())")
    with_times = (await page.evaluate("navigator.clipboard.readText()")).split("\n")
    assert [line.split(" ", 1)[1] for line in with_times] == said
    box = page.locator("[data-transcript]")
    assert await box.evaluate("box => box.scrollHeight <= box.clientHeight")


async def test_a_busy_call_says_so_first_and_what_to_do(page: Page, placed: dict[str, str]):
    await page.goto(f"/calls/{placed[BUSY]}")
    summary = page.get_by_role("region", name="Summary")
    await expect(summary.get_by_role("paragraph").first).to_have_text("The line was busy")
    await expect(summary).to_contain_text("What to do next")
    await expect(page.get_by_role("heading", name="Who answered")).to_be_hidden()
    await expect(page.get_by_role("button", name="Copy")).to_be_hidden()


@pytest.mark.parametrize("width", [360, 390])
@pytest.mark.parametrize("path", ["/calls", "/"])
async def test_a_call_is_two_lines_on_a_phone(page: Page, placed: dict[str, str], path: str, width: int):
    await page.set_viewport_size({"width": width, "height": 800})
    requests = Requests(page)
    await page.goto(path)
    await requests.settled()
    rows = page.locator(".calls-table tbody tr")
    assert await rows.count() >= len(placed)
    heights = await rows.evaluate_all("rows => rows.map((row) => row.clientHeight)")
    assert max(heights) < 2 * LINE_PX
    busy = rows.filter(has_text=BUSY).first
    await expect(busy.get_by_text("Busy")).to_be_visible()
