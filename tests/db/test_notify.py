import asyncio
from collections.abc import Callable

import psycopg
import pytest

from outdial.db.notify import Notifications


class Heard:
    def __init__(self) -> None:
        self.payloads: list[str] = []
        self._changed = asyncio.Event()

    def __call__(self, payload: str) -> None:
        self.payloads.append(payload)
        self._changed.set()

    async def until(self, condition: Callable[[list[str]], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition(self.payloads):
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def notify(database_url):
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:

        async def send(channel: str, payload: str) -> None:
            await connection.execute("SELECT pg_notify(%s, %s)", [channel, payload])

        send.connection = connection
        yield send


async def test_a_subscriber_hears_its_channel_only(database_url, notify):
    async with Notifications(database_url) as notifications:
        heard, other = Heard(), Heard()
        notifications.subscribe("outdial_call", heard)
        notifications.subscribe("outdial_queue", other)
        await heard.until(lambda payloads: payloads == [""])
        await other.until(lambda payloads: payloads == [""])
        await notify("outdial_call", "call_1")
        await notify("outdial_queue", "ws_1")
        await other.until(lambda payloads: payloads == ["", "ws_1"])
        await heard.until(lambda payloads: payloads == ["", "call_1"])


async def test_a_channel_may_be_added_later_and_left_again(database_url, notify):
    async with Notifications(database_url) as notifications:
        first, second = Heard(), Heard()
        notifications.subscribe("a", first)
        await first.until(lambda payloads: payloads == [""])
        unsubscribe = notifications.subscribe("b", second)
        await second.until(lambda payloads: payloads == [""])
        assert notifications.connected
        unsubscribe()
        await notify("b", "unheard")
        await notify("a", "heard")
        await first.until(lambda payloads: payloads == ["", "heard"])
        assert second.payloads == [""]


async def test_after_a_lost_connection_every_subscriber_is_told_that_anything_may_have_happened(
    database_url, notify
):
    async with Notifications(database_url) as notifications:
        heard = Heard()
        notifications.subscribe("outdial_call", heard)
        await heard.until(lambda payloads: payloads == [""])
        await notify.connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'outdial' AND datname = current_database()"
        )
        await heard.until(lambda payloads: payloads == ["", ""])
        await notify("outdial_call", "call_2")
        await heard.until(lambda payloads: payloads[-1] == "call_2")


async def test_a_failing_subscriber_does_not_silence_the_others(database_url, notify):
    def fails(payload: str) -> None:
        raise ValueError(payload)

    async with Notifications(database_url) as notifications:
        heard = Heard()
        notifications.subscribe("a", fails)
        notifications.subscribe("a", heard)
        await heard.until(lambda payloads: payloads == [""])


async def test_it_leaves_no_task_behind(database_url):
    before = asyncio.all_tasks()
    async with Notifications(database_url) as notifications:
        heard = Heard()
        notifications.subscribe("a", heard)
        await heard.until(lambda payloads: payloads == [""])
    assert asyncio.all_tasks() == before
