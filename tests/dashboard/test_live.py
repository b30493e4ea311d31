from collections.abc import Callable

from outdial.dashboard.live import HEARTBEAT_S, LivePages, Part, Rendered, View
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
    rendered = 0

    async def render(changed: frozenset[str] | None) -> Rendered:
        nonlocal rendered
        rendered += 1
        told.tell("call_1")  # and so again at once
        return Rendered(parts=[Part(id="one", html=str(rendered))])

    async def refused() -> bool:
        return False

    async def main() -> int:
        pages = LivePages(told)
        view = View(key="ws_1/calls", render=render, every_s=1.0)
        messages = 0
        async for _ in pages.follow(view, still_allowed=refused):  # one a second
            messages += 1
            assert messages < HEARTBEAT_S + 3
        await pages.aclose()
        return messages

    assert run(main()) > HEARTBEAT_S - 2
