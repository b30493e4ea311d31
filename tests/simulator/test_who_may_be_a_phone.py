"""Which numbers a browser may take, and whose pages may be a phone at all."""

import pytest
from websockets.exceptions import InvalidStatus

from simulator.browser_page import PHONE, open_page, phones

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(
    "number", ["+12025550100", "+12025550115", "+15551230002", "+1202555019", "+120255501٣٤", "nobody"]
)
async def test_a_number_that_is_no_phones_is_refused(start, number):
    async with start() as setup, open_page(setup.simulator.base_url, number) as page:
        await page.until(lambda: page.close_code is not None)
        assert (page.close_code, page.told) == (4400, [])
        assert await phones(setup) == {PHONE: "none"}


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
async def test_a_strangers_page_gets_no_phone(start, origin):
    async with start() as setup:
        with pytest.raises(InvalidStatus) as refused:
            async with open_page(setup.simulator.base_url, origin=origin):
                pass
        assert refused.value.response.status_code == 403
        assert await phones(setup) == {PHONE: "none"}


async def test_a_page_of_an_allowed_origin_gets_one(start):
    async with (
        start(allowed_origins=("https://outdial.example",)) as setup,
        open_page(setup.simulator.base_url, origin="https://outdial.example") as page,
    ):
        await page.event("ready")
