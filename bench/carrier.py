"""The load generator, a process of its own: a carrier on the loopback with as many callees as it is told to dial.

It speaks what of Twilio a call needs: the REST resource of calls, media streams, signed status callbacks. Run by
bench.processes, told what to do in JSON lines:

    {"do": "begin"}     count from now on             → null
    {"do": "end"}       stop counting                 → what was heard (bench.listening)
    {"do": "replies"}   → [[number, perf_counter() at its last voiced frame, … at the agent's first], …] since "begin"
    {"do": "connect"}   open a media stream to a URL for each of some numbers, without a call → null
    {"do": "calls"}                                   → how many media streams are open
    {"do": "dialed"}                                  → {number: perf_counter() when its create request was here}
    {"do": "ended"}                                   → {call: perf_counter() when its last callback was to be sent}
    {"do": "over"}                                    → how many calls have ended, with the server's 2xx to their last
                                                        callback

It also knows as much of accounts and numbers as `outdial numbers connect --outbound-only` asks about.
"""

import asyncio
import base64
import gc
import hashlib
import hmac
import json
import logging
import secrets
import sys
from asyncio import StreamReader, StreamWriter
from email.utils import formatdate
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import httpx
import uvloop

from bench import machine
from bench.audio import read_callee_audio
from bench.callee import Callee, Manner, Sounds
from bench.listening import FRAME_S, Tally
from bench.processes import commands, say
from bench.websocket import WebSocket, connect

logger = logging.getLogger(__name__)

SLOTS = 10  # real callees don't speak in step: each call has its own place within the 20 ms
SLOT_S = FRAME_S / SLOTS
BUSY_AFTER_S = 0.01
ANSWERED = (("initiated", 0.05), ("ringing", 0.1), ("in-progress", 0.2))
UNANSWERED = (("initiated", 0.05), ("ringing", 0.2), ("no-answer", 0.3))  # with the wait before each, s
NUMBER_SID = "PN" + "b" * 32


