"""TwiML executed: what a document makes of an answered call."""

import asyncio
import io
import ipaddress
import logging
import wave
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from urllib.parse import urljoin, urlsplit

import httpx
import numpy as np
import soxr

from outdial.media import tones
from outdial.media.frames import SAMPLE_RATE_HZ, silence
from outdial.simulator import websocket
from outdial.simulator.callees import callee_at
from outdial.simulator.calls import Call, Direction, Status
from outdial.simulator.faults import FaultKind
from outdial.simulator.line import Line, Nobody, Player, bridge
from outdial.simulator.twilio import errors, twiml
from outdial.simulator.twilio.call import (
    Document,
    DocumentUnavailable,
    StatusCallback,
    TwilioCall,
    Wishes,
    detect,
    first_of,
)
from outdial.simulator.twilio.ids import new_sid
from outdial.simulator.twilio.media import InvalidMessage, MediaStream

logger = logging.getLogger(__name__)

NORMAL_CLOSES = frozenset({1000, 1001, 1005})
MAX_PLAY_BYTES = 10_000_000
RINGBACK_MS = 6000
PRESSED_MS = 100
DIGIT_PAUSES_MS = {"w": 500, "W": 1000}


async def converse(live: TwilioCall) -> None:
    """What a call placed through REST does once it is answered."""
    wishes = live.wishes
    if wishes.send_digits:
        await press(live, wishes.send_digits)
    extra: dict[str, str] = {}
    detecting: asyncio.Task[str] | None = None
    if wishes.detection is not None:
        if wishes.detection.in_parallel:
            detecting = asyncio.create_task(detect(live))
        else:
            extra["AnsweredBy"] = await detect(live)
    try:
        await run(live, wishes.document, **extra)
    finally:
        if detecting is not None:
            detecting.cancel()


async def run(live: TwilioCall, document: Document, **extra: str) -> None:
    """Run a document, and every one that replaces it through REST, until one comes to its end."""
    while True:
        running = asyncio.create_task(_run(live, document, extra))
        try:
            await first_of(running, live.redirected)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
        if not live.redirected.done():
            return
        document = live.redirected.result()
        live.redirected = asyncio.get_running_loop().create_future()
        extra = {}


async def _run(live: TwilioCall, document: Document, extra: dict[str, str]) -> None:
    """A document and those it redirects to; returns when there is nothing left to do."""
    base = document.url
    next_document: Document | None = document
    while next_document is not None:
        base = urljoin(base, next_document.url) if next_document.url else base
        try:
            verbs = twiml.parse(await live.fetch(next_document, **extra))
        except DocumentUnavailable:
            return
        except twiml.TwimlError as exc:
            live.note(exc.code, exc.message, url=next_document.url)
            return
        extra = {}
        if live.call.direction is Direction.INBOUND and not live.answered.is_set():
            if verbs and isinstance(verbs[0], twiml.Reject):
                live.end(Status.BUSY, 486 if verbs[0].reason == "busy" else 603)
                return
            live.pick_up()
        next_document = await _perform(live, verbs, base)


async def _perform(live: TwilioCall, verbs: Sequence[twiml.Verb], base: str) -> Document | None:
    """Do one verb after the other; the document to go on with, None at the end."""
    for verb in verbs:
        match verb:
            case twiml.Say(text=text, loop=loop):
                await _repeat(live, await live.network.agent_voice.audio(text), loop)
            case twiml.Play():
                await _play(live, verb, base)
            case twiml.Pause(length_s=length_s):
                await play(live, silence(length_s * 1000))
            case twiml.Connect():
                await _connect(live, verb, base)
            case twiml.Dial():
                following = await _dial(live, verb, base)
                if following is not None:
                    return following
            case twiml.Redirect(url=url, method=method):
                return Document(url=urljoin(base, url), method=method)
            case twiml.Hangup() | twiml.Reject():
                live.end(Status.COMPLETED)
                return None
    return None


# -- audio


async def play(live: TwilioCall, pcm: bytes) -> None:
    line = _line(live)
    player = Player(pcm)
    line.peer = player
    try:
        await player.finished.wait()
    finally:
        if line.peer is player:
            line.peer = Nobody()


