import asyncio
import json
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from httpx_sse import EventSource

from outdial.cli.api_client import ApiClient, StreamedEvent, read_events
from outdial.cli.failures import CommandFailed

CALL = {"id": "call_1", "state": "ended", "end_reason": "completed"}


EVENT_STREAM = {"content-type": "text/event-stream"}


async def read(*lines: str) -> list[StreamedEvent]:
    response = httpx.Response(200, text="".join(f"{line}\n" for line in lines), headers=EVENT_STREAM)
    return [event async for event in read_events(EventSource(response))]


def client(handler: Callable[[httpx.Request], httpx.Response]) -> ApiClient:
    return ApiClient("http://outdial.test", "key", transport=httpx.MockTransport(handler))


def stream(*events: str) -> httpx.Response:
    return httpx.Response(200, text="".join(events), headers=EVENT_STREAM)


def event(id_: int, type_: str, **data: object) -> str:
    return f"id: {id_}\nevent: {type_}\ndata: {json.dumps(data)}\n\n"


async def test_events_are_read_with_id_type_and_data():
    given = ("id: 7", "event: state", 'data: {"state":', 'data: "ringing"}', "")
    assert await read(*given) == [StreamedEvent(id="7", type="state", data={"state": "ringing"})]


@pytest.mark.parametrize("nothing", [(": still here", ""), ("data: [1]", ""), ("data: {", ""), ("",), ()])
async def test_keep_alives_and_what_is_no_object_are_skipped(nothing):
    assert await read(*nothing, "data: {}", "") == [StreamedEvent(type="message", data={})]


async def test_following_goes_on_after_the_last_event_when_the_connection_breaks():
    asked: list[str | None] = []

    def handler(request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/events"):
            return httpx.Response(200, json={**CALL, "state": "ringing"})
        asked.append(request.headers.get("Last-Event-ID"))
        match len(asked):
            case 1:
                return stream(event(1, "state", state="dialing"), event(2, "state", state="ringing"))
            case 2:
                raise httpx.ReadError("cut")
            case _:
                return stream(event(3, "state", state="ended", end_reason="busy"))

    told: list[StreamedEvent] = []
    await client(handler).follow("call_1", told.append)
    assert [e.id for e in told] == ["1", "2", "3"]
    assert asked == [None, "2", "2"]


async def test_stopping_hangs_up_and_waits_for_the_end():
    hung_up = asyncio.Event()
    stop = asyncio.Event()

    async def until_hung_up() -> AsyncIterator[bytes]:
        yield event(1, "state", state="in_progress").encode()
        stop.set()
        await hung_up.wait()
        yield event(2, "state", state="ended", end_reason="completed").encode()

    def handler(request: httpx.Request) -> httpx.Response:
        match request.url.path.rpartition("/")[2]:
            case "outbound":
                return httpx.Response(200, json={"call_id": "call_1", "status": "queued"})
            case "events":
                return httpx.Response(200, content=until_hung_up(), headers=EVENT_STREAM)
            case "hang-up":
                hung_up.set()
        return httpx.Response(200, json=CALL)

    told: list[StreamedEvent] = []
    async with asyncio.timeout(10):
        assert await client(handler).place_and_follow("num_1", {}, told.append, stop) == CALL
    assert [e.type for e in told] == ["placed", "state", "state"]


async def test_a_problem_is_told_in_the_words_of_the_server():
    words = "This phone number has no agent."
    problem = {"title": "Conflict", "detail": words, "message": words}
    with pytest.raises(CommandFailed, match=r"^This phone number has no agent\.$"):
        await client(lambda _: httpx.Response(409, json=problem)).place_call("num_1", {})


@pytest.mark.parametrize("body", ["<html>nginx</html>", "[1]", ""])
async def test_a_server_that_is_not_outdial_is_recognised(body):
    with pytest.raises(CommandFailed, match="--api-url"):
        await client(lambda _: httpx.Response(502, text=body)).get_call("call_1")
    with pytest.raises(CommandFailed, match="--api-url"):
        await client(lambda _: httpx.Response(200, text="<html>")).get_call("call_1")
    with pytest.raises(CommandFailed, match="--api-url"):
        await client(lambda _: httpx.Response(200, text="<html>")).follow("call_1", print)
