"""A script is edited, checked while it is typed, listened to, compared and published."""

import re

from playwright.async_api import Page, expect

from browser.loading import leading_elsewhere

SCRIPT = """agent:
  name: Survey
start: question
steps:
  question:
    ask: On a scale from one to five, how was it?
    answers:
      - digits: [1, 2, 3, 4, 5]
        goto: thanks
  thanks:
    hang_up: Thank you very much. Goodbye.
"""


async def test_a_script_is_edited_validated_and_published(page: Page):
    await page.goto("/agents")
    await page.get_by_role("button", name="New agent").first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("Survey")
    async with leading_elsewhere(page):
        await dialog.get_by_role("button", name=re.compile("^(Create|New|Make)")).click()
    await expect(page.get_by_role("heading", level=1, name="Survey")).to_be_visible()
    source = page.get_by_label("Script, YAML")
    await source.fill(SCRIPT.replace("goto: thanks", "goto: nowhere"))
    problems = page.get_by_role("list", name="Problems")
    await expect(problems).to_contain_text("nowhere")
    await expect(problems).to_contain_text(re.compile(r"[Ll]ine 9"))
    await source.fill(SCRIPT)
    await expect(problems.get_by_role("listitem")).to_have_count(0)
    await page.get_by_role("button", name="Save draft").click()
    await expect(page.get_by_text("Saved as version 2.")).to_be_visible()
    await expect(page.get_by_role("button", name="Save draft")).to_have_attribute("aria-disabled", "true")
    played = page.get_by_role("button", name=re.compile("^Play")).first
    async with page.expect_response("**/v1/agents/preview") as heard:
        await played.click()
    response = await heard.value
    assert response.status == 200
    assert response.headers["content-type"] == "audio/wav"
    await page.get_by_role("button", name="Review and publish").click()
    review = page.get_by_role("dialog", name=re.compile("^Publish version"))
    await expect(review).to_contain_text("Nothing was published before")
    await review.get_by_role("button", name="Publish", exact=True).click()
    await expect(review).to_be_hidden()
    await source.fill(SCRIPT.replace("one to five", "one to ten"))
    await page.get_by_role("button", name="Review and publish").click()
    await expect(review).to_contain_text("one to five")  # removed
    await expect(review).to_contain_text("one to ten")  # added
    await review.get_by_role("button", name="Publish", exact=True).click()
    await expect(review).to_be_hidden()
    await page.goto("/agents")
    await expect(page.get_by_role("row").filter(has_text="Survey")).to_contain_text("3")


async def test_what_was_not_saved_survives_a_reload(page: Page):
    await page.goto("/agents")
    async with leading_elsewhere(page):
        await page.get_by_role("row").filter(has_text="Appointment reminder").get_by_role("link").first.click()
    source = page.get_by_label("Script, YAML")
    text = await source.input_value()
    await source.fill(text + "\n# half a thought")
    await expect(page.get_by_text("with unsaved changes")).to_be_visible()
    await page.reload()
    await expect(source).to_have_value(re.compile("half a thought"))
    await page.get_by_role("button", name="Discard them").click()
    await page.get_by_role("dialog", name="Are you sure?").get_by_role("button", name=re.compile("Discard|Yes")).click()
    await expect(source).to_have_value(text)
    await expect(page.get_by_text("with unsaved changes")).to_be_hidden()
