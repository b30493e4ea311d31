"""`<Connect><Stream>`: a call's audio over the customer's websocket."""

import asyncio
from datetime import datetime
from urllib.parse import urljoin, urlsplit

from outdial.simulator import websocket
from outdial.simulator.faults import FaultKind
from outdial.simulator.files import is_loopback
from outdial.simulator.line import Nobody
from outdial.simulator.twilio import errors, twiml
from outdial.simulator.twilio.call import TwilioCall
from outdial.simulator.twilio.ids import new_sid
from outdial.simulator.twilio.media import InvalidMessage, MediaStream

NORMAL_CLOSES = frozenset({1000, 1001, 1005})


async def connect(live: TwilioCall, verb: twiml.Connect, base: str) -> None:
    """Stream both ways until the customer's server closes the websocket."""
    if live.strikes(FaultKind.STREAM_NEVER_STARTED):
        await asyncio.Event().wait()
    stream_sid = new_sid("MZ")
    told = _StreamCallbacks(live, verb, base, stream_sid)
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()  # with which error; 0: none

    def on_message(message: str | bytes) -> None:
        try:
            stream.receive(message)
        except InvalidMessage:
            over(errors.STREAM_INVALID_MESSAGE)

    def over(error: int) -> None:
        if not ended.done():
            ended.set_result(error)

    stream = MediaStream(
        lambda text: socket.send(text),
        stream_sid=stream_sid,
        call_sid=live.call.id,
        account_sid=live.call.account,
        parameters=verb.parameters,
    )
    try:
        if refusal := _unusable(verb.url):
            raise websocket.HandshakeFailed(refusal)
        socket = await websocket.connect(
            verb.url,
            {"x-twilio-signature": live.callbacks.sign(verb.url), "User-Agent": "Twilio.TmeWs/1.0"},
            on_message=on_message,
            on_close=lambda code: over(0 if code in NORMAL_CLOSES else errors.STREAM_CLOSED),
        )
    except websocket.HandshakeFailed as exc:
        live.note(errors.STREAM_HANDSHAKE, str(exc), url=verb.url)
        told.error(errors.STREAM_HANDSHAKE)
        return
    await _stream(live, socket, stream, ended, told)


async def _stream(
    live: TwilioCall,
    socket: websocket.WebSocket,
    stream: MediaStream,
    ended: asyncio.Future[int],
    told: "_StreamCallbacks",
) -> None:
    line, error = live.phone_line, 0
    cut = live.strikes(FaultKind.STREAM_CUT)
    timer = asyncio.get_running_loop().call_later(cut.after_ms / 1000, socket.cut) if cut else None
    if garbled := live.strikes(FaultKind.MEDIA_GARBLED):
        socket.garble(garbled.after_ms / 1000)
    stream.start()
    told.started()
    line.peer = stream
    try:
        error = await ended
    finally:
        if timer is not None:
            timer.cancel()
        line.peer = Nobody()
        stream.stop()
        socket.close(1007 if error == errors.STREAM_INVALID_MESSAGE else 1000)
        if error:
            live.note(error, errors.STREAM_ERRORS[error], url=told.stream_url)
            told.error(error)
        told.stopped()


def _unusable(url: str) -> str:
    """Why no stream is opened to this URL; "" when one is. `ws` to this machine is our exception to Twilio."""
    parts = urlsplit(url)
    if parts.query:
        return "a query string is not allowed; use <Parameter>"
    if parts.scheme != "wss" and not (parts.scheme == "ws" and is_loopback(url)):
        return "the URL must be wss"
    return ""


class _StreamCallbacks:
    def __init__(self, live: TwilioCall, verb: twiml.Connect, base: str, stream_sid: str) -> None:
        self.stream_url = verb.url
        self._live = live
        self._verb = verb
        self._url = urljoin(base, verb.status_callback) if verb.status_callback else ""
        self._stream_sid = stream_sid

    def started(self) -> None:
        self._post("stream-started")

    def stopped(self) -> None:
        self._post("stream-stopped")

    def error(self, code: int) -> None:
        self._post("stream-error", StreamError=f"{code} {errors.STREAM_ERRORS[code]}")

    def _post(self, event: str, **facts: str) -> None:
        form = {
            "AccountSid": self._live.call.account,
            "CallSid": self._live.call.id,
            "StreamSid": self._stream_sid,
            "StreamName": self._verb.name or self._stream_sid,
            "StreamEvent": event,
            "Timestamp": _iso(self._live.network.clock.now()),
            **facts,
        }
        self._live.callbacks.post("stream", self._url, self._verb.status_callback_method, form)


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