class Carrier:
    def __init__(self, config: dict[str, Any]) -> None:
        self._account_sid: str = config["account_sid"]
        self._auth_token: str = config["auth_token"]
        self._manner = Manner(config["manner"])
        sentences, noise = read_callee_audio(Path(config["audio"]))
        self._sounds = Sounds(sentences=sentences, noise=noise)
        self.tally = Tally()
        self.dialed: dict[str, float] = {}  # by number
        self.ended: dict[str, float] = {}   # by call
        self.over = 0
        self._calls: dict[str, dict[str, str]] = {}  # sid → its REST resource
        self._callback_urls: dict[str, str] = {}
        self._sockets: dict[str, WebSocket] = {}
        self._slots: list[dict[str, Callee]] = [{} for _ in range(SLOTS)]
        self._slot = 0
        self._due = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._http = httpx.AsyncClient(trust_env=False, timeout=10)

    @property
    def streams(self) -> int:
        return sum(map(len, self._slots))

    # -- audio

    def start(self) -> None:
        self._due = perf_counter() + SLOT_S
        self._tick()

    def _tick(self) -> None:
        now = perf_counter()
        while self._due <= now:
            tally = self.tally
            callees = self._slots[self._slot]
            for callee in list(callees.values()):
                callee.tick(perf_counter())
            if tally.counting and callees:
                tally.own_late.append(perf_counter() - self._due)  # of the last of them
                tally.sent += len(callees)
            self._slot = (self._slot + 1) % SLOTS
            self._due += SLOT_S
        asyncio.get_running_loop().call_later(max(0.0, self._due - perf_counter()), self._tick)

    # -- calls

    async def _dial(self, sid: str, form: dict[str, str]) -> None:
        callback = form["StatusCallback"]
        self._callback_urls[sid] = callback
        if self._manner is Manner.BUSY:
            await asyncio.sleep(BUSY_AFTER_S)
            await self._ended(sid, "busy")
            return
        if self._manner is Manner.UNANSWERED:
            for status, wait_s in UNANSWERED:
                await asyncio.sleep(wait_s)
                await self._tell(sid, status, final=status == "no-answer")
            return
        if self._manner in (Manner.GLANCES, Manner.LEAVES):
            for status, wait_s in ANSWERED:
                await asyncio.sleep(wait_s)
                await self._tell(sid, status, final=False)
        stream = ElementTree.fromstring(form["Twiml"]).find("./Connect/Stream")
        assert stream is not None
        parameters = {one.attrib["name"]: one.attrib["value"] for one in stream.findall("Parameter")}
        await self._stream(sid, stream.attrib["url"], parameters)

    async def connect(self, url: str, numbers: list[str]) -> None:
        """Streams to somebody who hasn't asked for a call: one who only answers."""
        for number in numbers:
            sid = "CA" + secrets.token_hex(16)
            self._calls[sid] = {"sid": sid, "status": "queued", "to": number, "from": number}
            await self._stream(sid, url, {"to": number})

    async def _stream(self, sid: str, url: str, parameters: dict[str, str]) -> None:
        stream_sid = "MZ" + secrets.token_hex(16)
        slot = min(self._slots, key=len)

        def closed() -> None:
            slot.pop(stream_sid, None)
            self._sockets.pop(sid, None)
            if self._calls[sid]["status"] == "in-progress":  # the server closed it: <Hangup/> follows
                self._later(self._ended(sid, "completed"))

        callee: Callee | None = None

        def message(text: bytes, at: float) -> None:
            assert callee is not None
            callee.heard(text, at)

        socket = await connect(url, {"X-Twilio-Signature": self._sign(url)}, message, closed)
        self._calls[sid]["status"] = "in-progress"
        self._sockets[sid] = socket
        number = self._calls[sid]["to"]

        def leave() -> None:
            self._calls[sid]["status"] = "completed"
            closed()
            stop = {"accountSid": self._account_sid, "callSid": sid}
            message = {"event": "stop", "sequenceNumber": "2", "streamSid": stream_sid, "stop": stop}
            socket.send(json.dumps(message).encode())
            socket.close()
            self._later(self._ended(sid, "completed"))

        callee = Callee(socket.send, stream_sid, self._manner, self._sounds, self.tally, number, leave)
        media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        start = {
            "accountSid": self._account_sid, "streamSid": stream_sid, "callSid": sid, "tracks": ["inbound"],
            "mediaFormat": media_format, "customParameters": parameters,
        }  # fmt: skip
        socket.send(b'{"event":"connected","protocol":"Call","version":"1.0.0"}')
        socket.send(
            json.dumps({"event": "start", "sequenceNumber": "1", "start": start, "streamSid": stream_sid}).encode()
        )
        slot[stream_sid] = callee

    async def _ended(self, sid: str, status: str) -> None:
        await self._tell(sid, status, final=True)

    async def _tell(self, sid: str, status: str, *, final: bool) -> None:
        call, url = self._calls[sid], self._callback_urls.get(sid)
        call["status"] = status
        if url is None:
            return
        form = {
            "CallSid": sid, "AccountSid": self._account_sid, "CallStatus": status, "ApiVersion": "2010-04-01",
            "Direction": "outbound-api", "To": call["to"], "Called": call["to"], "From": call["from"],
            "Caller": call["from"], "Timestamp": formatdate(), "CallbackSource": "call-progress-events",
        }  # fmt: skip
        if final:
            form |= {"CallDuration": "1", "Duration": "1"}
            self.ended[sid] = perf_counter()
        signature = self._sign(url + "".join(name + form[name] for name in sorted(form)))
        reply = await self._http.post(url, data=form, headers={"X-Twilio-Signature": signature})
        reply.raise_for_status()
        self.over += final

    def _sign(self, text: str) -> str:
        return base64.b64encode(hmac.new(self._auth_token.encode(), text.encode(), hashlib.sha1).digest()).decode()

    def _later(self, work: Any) -> None:
        async def quietly() -> None:
            try:
                await work
            except Exception:
                logger.exception("A call of the generator failed")

        task = asyncio.create_task(quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- REST

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """HTTP/1.1 on one kept connection, as httpx sends it."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                at = perf_counter()
                request, *lines = head.rstrip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                method, path, _ = request.split(" ")
                status, reply = self._answer(method, path, dict(parse_qsl(body.decode())), at)
                data = json.dumps(reply).encode()
                writer.write(
                    f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(data)}\r\n\r\n".encode() + data
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, method: str, path: str, form: dict[str, str], at: float) -> tuple[str, dict[str, Any]]:
        resource = path.partition("?")[0].removeprefix(f"/2010-04-01/Accounts/{self._account_sid}")
        match resource:
            case ".json":
                return "200 OK", {"sid": self._account_sid, "status": "active"}
            case "/IncomingPhoneNumbers.json":
                asked = dict(parse_qsl(path.partition("?")[2])).get("PhoneNumber", "")
                number = {"sid": NUMBER_SID, "phone_number": asked, "capabilities": {"voice": True}}
                return "200 OK", {"incoming_phone_numbers": [number]}
        resource = resource.removeprefix("/Calls")
        if method == "POST" and resource == ".json":
            self.dialed[form["To"]] = at
            sid = "CA" + secrets.token_hex(16)
            call = self._calls[sid] = {"sid": sid, "status": "queued", "to": form["To"], "from": form["From"]}
            self._later(self._dial(sid, form))
            return "201 Created", call
        call = self._calls.get(resource.removeprefix("/").removesuffix(".json"), {})
        if not call:
            return "404 Not Found", {"code": 20404, "message": "not found", "status": 404}
        if method == "POST" and call["status"] in ("queued", "in-progress"):
            sid = call["sid"]
            self._later(self._ended(sid, "completed"))
            if (socket := self._sockets.get(sid)) is not None:
                socket.close()
            call = self._calls[sid] | {"status": "completed"}
        return "200 OK", call


async def main(config: dict[str, Any]) -> None:
    carrier = Carrier(config)
    server = await asyncio.start_server(carrier.serve, "127.0.0.1", 0)
    carrier.start()
    gc.collect()
    gc.freeze()
    gc.disable()  # its pauses would pass for the server's; a run is short
    say({"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"})
    async for command in commands():
        match command["do"]:
            case "begin":
                carrier.tally.begin()
                say(None)
            case "end":
                say(carrier.tally.end())
            case "replies":
                say(carrier.tally.turns)
            case "connect":
                await carrier.connect(command["url"], command["numbers"])
                say(None)
            case "calls":
                say(carrier.streams)
            case "dialed":
                say(carrier.dialed)
            case "ended":
                say(carrier.ended)
            case "over":
                say(carrier.over)


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    arguments = json.loads(sys.argv[1])
    machine.pin(arguments["core"])
    uvloop.run(main(arguments))
