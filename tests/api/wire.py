"""An HTTP connection in memory and in virtual time: its transport, and an app behind it."""

import asyncio
import json
import re

import uvicorn
from uvicorn.server import ServerState

from outdial.api.connections import ConnectionLimits, Connections
from outdial.api.http_connection import HttpConnection


class Echo:
    """An app that reads the whole body and tells what came; `slow_s`: after how long it begins to read."""

    def __init__(self, slow_s=0.0):
        self.slow_s = slow_s
        self.seen = []

    async def __call__(self, scope, receive, send):
        await asyncio.sleep(self.slow_s)
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.seen.append("left")
                return
            body += message["body"]
            if not message["more_body"]:
                break
        self.seen.append((scope["path"], len(body)))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


class Wire(asyncio.Transport):
    """A peer's end of a connection to `app`: `send` bytes, look at what `came` and when it was `closed_at`."""

    def __init__(self, app, *, limits=None, address="198.51.100.7", connections=None, ws="none"):
        super().__init__()
        self.came = bytearray()
        self.closed_at = None
        self.was_reset = False
        self._address = address
        self._paused = False
        self._held_back = []
        config = uvicorn.Config(app, lifespan="off", log_config=None, ws=ws, access_log=False)
        self.connections = Connections(limits or ConnectionLimits()) if connections is None else connections
        self.protocol = HttpConnection(config, ServerState(), self.connections)
        self.protocol.connection_made(self)

    # -- the peer's end --------------------------------------------------------------------------------------

    def send(self, data):
        if self._paused:
            self._held_back.append(data)
        elif self.closed_at is None:
            self.protocol.data_received(data)

    @property
    def statuses(self):
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", self.came)]

    @property
    def problem(self):
        return json.loads(bytes(self.came).rpartition(b"\r\n\r\n")[2])

    def leave(self):
        self._lose(None)

    # -- asyncio.Transport -----------------------------------------------------------------------------------

    def get_extra_info(self, name, default=None):
        return {"socket": self}.get(name, default)

    def getpeername(self):
        return self._address, 40000

    def getsockname(self):
        return "192.0.2.80", 8080

    def setsockopt(self, level, option, value):
        self.was_reset = True


    def write(self, data):
        self.came += data

    def get_write_buffer_size(self):
        return 0

    def is_closing(self):
        return self.closed_at is not None

    def pause_reading(self):
        self._paused = True

    def resume_reading(self):
        self._paused = False
        held_back, self._held_back = self._held_back, []
        for data in held_back:
            self.send(data)

    def set_protocol(self, protocol):
        self.protocol = protocol

    def get_protocol(self):
        return self.protocol

    def close(self):
        self._lose(None)

    abort = close

    def _lose(self, error):
        if self.closed_at is None:
            loop = asyncio.get_running_loop()
            self.closed_at = loop.time()
            loop.call_soon(self.protocol.connection_lost, error)
