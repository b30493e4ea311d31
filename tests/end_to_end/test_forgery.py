"""What strangers send: callbacks nobody signed, media streams nobody expects, frames nobody understands."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from end_to_end.world import CALLEE, TALKATIVE, Customer, Story, World
from outdial.simulator.faults import FaultKind
from outdial.simulator.twilio.call import TwilioCall
from outdial.simulator.twilio.signature import sign

SILENT = CALLEE + "11"
MEDIA = {"track": "inbound", "chunk": "1", "timestamp": "20", "payload": base64.b64encode(b"\xff" * 160).decode()}


def _start(stream_sid: str) -> str:
    start = {
        "accountSid": "AC" + "5" * 32,
        "streamSid": stream_sid,
        "callSid": "CA" + "0" * 32,
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {},
    }
    return json.dumps({"event": "start", "sequenceNumber": "1", "streamSid": stream_sid, "start": start})


GARBAGE: dict[str, list[str | bytes]] = {  # what is sent before and after the start of stream MZ1
    "not JSON": ["{", "", "\x00", "[]", "null", "42", "media", '{"event"'],
    "wrong fields": [
        json.dumps({"event": "media"}),
        json.dumps({"event": "media", "streamSid": "MZ1", "media": {"payload": 7}}),
        json.dumps({"event": ["media"], "streamSid": {}}),
        json.dumps({"event": "start", "streamSid": "MZ1", "start": None}),
    ],
    "not base64": [json.dumps({"event": "media", "streamSid": "MZ1", "media": MEDIA | {"payload": "%%%"}})] * 8,
    "another stream": [json.dumps({"event": "media", "streamSid": "MZ2", "media": MEDIA})] * 8,
    "binary": [b"\xff" * 160] * 8,
    "nested deeply": ["[" * 60_000] * 6,
    "too long": [json.dumps({"event": "media", "streamSid": "MZ1", "media": MEDIA | {"payload": "A" * 2_000_000}})],
    "unknown event": [json.dumps({"event": "weather", "streamSid": "MZ1"})] * 20,
    "a second start": [_start("MZ2")],
}


class Calls:
    statuses: dict[str, int]         # of forged callbacks
    handshakes: dict[str, int]       # of media streams
    before: dict[str, Any]  # the call that strangers were after
    after: dict[str, Any]
    story: Story
    replayed: Story
    garbage: dict[str, Story]
    used_lines: int


async def play(world: World) -> Calls:
    calls = Calls()
    customer = await world.customer(TALKATIVE)
    calls.garbage = {}
    await asyncio.gather(
        _forged(world, calls, customer), _garbage(world, calls, await world.customer(TALKATIVE))
    )
    calls.used_lines = await customer.used_lines()
    return calls


async def _forged(world: World, calls: Calls, customer: Customer) -> None:
    """Everything a stranger can try on a call that is up, who has seen its URLs but not the auth token."""
    call_id, other_id = await customer.place(SILENT), await customer.place(SILENT)
    await asyncio.gather(customer.until(call_id, "in_progress"), customer.until(other_id, "in_progress"))
    live, other = _live(world, await customer.get(call_id)), _live(world, await customer.get(other_id))
    before = await customer.get(call_id)
    url, token = live.wishes.status_callback.url, world.config.auth_token
    form = {
        "AccountSid": live.call.account,
        "CallSid": live.call.id,
        "CallStatus": "completed",
        "CallDuration": "1",
        "Timestamp": "Thu, 01 Jan 2026 12:00:00 +0000",
    }
    other_url = other.wishes.status_callback.url
    unknown = re.sub(r"att_\w+", "att_" + "0" * 20, url)
    strange = re.sub("/twilio/", "/telegraph/", url)
    async with httpx.AsyncClient(trust_env=False) as http:

        async def post(to: str, signature: str | None, body: dict[str, str] = form, **headers: str) -> int:
            if signature is not None:
                headers["X-Twilio-Signature"] = signature
            return (await http.post(to, data=body, headers=headers)).status_code

        calls.statuses = {
            "unsigned": await post(url, None),
            "empty signature": await post(url, ""),
            "garbage": await post(url, "AAAA"),
            "another token": await post(url, sign("another token", url, form.items())),
            "another URL": await post(url, sign(token, other_url, form.items())),
            "another body": await post(url, sign(token, url, (form | {"CallStatus": "busy"}).items())),
            "another host": await post(
                url, sign(token, url.replace("127.0.0.1", "voice.example"), form.items()), Host="voice.example"
            ),
            "another attempt": await post(other_url, sign(token, url, form.items())),
            "unknown attempt": await post(unknown, sign(token, unknown, form.items())),
            "unknown carrier": await post(strange, sign(token, strange, form.items())),
            "not a form": (
                await http.post(url, content=b"\xff\x00", headers={"X-Twilio-Signature": sign(token, url)})
            ).status_code,
        }
        # Recorded by somebody who listens, and sent again: genuine, but nothing new.
        again = form | {"CallStatus": "ringing"}
        again.pop("CallDuration")
        for _ in range(3):
            assert await post(url, sign(token, url, again.items()), again) in (200, 204)
    stream_url = _stream_url(live)
    expected = stream_url.rsplit("/", 1)[0]
    calls.handshakes = {
        "used token": await _handshake(stream_url, sign(token, stream_url)),
        "wrong token": await _handshake(f"{expected}/{'x' * 43}", sign(token, f"{expected}/{'x' * 43}")),
        "no token": await _handshake(expected, sign(token, expected)),
        "unsigned": await _handshake(_stream_url(other), None),
        "wrong signature": await _handshake(_stream_url(other), sign("another token", _stream_url(other))),
        "unknown attempt": await _handshake(
            re.sub(r"att_\w+", "att_" + "0" * 20, stream_url),
            sign(token, re.sub(r"att_\w+", "att_" + "0" * 20, stream_url)),
        ),
        "elsewhere": await _handshake(world.base_url.replace("http", "ws") + "/v1/calls", None),
    }
    await world.settle()
    after = await customer.get(call_id)
    calls.before, calls.after = before, after
    await customer.hang_up(call_id)
    calls.story = await customer.follow(call_id)
    live.hang_up()
    other.hang_up()
    calls.replayed = await customer.follow(other_id)


async def _garbage(world: World, calls: Calls, customer: Customer) -> None:
    """We play the carrier's part of the media stream ourselves, and badly."""
    world.fault(customer, FaultKind.STREAM_NEVER_STARTED)

    at_once = asyncio.Semaphore(2)

    async def send(name: str, messages: list[str | bytes]) -> None:
        async with at_once:
            await act(name, messages)

    async def act(name: str, messages: list[str | bytes]) -> None:
        call_id = await customer.place(SILENT)
        live = await _ringing(world, customer, call_id)
        await live.answered.wait()
        async with _stream(world, live) as socket:
            await _send_all(socket, [*messages, _start("MZ1"), *messages, _media()])
            await asyncio.sleep(0.3)
        live.hang_up()
        calls.garbage[name] = await customer.follow(call_id)

    await asyncio.gather(*(send(name, messages) for name, messages in GARBAGE.items()))


