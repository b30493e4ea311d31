"""Simulated vendors of speech without a network, in virtual time, and a voice whose words are read from its audio."""

import asyncio
from functools import cache

import httpx

from outdial.media.frames import FRAME_BYTES, FRAME_MS
from outdial.media.g711 import ulaw_to_pcm
from outdial.simulator.faults import Faults
from outdial.simulator.speech.openai import BrokenOff
from outdial.simulator.speech.socket import Asked, Line, Refused
from outdial.speech.wire.failures import Fault, VendorFailed, by_close, by_status

MS_PER_CHAR = 60
HANDSHAKE_S = 0.05
# Samples that mu-law keeps as they are, loud ones: each word has its own.
NUMBERS = sorted({int.from_bytes(ulaw_to_pcm(bytes([code]))[:2], "little", signed=True) for code in range(256)})
NUMBERS = [number for number in NUMBERS if number > 300]


@cache
def nearest(sample):
    return min(NUMBERS, key=lambda number: abs(number - sample))


class WordVoice:
    """Each word is as long as its letters and the space behind it, a sample's value of its own all along."""

    def __init__(self):
        self.words = []
        self.asked = []

    async def __call__(self, text):
        self.asked.append(text)
        return b"".join(self._word(word) for word in text.split())

    def _word(self, word):
        if word not in self.words:
            self.words.append(word)
        number = NUMBERS[self.words.index(word) % len(NUMBERS)]
        return number.to_bytes(2, "little", signed=True) * (8 * MS_PER_CHAR * (len(word) + 1))

    def heard(self, pcm):
        """The words in some audio, those of which at least half is there."""
        order = []
        for at in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES):
            middle = at + FRAME_BYTES // 2
            sample = abs(int.from_bytes(pcm[middle : middle + 2], "little", signed=True))
            number = nearest(sample)
            if abs(number - sample) < number / 100 and NUMBERS.index(number) < len(self.words):
                word = self.words[NUMBERS.index(number)]
                if not order or order[-1][0] != word:
                    order.append([word, 0])
                order[-1][1] += FRAME_MS
        return [word for word, ms in order if ms >= MS_PER_CHAR * (len(word) + 1) / 2]


class InMemory:
    """Opens websockets to a simulated vendor (it is an `Open`)."""

    def __init__(self, vendor, speak=None, faults=None):
        self.vendor = vendor
        self.speak = speak or WordVoice()
        self.faults = faults or Faults()
        self.sockets = []
        self.reachable = True
        self.handshake_s = HANDSHAKE_S

    async def __call__(self, endpoint, receiver):
        await asyncio.sleep(self.handshake_s)
        if not self.reachable:
            raise by_status(503)
        path, _, query = endpoint.url.partition("://")[2].partition("/")[2].partition("?")
        pairs = dict(pair.split("=", 1) for pair in query.split("&") if pair)
        headers = {name.lower(): value for name, value in endpoint.headers.items()}
        wire = Wire(receiver)
        try:
            asked = Asked(path=f"/{path}", query=pairs, headers=headers)
            wire.theirs = self.vendor.accept(asked, wire.line, self.speak, self.faults)
        except Refused as refused:
            raise by_status(refused.status, refused.body.encode()) from None
        self.sockets.append(wire)
        return wire

    @property
    def open_sockets(self):
        return sum(wire.is_open for wire in self.sockets)

    async def aclose(self):
        for wire in self.sockets:
            await wire.theirs.aclose()


class Wire:
    def __init__(self, receiver):
        self.is_open = True
        self.is_silent = False  # nothing comes any more
        self.sent = []
        self.theirs = None
        self._receiver = receiver
        self.line = Line(send=self._to_us, close=self._closed, cut=lambda: self._closed(1006, ""))

    def send(self, message):
        if self.is_open:
            self.sent.append(message)
            asyncio.get_running_loop().call_soon(self._to_them, message)

    def close(self, last=None):
        if last is not None:
            self.send(last)
        self.is_open = False

    def _to_them(self, message):
        self.theirs.receive(message)

    def _to_us(self, message):
        if self.is_open and not self.is_silent:
            try:
                self._receiver.message(message)
            except ValueError:
                self.is_open = False
                self._receiver.gone(VendorFailed(Fault.UNREADABLE))

    def _closed(self, code, reason):
        if self.is_open:
            self.is_open = False
            self._receiver.gone(by_close(code, reason))


class HttpInMemory(httpx.AsyncBaseTransport):
    """The same of a vendor that is asked over HTTP; `sockets` are its answers."""

    def __init__(self, vendor, speak=None, faults=None):
        self.vendor = vendor
        self.speak = speak or WordVoice()
        self.faults = faults or Faults()
        self.sockets = []
        self.reachable = True
        self.handshake_s = HANDSHAKE_S

    async def handle_async_request(self, request):
        await asyncio.sleep(self.handshake_s)
        if not self.reachable:
            return _refusal(503, "")
        body = await request.aread()
        try:
            type_, pieces = await self.vendor.answer(request.headers, body, self.speak, self.faults)
        except Refused as refused:
            return _refusal(refused.status, refused.body)
        answer = _Body(pieces)
        self.sockets.append(answer)
        return httpx.Response(200, headers={"content-type": type_}, stream=answer)

    @property
    def open_sockets(self):
        return sum(not answer.closed for answer in self.sockets)

    async def aclose(self):
        pass


def _refusal(status, body):
    return httpx.Response(status, stream=httpx.ByteStream(body.encode()))


class _Body(httpx.AsyncByteStream):
    def __init__(self, pieces):
        self._pieces = pieces
        self.closed = False

    async def __aiter__(self):
        try:
            async for piece in self._pieces:
                yield piece
        except BrokenOff:
            raise httpx.RemoteProtocolError("peer closed connection") from None

    async def aclose(self):
        self.closed = True
        await self._pieces.aclose()