async def press(live: TwilioCall, digits: str) -> None:
    """Digits as tones, and as the events a phone menu goes by; `w` and `W` are pauses."""
    for digit in digits:
        if digit in DIGIT_PAUSES_MS:
            await play(live, silence(DIGIT_PAUSES_MS[digit]))
        else:
            await play(live, tones.dtmf(digit.upper(), PRESSED_MS) + silence(PRESSED_MS))
            _line(live).phone.hear_digit(digit.upper())


async def _repeat(live: TwilioCall, pcm: bytes, loop: int) -> None:
    rounds = 0
    while pcm and (loop == 0 or rounds < loop):
        await play(live, pcm)
        rounds += 1


async def _play(live: TwilioCall, verb: twiml.Play, base: str) -> None:
    if verb.digits:
        await press(live, verb.digits)
        return
    url = urljoin(base, verb.url)
    try:
        pcm = await _download(live.network.http, url)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, EOFError, wave.Error) as exc:
        live.note(errors.HTTP_RETRIEVAL_FAILURE, f"<Play>: {exc or type(exc).__name__}", url=url)
        return
    await _repeat(live, pcm, verb.loop)


async def _download(http: httpx.AsyncClient, url: str) -> bytes:
    """A WAV as our PCM. Raises ValueError for a URL that isn't on this machine."""
    if not is_loopback(url):
        raise ValueError("this simulator plays files from this machine only")
    response = await http.get(url, timeout=5)
    response.raise_for_status()
    if len(response.content) > MAX_PLAY_BYTES:
        raise ValueError("the file is too long")
    with wave.open(io.BytesIO(response.content)) as file:
        if file.getsampwidth() != 2:
            raise ValueError("the file must be a 16-bit WAV")
        rate_hz, channels = file.getframerate(), file.getnchannels()
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    mono = samples.reshape(-1, channels).mean(axis=1).astype(np.float32) / 32768
    if rate_hz != SAMPLE_RATE_HZ:
        mono = soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ)
    return bytes((np.clip(mono, -1, 1) * 32767).astype("<i2").tobytes())


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# -- media stream


async def _connect(live: TwilioCall, verb: twiml.Connect, base: str) -> None:
    """Stream both ways until the customer's server closes the websocket."""
    if live.strikes(FaultKind.STREAM_NEVER_STARTED):
        await asyncio.Event().wait()
    stream_sid = new_sid("MZ")
    told = _StreamCallbacks(live, verb, base, stream_sid)
    refusal = _unusable(verb.url)
    closed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    failure: list[int] = []

    def on_message(message: str | bytes) -> None:
        try:
            stream.receive(message)
        except InvalidMessage:
            failure.append(errors.STREAM_INVALID_MESSAGE)
            on_close(1007)

    def on_close(code: int) -> None:
        if not closed.done():
            closed.set_result(code)

    stream = MediaStream(
        lambda text: socket.send(text),
        stream_sid=stream_sid,
        call_sid=live.call.id,
        account_sid=live.call.account,
        parameters=verb.parameters,
    )
    try:
        if refusal:
            raise websocket.HandshakeFailed(refusal)
        socket = await websocket.connect(
            verb.url,
            {"x-twilio-signature": live.outbox.sign(verb.url), "User-Agent": "Twilio.TmeWs/1.0"},
            on_message=on_message,
            on_close=on_close,
        )
    except websocket.HandshakeFailed as exc:
        live.note(errors.STREAM_HANDSHAKE, str(exc), url=verb.url)
        told.error(errors.STREAM_HANDSHAKE)
        return
    line = _line(live)
    cut = live.strikes(FaultKind.STREAM_CUT)
    timer = asyncio.get_running_loop().call_later(cut.after_ms / 1000, socket.cut) if cut else None
    stream.start()
    told.started()
    line.peer = stream
    try:
        code = await closed
        if not failure and code not in NORMAL_CLOSES:
            failure.append(errors.STREAM_CLOSED)
    finally:
        if timer is not None:
            timer.cancel()
        line.peer = Nobody()
        stream.stop()
        socket.close(1007 if failure == [errors.STREAM_INVALID_MESSAGE] else 1000)
        if failure:
            live.note(failure[0], errors.STREAM_ERRORS[failure[0]], url=verb.url)
            told.error(failure[0])
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
        self._live.outbox.post("stream", self._url, self._verb.status_callback_method, form)


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


