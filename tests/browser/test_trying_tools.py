"""An agent's tools are listed on its page, and one of them is tried."""

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from browser.demo import Demo
from browser.test_every_page import CUT, PHONES, SERIOUS, THEMES
from browser.test_trying_scripts import open_agent

SCRIPT = """agent: {{name: Appointment reminder}}
model: some-model
steps:
  arrange:
    talk: Find a time that suits the callee.
    exits: {{done: done}}
    tools:
      - name: free_slots
        about: The times that are free on a day.
        url: {base}/tools/free_slots
        arguments: {{type: object, properties: {{day: {{type: string}}}}}}
        headers: {{Authorization: "Bearer {{secret:calendar_of_the_practice}}"}}
      - name: book_slot_of_the_practice_for_the_callee
        about: Book a time.
        method: POST
        url: https://a-long-name-of-a-host.calendar-of-the-practice.example.com/tools/book_slot
        arguments: {{type: object, properties: {{slot: {{type: string}}}}}}
      - name: calendar
        mcp: {base}/mcp
        tools: [free_slots]
        consequences: false
  done:
    hang_up: Goodbye.
"""


async def test_tools_are_listed_and_tried_in_both_themes_and_on_a_phone(page: Page, demo: Demo):
    await open_agent(page)
    card = page.get_by_role("region", name="Tools")
    await expect(card).to_be_hidden()
    await page.get_by_label("Script, YAML").fill(SCRIPT.format(base=demo.simulator_url))
    await expect(card.get_by_role("listitem")).to_have_count(3)
    told = "secrets: calendar_of_the_practice · changes nothing"
    await expect(card.get_by_role("listitem").nth(0)).to_contain_text(told)
    await card.get_by_text("Try one", exact=True).click()
    asked = card.get_by_role("checkbox", name="It changes something")
    await expect(asked).to_be_hidden()
    await card.get_by_label("Tool", exact=True).select_option("book_slot_of_the_practice_for_the_callee")
    await expect(asked).to_be_visible()
    given = card.get_by_label("What the model would give it, JSON")
    await given.fill('{"slot": "Friday at nine in the morning"}')
    await card.get_by_role("button", name="Try", exact=True).click()
    await expect(card.get_by_role("status")).to_contain_text("changes something")
    await card.get_by_label("Tool", exact=True).select_option("free_slots")
    await given.fill('{"day": "friday"}')
    await card.get_by_role("button", name="Try", exact=True).click()
    answer = card.get_by_label("What was sent, and what came back")
    await expect(answer).to_contain_text("friday")
    for theme in THEMES:
        await page.emulate_media(color_scheme=theme)
        for width in (1440, 360):
            await page.set_viewport_size({"width": width, "height": 900})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            assert await page.evaluate(CUT, width in PHONES) == []
            found = (await Axe().run(page)).response["violations"]
            assert [one["id"] for one in found if one["impact"] in SERIOUS] == []
