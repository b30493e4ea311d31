"""What every carrier's requests have in common, over real sockets where it is about being sent once."""

import asyncio
import json
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from outdial.carriers.calls import PlaceCall
from outdial.carriers.errors import CarrierError, CarrierUncertain, CarrierUnreachable
from outdial.carriers.http import RestClient, root_url
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.carriers.twilio import errors
from outdial.carriers.vonage.tokens import new_private_key
from outdial.telephony.carrier_call import CarrierCall

DIAL = PlaceCall(
    ref="att_1",
    to="+15551230001",
    from_="+15551230002",
    callback_url="https://voice.example/callbacks/x/att_1",
    stream_url="wss://voice.example/media/x/att_1/token",
    ring_timeout_s=30,
    max_duration_s=600,
)
CREDENTIALS = {
    CarrierName("twilio"): {"account_sid": "AC1", "auth_token": "token"},
    CarrierName("vonage"): {
        "api_key": "key",
        "api_secret": "secret",
        "signature_secret": "signature",
        "application_id": "app",
        "private_key": new_private_key(),
    },
    CarrierName("telnyx"): {"api_key": "KEY1", "public_key": "AAAA", "connection_id": "1"},
}
REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
DIALS = {"twilio": 1, "vonage": 1, "telnyx": 2}  # Telnyx knows the second for the first

every_carrier = pytest.mark.parametrize("name", CARRIERS)


