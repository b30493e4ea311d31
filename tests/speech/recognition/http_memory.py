"""A simulated vendor's transcriptions over HTTP without a network, in virtual time."""

import asyncio

import httpx
from starlette.datastructures import UploadFile
from starlette.requests import Request

from outdial.simulator.faults import Faults
from outdial.simulator.speech.socket import Refused
from outdial.simulator.speech.transcriptions import BrokenOff, transcribe


class HttpMemory:
    """As InMemory; `sockets` are the requests."""

    open_sockets = 0

    def __init__(self, ears, faults=None):
        self.ears = ears
        self.faults = faults or Faults()
        self.sockets = []
        self.transport = httpx.MockTransport(self._answer)

    async def _answer(self, request):
        await asyncio.sleep(0.02)
        if request.method == "GET":
            return _replied(200, '{"object": "list", "data": []}')
        self.sockets.append(request)
        body = await request.aread()

        async def receive():
            return {"type": "http.request", "body": body}

        headers = [(name.lower(), value) for name, value in request.headers.raw]
        asked = Request({"type": "http", "method": "POST", "headers": headers}, receive)
        async with asked.form() as form:
            file = await form["file"].read()
            fields = {key: value for key, value in form.items() if not isinstance(value, UploadFile)}
        try:
            done = await asyncio.wait_for(
                transcribe(asked.headers, fields, file, self.ears, self.faults),
                request.extensions["timeout"]["read"],
            )
        except TimeoutError:
            raise httpx.ReadTimeout("no answer", request=request) from None
        except BrokenOff:
            raise httpx.ReadError("cut", request=request) from None
        except Refused as refused:
            return _replied(refused.status, refused.body)
        return _replied(200, done.body)

    async def aclose(self):
        pass


def _replied(status, body):
    return httpx.Response(status, stream=httpx.ByteStream(body.encode()))
