import asyncio
from collections.abc import Callable

from outdial.dashboard.live import STILL_ALLOWED_S, LivePages, Part, Rendered, View
from virtual_time import run


class Told:
    """Notifications without a database: `tell` says that something happened to a call."""

    def __init__(self) -> None:
        self.tell: Callable[[str], None] = lambda call_id: None

    def subscribe(self, channel: str, heard: Callable[[str], None]) -> Callable[[], None]:
        self.tell = heard
        return lambda: None


def test_who_was_signed_out_is_let_go_even_where_there_is_always_something_new():
    told = Told()

    async def render(changed: frozenset[str] | None) -> Rendered:
        await asyncio.sleep(0.1)
        told.tell("call_1")  # and so again at once
        return Rendered(parts=[Part(id="one", html=str(asyncio.get_running_loop().time()))])

    async def refused() -> bool:
        return False

    async def main() -> None:
        pages = LivePages(told)
        clock = asyncio.get_running_loop().time
        messages = 0
        async for _ in pages.follow(View(key="ws_1/calls", render=render), still_allowed=refused):
            messages += 1
            assert clock() < STILL_ALLOWED_S + 1
        await pages.aclose()
        assert clock() >= STILL_ALLOWED_S
        assert messages > STILL_ALLOWED_S

    run(main())