# -- transfer


async def _dial(live: TwilioCall, verb: twiml.Dial, base: str) -> Document | None:
    """Call somebody else and connect the two; the action's document, None to go on with the next verb."""
    if not _is_e164(verb.number):
        live.note(errors.UNSUPPORTED_NUMBER, "<Dial>: the number is not valid")
        return _after_dial(live, verb, base, {"DialCallStatus": Status.FAILED})
    if verb.caller_id and not _is_e164(verb.caller_id):
        live.note(errors.INVALID_CALLER_ID, "<Dial>: invalid callerId")
        return _after_dial(live, verb, base, {"DialCallStatus": Status.FAILED})
    child = _child(live, verb, base)
    network, line = live.network, _line(live)
    network.book.add(child.call)
    living = network.start(child.live())
    ringing = asyncio.create_task(_ring_back(live))
    answered = asyncio.create_task(child.answered.wait())
    try:
        await first_of(answered, living)
        ringing.cancel()
        if child.line is not None and not child.over:
            bridge(line, child.line)
        await asyncio.wait({living})
    except asyncio.CancelledError:
        child.hang_up()
        if live.over:  # the caller hung up: the action is told, but its document has nobody to run for
            network.start(_report(live, verb, base, child, living))
        raise
    finally:
        ringing.cancel()
        answered.cancel()
        line.peer = Nobody()
    return _after_dial(live, verb, base, _outcome(child))


def _outcome(child: TwilioCall) -> dict[str, str]:
    connected = child.call.answered_at is not None
    return {
        "DialCallSid": child.call.id,
        "DialCallStatus": Status.COMPLETED if connected else child.call.status,
        **({"DialCallDuration": str(child.call.duration_s)} if connected else {}),
        "DialBridged": "true" if connected else "false",
    }


async def _report(
    live: TwilioCall, verb: twiml.Dial, base: str, child: TwilioCall, living: asyncio.Task[None]
) -> None:
    await asyncio.wait({living})
    document = _after_dial(live, verb, base, _outcome(child))
    if document is not None:
        with suppress(DocumentUnavailable):
            await live.fetch(document)


def _after_dial(live: TwilioCall, verb: twiml.Dial, base: str, facts: dict[str, str]) -> Document | None:
    if not verb.action:
        return None
    return Document(url=urljoin(base, verb.action), method=verb.method, facts=facts)


def _child(live: TwilioCall, verb: twiml.Dial, base: str) -> TwilioCall:
    parent, now = live.call, live.network.clock.now()
    call = Call(
        id=new_sid("CA"),
        account=parent.account,
        to=verb.number,
        from_=verb.caller_id or parent.from_,
        direction=Direction.OUTBOUND_DIAL,
        callee=callee_at(verb.number),
        created_at=now,
        updated_at=now,
        parent_id=parent.id,
    )
    wishes = Wishes(
        status_callback=StatusCallback(
            url=urljoin(base, verb.status_callback) if verb.status_callback else "",
            method=verb.status_callback_method,
            events=verb.status_callback_events,
        ),
        ring_timeout_s=verb.timeout_s,
        time_limit_s=verb.time_limit_s,
    )
    return TwilioCall(live.shared, call, wishes, _stay)


async def _stay(live: TwilioCall) -> None:
    """A dialled party stays until one side hangs up: `live` is cancelled then."""
    await asyncio.Event().wait()


async def _ring_back(live: TwilioCall) -> None:
    while True:
        await play(live, tones.ringback(RINGBACK_MS))


def _is_e164(number: str) -> bool:
    digits = number.removeprefix("+")
    return number.startswith("+") and digits.isascii() and digits.isdigit() and 8 <= len(digits) <= 15


def _line(live: TwilioCall) -> Line:
    assert live.line is not None  # verbs run on answered calls only
    return live.line