class Listener:
    """A server that answers each request with the next of `replies`; None closes the connection instead."""

    def __init__(self, *replies: bytes | None) -> None:
        self.replies = list(replies)
        self.requests: list[tuple[str, bytes]] = []
        self.connections = 0
        self.open = 0
        self.all_closed = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = head.partition("content-length: ")[2].partition("\r\n")[0]
                self.requests.append((head.split()[0], await reader.readexactly(int(length or 0))))
                reply = self.replies.pop(0) if self.replies else None
                if reply is None:
                    return
                writer.write(reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            if not self.open:
                self.all_closed.set()
            writer.close()

    @property
    def posts(self) -> list[bytes]:
        return [body for method, body in self.requests if method == "post"]


@asynccontextmanager
async def opened(name, listener):
    async with await asyncio.start_server(listener, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        carrier = CARRIERS[name].call_control(CREDENTIALS[name], f"http://127.0.0.1:{port}")
        try:
            yield carrier
        finally:
            await carrier.aclose()


def cut(reply: bytes) -> bytes:
    return reply.replace(b"Content-Length: 2", b"Content-Length: 9")


LOST = {
    "closed without a reply": [None, None],
    "closed in the middle of it": [cut(REPLY) + b"\r\n" * 4, cut(REPLY) + b"\r\n" * 4],
    "an error of the carrier's": [b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"] * 2,
    "nothing to read in it": [REPLY] * 2,
    "another place to ask": [b"HTTP/1.1 307 There\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"] * 2,
    "no HTTP": [b"SSH-2.0-OpenSSH_9.9\r\n\r\n"] * 2,
}


@every_carrier
@pytest.mark.parametrize("replies", LOST.values(), ids=list(LOST))
async def test_no_dial_is_repeated_whatever_becomes_of_its_reply(name, replies):
    listener = Listener(*replies)
    async with opened(name, listener) as carrier:
        with pytest.raises(CarrierUncertain):
            await carrier.place_call(DIAL)
    assert len(listener.posts) == DIALS[name]
    if name is CarrierName("telnyx"):
        assert {json.loads(body)["command_id"] for body in listener.posts} == {DIAL.command_id}


@every_carrier
async def test_no_dial_is_repeated_when_a_connection_kept_open_turns_out_to_be_closed(name):
    """A client may not take that for "never sent": the request may have been read before."""
    listener = Listener(REPLY, None, None)
    async with opened(name, listener) as carrier:
        with suppress(CarrierError):  # what comes back is of no use, but the connection is kept
            await carrier.look_up(CarrierCall(id="1"))
        with pytest.raises(CarrierUncertain):
            await carrier.place_call(DIAL)
    assert len(listener.posts) == DIALS[name]


def answers(status: int, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} Sorry", *headers, "Content-Length: 0", "", ""]).encode()


async def error_of(request) -> CarrierError:
    with pytest.raises(CarrierError) as raised:
        await request
    return raised.value


@every_carrier
@pytest.mark.parametrize("status", [429, 500, 503, 403])
@pytest.mark.parametrize("request_", ["place_call", "hang_up", "look_up"])
async def test_a_carrier_may_say_with_any_error_when_it_wants_to_be_asked_again(name, status, request_):
    listener = Listener(*[answers(status, "Retry-After: 37")] * 2)
    async with opened(name, listener) as carrier:
        error = await error_of(getattr(carrier, request_)(DIAL if request_ == "place_call" else CarrierCall(id="1")))
    assert error.retry_after_s == 37.0
    assert len(listener.requests) == 1, "not even Telnyx, which would know a second dial for the first"


@every_carrier
async def test_one_that_does_not_say_is_asked_when_we_like(name):
    async with opened(name, Listener(answers(503), answers(503, "Retry-After: soon"))) as carrier:
        for _ in range(2):
            assert (await error_of(carrier.hang_up(CarrierCall(id="1")))).retry_after_s is None


@every_carrier
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(name, status):
    """To follow one with a dial is to dial again."""
    elsewhere = Listener(REPLY)
    async with await asyncio.start_server(elsewhere, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        redirect = answers(status, f"Location: http://127.0.0.1:{port}/there")
        async with opened(name, Listener(*[redirect] * 4)) as carrier:
            dial = await error_of(carrier.place_call(DIAL))
            others = [await error_of(getattr(carrier, each)(CarrierCall(id="1"))) for each in ("hang_up", "look_up")]
    assert isinstance(dial, CarrierUncertain)
    assert {type(error) for error in others} == {CarrierUnreachable}, "they may be repeated"
    assert {error.carrier_code for error in (dial, *others)} == {f"http_{status}"}
    assert all("leads elsewhere" in error.message for error in (dial, *others))
    assert elsewhere.requests == []


@every_carrier
async def test_an_accounts_connections_are_kept_for_the_next_request_and_closed_with_it(name):
    created = {
        CarrierName("twilio"): {"sid": "CA1"},
        CarrierName("vonage"): {"uuid": "u1"},
        CarrierName("telnyx"): {"data": {"call_control_id": "v3:1"}},
    }
    body = json.dumps(created[name]).encode()
    reply = REPLY[:-2].replace(b"Content-Length: 2", b"Content-Length: %d" % len(body)) + body
    listener = Listener(*[reply] * 5)
    async with opened(name, listener) as carrier:
        for _ in range(5):
            await carrier.place_call(DIAL)
        assert (listener.connections, listener.open) == (1, 1)
        await carrier.aclose()
        async with asyncio.timeout(30):
            await listener.all_closed.wait()


async def test_a_carrier_has_five_seconds_to_be_reached_and_ten_to_answer():
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.extensions["timeout"])
        return httpx.Response(200, json={})

    rest = RestClient("Twilio", "https://x.example", errors.from_reply, transport=httpx.MockTransport(answer))
    await rest.send("POST", "/")
    assert asked == [{"connect": 5.0, "read": 10.0, "write": 10.0, "pool": 10.0}]


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("https://api.example.com", "https://api.example.com"),
        (" https://api.example.com/ ", "https://api.example.com"),
        ("http://127.0.0.1:8090/v2", "http://127.0.0.1:8090"),
        ("http://[::1]:8090/v2/", "http://[::1]:8090"),
        ("HTTPS://API.Example.com", "https://api.example.com"),
    ],
)
def test_a_base_url_is_kept_without_what_the_adapters_add(text, root):
    assert root_url(text, version="/v2") == root


@example("HTTP://<")
@given(st.text(max_size=40) | st.text(max_size=30).map("https://".__add__))
def test_any_text_is_a_base_url_or_is_refused(text):
    try:
        root = root_url(text)
    except ValueError:
        return
    assert httpx.URL(root).host
    assert root_url(root) == root
