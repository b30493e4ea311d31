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


# As the page has it where two detectors were asked: parts/answer_marks.html.
MARKS = """(section) => {
  const item = (number, kind, ms) => `<li data-kind="${kind}" data-at-ms="${ms}">
    <span class="mark-number">${number}</span><a class="at" href="#t=${ms / 1000}">0:00</a> Mark ${number}</li>`;
  const marks = `<div class="wave-marks" data-wave-marks aria-hidden="true"></div>`;
  const list = [[1, "heard", 300], [2, "verdict", 350], [3, "heard", 900_000]].map((one) => item(...one)).join("");
  section.querySelector("[data-wave-marks]")?.remove();
  section.querySelector(".wave").insertAdjacentHTML("beforebegin", marks);
  section.querySelector("[data-player]").insertAdjacentHTML("beforeend", `<ol data-answer-marks>${list}</ol>`);
  document.dispatchEvent(new CustomEvent("part", { detail: { element: section } }));
}"""


async def test_what_spoke_for_whom_stands_over_the_waveform_and_leads_there(page: Page, placed: dict[str, str]):
    requests = Requests(page)
    await page.goto(f"/calls/{placed[LEAVES_EARLY]}")
    await requests.settled()
    player = page.get_by_role("region", name="Recording")
    await player.evaluate(MARKS)
    numbers = player.locator("[data-wave-marks] .mark-number")
    await expect(numbers).to_have_text(["1", "2"])  # the third is beyond the end of the recording
    boxes = [await number.bounding_box() for number in await numbers.all()]
    assert boxes[0]["y"] < boxes[1]["y"], "two of the same instant are in two lanes"
    assert await player.locator("[data-mark-lines] path").count() == 2
    await player.locator("[data-answer-marks] a.at").nth(1).press("Enter")
    await page.wait_for_function("document.querySelector('audio').currentTime >= 0.35")
