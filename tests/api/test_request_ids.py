"""Every request has an id, from the edge to each line of the log that is written while it is handled."""

import json
import logging

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from api.test_media_socket import serving as serving_media
from api.test_media_socket import url
from api.test_server import serving
from outdial import logs
from outdial.logs import JsonFormatter

logger = logging.getLogger("outdial.test")


class Lines(logging.Handler):
    """The log's lines."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(json.loads(JsonFormatter().format(record)))


@pytest.fixture
def lines(monkeypatch):
    """Of the server's own, too, which a server with uvicorn's settings keeps to itself from then on."""
    for name in ("uvicorn", "uvicorn.error"):
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
        monkeypatch.setattr(logging.getLogger(name), "disabled", False)
    handler = Lines()
    logging.getLogger().addHandler(handler)
    yield handler.lines
    logging.getLogger().removeHandler(handler)


async def logs_a_line(scope, receive, send):
    logger.warning("Line of a request")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def fails(scope, receive, send):
    raise ZeroDivisionError


async def ask(port, *given):
    headers = [("X-Request-Id", each) for each in given]
    async with httpx.AsyncClient() as client:
        return (await client.get(f"http://127.0.0.1:{port}/", headers=headers)).headers.get_list("x-request-id")


@pytest.mark.parametrize("given", ["edge-7f3a.21_b", "5f1c0d1e-7b0a-4b3e-9d59-3a8c5b1f1a11"])
async def test_a_request_keeps_the_id_that_it_came_with(given, lines):
    async with serving(logs_a_line) as port:
        assert await ask(port, given) == [given]
    assert [line["request_id"] for line in lines if line["message"] == "Line of a request"] == [given]


@pytest.mark.parametrize("given", [(), ("short",), ("x" * 65,), ("a b c d e f",), ("491511234567",), ("{evil}\"abc",)])
async def test_a_request_without_one_that_can_be_kept_gets_its_own(given, lines):
    async with serving(logs_a_line) as port:
        (first,), (second,) = await ask(port, *given), await ask(port, *given)
    assert first != second
    assert first.startswith("req_")
    assert first not in given
    assert [line["request_id"] for line in lines if line["message"] == "Line of a request"] == [first, second]


async def test_the_servers_own_line_about_a_fault_has_the_id(lines):
    async with serving(fails) as port:
        assert await ask(port, "edge-with-fault") == []  # the server's own answer, to an app that has none
    (line,) = [line for line in lines if "exception" in line]
    assert line["request_id"] == "edge-with-fault"


async def test_a_media_handshake_has_one_too(lines):
    async def handshake(path, headers):
        logger.warning("Line of a handshake")

    async with serving_media(handshake) as it:
        with pytest.raises(InvalidStatus) as refused:
            await connect(url(it), additional_headers={"X-Request-Id": "edge-media"})
    assert refused.value.response.headers["X-Request-Id"] == "edge-media"
    assert [line["request_id"] for line in lines if line["message"] == "Line of a handshake"] == ["edge-media"]


async def test_a_line_that_names_its_own_call_keeps_it(lines):
    logs.about(call_id="call_1", request_id="edge-1")
    logger.warning("Line", extra={"call_id": "call_2"})
    assert (lines[-1]["call_id"], lines[-1]["request_id"]) == ("call_2", "edge-1")
