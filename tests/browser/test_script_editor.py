"""The editor of scripts: its colours are in step with its text, its outline leads to the lines."""

import re
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from browser.demo import Demo
from browser.loading import DRAWN

SCRIPT = """agent:
  name: Colours   # a note
variables:
  plan: gold
steps:
  first:
    say: Hello {user_name|there}, a text that is long enough to be wrapped on every screen, wide or not.
    ask: Well?
    answers:
      - words: [yes]
        goto: second
      - digits: [2]
        goto: nowhere
  second:
    set: {seen: true}
    hangup: Goodbye.
  lonely:
    if: plan
    equals: gold
    then: second
    else: {hang_up: "It's {plan}: goodbye"}
"""
# One line each, of what wraps or is drawn in its own way.
HOSTILE = [
    "say: " + "word " * 60,
    "x" * 500,
    "\ttab\tand\tmore " * 15,
    "say: 😀👨‍👩‍👧‍👦🇩🇪 " * 20,
    "say: שלום עולם {user_name|חבר} and back " * 8,
    "say: مرحبا بالعالم {name} " * 9,
    "say: 日本語のとても長い文章です。{user_name|さん}" * 9,
    "say: " + "a-b-c/d/e?f=g&h" * 25,
    "   " * 80,
    "trailing   " + " " * 150 + "x",
    "{a}{b}{c|d}" * 40,
    "goto: " + "nowhere_" * 30,
    "say: zero\u200bwidth\u00adsoft\u00a0space " * 12,
    "- - key: 'it''s {x|y}, and  two  spaces' # note " * 4,
    "",
    "“quotes” — dashes… " * 20,
]
SHOWN = "layer => [...layer.children].map((line) => line.textContent).join('\\n')"
IN_STEP = """async (lines) => {
  const area = document.getElementById("source"), layer = document.querySelector(".editor-layer");
  const differ = [];
  for (const text of [...lines, lines.join("\\n")]) {
    area.value = text;
    area.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
    area.style.height = "20px"; // smaller than any text, so that both say how much they have
    const heights = [area.scrollHeight, layer.scrollHeight];
    if (heights[0] !== heights[1]) differ.push([text.slice(0, 30), ...heights]);
    area.style.height = "300px";
    area.scrollTop = 1e6;
    await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
    if (area.scrollTop !== layer.scrollTop) differ.push(["scrolled", area.scrollTop, layer.scrollTop]);
    area.style.height = "";
  }
  return differ;
}"""


@pytest.fixture
def source(page: Page) -> Locator:
    return page.get_by_label("Script, YAML")


async def open_agent(page: Page, demo: Demo) -> None:
    async with demo.api() as http:
        agents = (await http.get("/v1/agents")).json()["agents"]
    await page.goto(f"/agents/{agents[0]['id']}")
    await expect(page.locator(".editor[data-layered]")).to_be_visible()


async def pieces(page: Page) -> dict[str, list[str]]:
    await page.evaluate(DRAWN)
    found: list[list[str]] = await page.eval_on_selector_all(
        ".editor-layer [data-kind]", "all => all.map((one) => [one.dataset.kind, one.textContent])"
    )
    return {kind: [text for this, text in found if this == kind] for kind, _ in found}


async def forget(page: Page) -> None:
    """What a test typed isn't there for the next."""
    await page.evaluate("localStorage.clear()")


async def test_the_words_of_a_script_are_told_apart(page: Page, demo: Demo, source: Locator):
    await open_agent(page, demo)
    await source.fill(SCRIPT)
    found = await pieces(page)
    assert found["step"] == ["first", "second", "lonely"]
    assert found["leads"] == ["second", "second"]
    assert found["unknown"] == ["nowhere", "hangup"]
    assert found["variable"] == ["plan", "{user_name|there}", "seen", "plan", "{plan}"]
    assert found["note"] == ["# a note"]
    assert set(found["word"]) == {
        "agent", "name", "variables", "steps", "say", "ask", "answers", "words", "goto", "digits", "set", "if",
        "equals", "then", "else", "hang_up",
    }  # fmt: skip
    assert await page.locator(".editor-layer").evaluate(SHOWN) == SCRIPT
    await source.fill(SCRIPT.replace("  lonely:", "  nowhere:"))
    assert (await pieces(page))["leads"] == ["second", "nowhere", "second"]
    await forget(page)


@pytest.mark.parametrize("width", [360, 390, 960, 1440])
async def test_colours_and_text_wrap_at_the_same_places(page: Page, demo: Demo, width: int):
    await page.set_viewport_size({"width": width, "height": 800})
    await open_agent(page, demo)
    for zoom in ("1", "1.1", "0.8"):
        await page.evaluate("zoom => (document.documentElement.style.zoom = zoom)", zoom)
        assert await page.evaluate(IN_STEP, HOSTILE) == [], zoom
    await forget(page)


