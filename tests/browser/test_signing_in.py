"""From the first start to the first call; and who may come in, and what they may."""

import re

from playwright.async_api import Browser, Page, expect

from browser.conftest import listen_to
from browser.demo import Demo
from browser.loading import leading_elsewhere

HUMAN = "+12025550100"


async def test_a_newcomer_gets_from_the_link_to_a_call(page: Page, demo: Demo):
    """The link itself was used up for the cookies of all tests; see `operator`."""
    await page.goto("/")
    await expect(page.get_by_role("heading", level=1, name=re.compile("Welcome to Outdial|Overview"))).to_be_visible()
    async with leading_elsewhere(page):
        await page.get_by_role("navigation", name="Main").get_by_role("link", name="Phone numbers").click()
    await page.get_by_role("button", name="View").first.click()
    modal = page.get_by_role("dialog", name="Outbound call API")
    await modal.get_by_role("textbox", name="Phone number").fill(HUMAN)
    await modal.get_by_role("button", name="Call", exact=True).click()
    await expect(modal.get_by_text(re.compile("automated assistant"))).to_be_visible()
    await modal.get_by_role("button", name="Hang up").click()
    await expect(modal.get_by_text("Completed")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.get_by_role("navigation", name="Main").get_by_role("link", name="Calls").click()
    await expect(page.get_by_role("row").filter(has_text=HUMAN).first).to_be_visible()


async def test_strangers_see_the_sign_in_page_and_come_back_to_where_they_wanted(browser: Browser, demo: Demo):
    context = await browser.new_context(base_url=demo.base_url)
    page = await context.new_page()
    await page.goto("/calls?state=ended")
    await expect(page).to_have_url(re.compile(r"/sign-in\?to=%2Fcalls"))
    await page.get_by_label("E-mail address").fill("somebody@clinic.example")
    await page.get_by_label("Password").fill("a wrong password")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("wrong")
    await expect(page.get_by_label("E-mail address")).to_have_value("somebody@clinic.example")
    await context.close()


async def test_a_link_works_once(browser: Browser, demo: Demo, operator: object):
    context = await browser.new_context(base_url=demo.base_url)
    page = await context.new_page()
    await page.goto(demo.sign_in_url)
    await expect(page.get_by_role("alert")).to_contain_text("used already")
    await context.close()


async def test_a_viewer_may_look_and_change_nothing(browser: Browser, page: Page, demo: Demo):
    await page.goto("/settings/members")
    await page.get_by_label("E-mail address").fill("viewer@clinic.example")
    await page.get_by_label("Name", exact=True).fill("Vera Viewer")
    await page.get_by_role("radio", name=re.compile("^Viewer")).check()
    await page.get_by_role("button", name="Invite").click()
    link = page.get_by_text(re.compile(r"http://127\.0\.0\.1:\d+/sign-in/"))
    await expect(link).to_be_visible()
    context = await browser.new_context(base_url=demo.base_url)
    viewer = await context.new_page()
    complaints = listen_to(viewer)
    await viewer.goto((await link.inner_text()).strip())
    await viewer.wait_for_url(f"{demo.base_url}/")
    await viewer.goto("/phone-numbers")
    await expect(viewer.get_by_role("button", name="View").first).to_be_visible()
    await expect(viewer.get_by_role("link", name="Connect a number")).to_have_count(0)
    await expect(viewer.get_by_role("button", name=re.compile("^Edit"))).to_have_count(0)
    await viewer.get_by_role("button", name="View").first.click()
    await expect(viewer.get_by_role("dialog").get_by_role("button", name="Call", exact=True)).to_have_count(0)
    refused = await viewer.evaluate(
        """async number => {
            const token = document.querySelector('meta[name="csrf-token"]').content;
            const response = await fetch(`/v1/phone-number/${number}/outbound`, {
                method: "POST",
                headers: { "Content-Type": "application/json", "X-CSRF-Token": token },
                body: JSON.stringify({ to: "+12025550100" }),
            });
            return [response.status, (await response.json()).code];
        }""",
        demo.numbers["twilio"],
    )
    assert refused == [403, "role_too_low"]
    for path in ("/settings/api-keys", "/settings/carriers", "/phone-numbers/connect"):
        response = await viewer.goto(path)
        assert response is not None
        assert response.status in (200, 403), path
        await expect(viewer.get_by_role("button", name=re.compile("Create|Replace|Connect|Revoke"))).to_have_count(0)
    assert complaints == []
    await context.close()
