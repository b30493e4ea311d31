"""The overview of some days, live, in a browser."""

import pytest
from playwright.async_api import Page, expect

from browser.demo import A_CALL_MS, Demo
from browser.loading import leading_elsewhere

BUSY = "+12025550103"


@pytest.mark.parametrize("days", [7, 30])
async def test_a_call_that_ends_comes_into_the_chart_and_the_table_of_the_days_that_are_looked_at(
    page: Page, demo: Demo, days: int
) -> None:
    async with demo.api() as http:
        body = {"to": BUSY}
        number_id = next(iter(demo.numbers.values()))
        url = f"/v1/phone-number/{number_id}/outbound"
        await demo.call_ended((await http.post(url, json=body)).json()["call_id"])  # or there would be first steps
        await page.goto("/")
        async with leading_elsewhere(page):
            await page.get_by_role("link", name=f"{days} days").click()
        assert page.url == f"{demo.base_url}/?days={days}"
        await expect(page.locator(".chart-times span")).to_have_count(days)
        table = page.get_by_role("region", name="Table of calls by how they ended")
        await expect(table).to_be_hidden()
        await page.get_by_text("The same as a table").click()
        calls = table.locator("tfoot td").first
        before = int((await calls.inner_text()).replace(",", ""))
        assert before >= 1
        await demo.call_ended((await http.post(url, json=body)).json()["call_id"])
        await expect(calls).to_have_text(f"{before + 1:,}", timeout=A_CALL_MS)
        await expect(table).to_be_visible()  # renewed, and still open
        await expect(page.locator("figure rect[data-end=busy_or_declined]").first).to_be_visible()