async def test_colours_stay_in_step_with_two_thousand_lines_that_are_edited(page: Page, demo: Demo, source: Locator):
    await open_agent(page, demo)
    say = "say: Hello {{user_name|there}}, long enough to wrap in the editor on a wide screen, too, I am sure."
    step = f"  step_{{}}:\n    {say}"
    text = "steps:\n" + "\n".join(step.format(place) for place in range(1000))
    # Put in as a whole: as if typed, Chromium takes a minute for it in any text field.
    await source.evaluate("(area, text) => { area.value = text; area.setSelectionRange(30, 60); area.focus(); }", text)
    await page.keyboard.insert_text("one\ntwo\nthree")
    await source.press("Control+End")
    await page.keyboard.insert_text("\n# end")
    await page.evaluate(DRAWN)
    assert await page.locator(".editor-layer").evaluate(SHOWN) == await source.input_value()
    height = "element => element.scrollHeight"
    assert await source.evaluate(height) == await page.locator(".editor-layer").evaluate(height)
    await source.press("Control+z")
    await source.press("Control+z")
    assert "step_999" in await source.input_value()
    assert "# end" not in await source.input_value()
    await page.evaluate(DRAWN)
    assert await page.locator(".editor-layer").evaluate(SHOWN) == await source.input_value()
    await forget(page)


async def test_an_error_is_marked_at_its_line_also_where_lines_before_it_wrap(page: Page, demo: Demo, source: Locator):
    await page.set_viewport_size({"width": 390, "height": 800})
    await open_agent(page, demo)
    await source.fill(SCRIPT)
    marked = page.locator(".editor-layer > [data-tone=bad]")
    await expect(marked).to_have_text(re.compile("hangup"))
    number = await marked.evaluate("line => getComputedStyle(line, '::before').content")
    assert "✕" in number
    await page.get_by_role("list", name="Problems").get_by_role("button", name="Line 16").click()
    selected = await source.evaluate("area => area.value.slice(area.selectionStart, area.selectionEnd)")
    assert selected.strip() == "hangup: Goodbye."
    await forget(page)


async def test_the_outline_leads_to_the_lines_by_keyboard(page: Page, demo: Demo, source: Locator):
    await open_agent(page, demo)
    await source.fill(SCRIPT)
    outline = page.get_by_role("navigation", name="Steps")
    lonely = outline.get_by_role("listitem").filter(has=page.get_by_role("button", name="lonely", exact=True))
    await expect(lonely).to_contain_text("Nobody gets here")
    await expect(outline).to_contain_text("There is no such step")
    first = outline.get_by_role("button", name="first", exact=True)
    await first.focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await expect(outline.get_by_role("button", name="lonely", exact=True)).to_be_focused()
    await page.keyboard.press("Tab")  # where it leads
    await page.keyboard.press("Enter")
    await expect(source).to_be_focused()
    selected = await source.evaluate("area => area.value.slice(area.selectionStart, area.selectionEnd)")
    assert selected.strip() == "second:"
    await forget(page)


async def test_what_is_typed_wrongly_leaves_the_outline_of_before(page: Page, demo: Demo, source: Locator):
    await open_agent(page, demo)
    await source.fill(SCRIPT)
    outline = page.get_by_role("navigation", name="Steps")
    await expect(outline.get_by_role("button", name="lonely", exact=True)).to_be_visible()
    await source.fill(SCRIPT + "\n  broken: [")
    await expect(page.get_by_text("As of the last text that could be read.")).to_be_visible()
    await expect(outline.get_by_role("button", name="lonely", exact=True)).to_be_visible()
    await forget(page)


async def test_without_scripts_it_is_a_plain_text_field(browser: Browser, demo: Demo, operator: dict[str, Any]):
    async with demo.api() as http:
        agent = (await http.get("/v1/agents")).json()["agents"][0]
        written = (await http.get(f"/v1/agents/{agent['id']}")).json()["source"]
    context = await browser.new_context(
        base_url=demo.base_url, storage_state=operator, java_script_enabled=False  # type: ignore[arg-type]
    )
    page = await context.new_page()
    await page.goto(f"/agents/{agent['id']}")
    source = page.get_by_label("Script, YAML")
    assert (await source.input_value()).strip() == written.strip()
    await expect(source).not_to_have_css("-webkit-text-fill-color", "rgba(0, 0, 0, 0)")
    await expect(page.locator(".editor-layer")).to_be_hidden()
    await context.close()