async def _ringing(world: World, customer: Customer, call_id: str) -> TwilioCall:
    await customer.until(call_id, "ringing")
    return _live(world, await customer.get(call_id))


def _live(world: World, call: dict[str, Any]) -> TwilioCall:
    return world.simulator.account.live[call["attempts"][0]["carrier_call_id"]]


def _stream_url(live: TwilioCall) -> str:
    found = re.search(r'<Stream[^>]* url="([^"]+)"', live.wishes.document.twiml)
    assert found
    return found[1]


@asynccontextmanager
async def _stream(world: World, live: TwilioCall) -> AsyncIterator[ClientConnection]:
    url = _stream_url(live)
    headers = {"X-Twilio-Signature": sign(world.config.auth_token, url)}
    async with connect(url, additional_headers=headers, proxy=None, max_size=None) as socket:
        yield socket


async def _handshake(url: str, signature: str | None) -> int:
    headers = {} if signature is None else {"X-Twilio-Signature": signature}
    try:
        async with connect(url, additional_headers=headers, proxy=None):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def _send_all(socket: ClientConnection, messages: list[str | bytes]) -> None:
    try:
        for message in messages:
            await socket.send(message)
    except ConnectionClosed:
        pass  # we deserved that


def _media() -> str:
    return json.dumps({"event": "media", "sequenceNumber": "2", "streamSid": "MZ1", "media": MEDIA})


def test_forged_callbacks_are_refused(outcome: Calls):
    unknown = {name: outcome.statuses.pop(name) for name in ("unknown attempt", "unknown carrier")}
    assert set(unknown.values()) == {404}
    assert set(outcome.statuses.values()) == {403}, outcome.statuses


def test_unexpected_media_streams_are_refused(outcome: Calls):
    assert set(outcome.handshakes.values()) <= {403, 404}, outcome.handshakes


def test_forgery_changes_nothing(outcome: Calls):
    assert outcome.before["state"] == outcome.after["state"] == "in_progress"
    assert outcome.before["attempts"] == outcome.after["attempts"]
    assert (outcome.story.end, outcome.story.call["error"]) == ("completed", None)
    assert outcome.story.states[-2:] == ["in_progress", "ended"]
    assert outcome.replayed.end == "completed"


def test_garbage_ends_a_call_cleanly_or_not_at_all(outcome: Calls):
    assert set(outcome.garbage) == set(GARBAGE)
    for name, story in outcome.garbage.items():
        assert story.end in ("completed", "failed"), name
        assert story.call["error"] is None or story.call["error"]["code"] in ("no_media", "audio_lost"), name


def test_every_line_is_given_back(outcome: Calls):
    assert outcome.used_lines == 0
