"""The simulated vendors of speech, a process of its own on the generator's core: Deepgram listens, Cartesia speaks.

Told what to do in JSON lines:

    {"do": "ended"}     → [[whose, perf_counter() when it was told that the turn has ended, or that its words are
                          final], …] since the last time
    {"do": "spoken"}    → [[whose, perf_counter() when the first text was there, … when its first audio left], …]
                          since the last time
    {"do": "connected"} → how many websockets are open
    {"do": "opened"}    → how many were opened since the last time
    {"do": "be_bad"}    from now on a share of all connections has a fault → null
    {"do": "faults"}    → how many had which
"""

import asyncio
import base64
import gc
import json
import random
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import uvloop

from bench import machine
from bench.audio import read_callee_audio
from bench.processes import commands, say
from bench.vendors.hearing import Flux, Nova
from bench.vendors.voice import Cartesia, Sound
from bench.vendors.websocket_server import Peer, Side

FAULTS = ("cut", "junk", "closed", "mute")
FAULT_SHARE = 0.3
FAULT_AFTER_S = (0.2, 4.0)


class Vendors:
    def __init__(self, sound: Sound) -> None:
        self.ended: list[tuple[int, float]] = []
        self.spoken: list[tuple[int, float, float]] = []
        self.peers = 0
        self.opened = 0
        self.is_bad = False
        self.faults: dict[str, int] = {}
        self._sound = sound
        self._loop = asyncio.get_running_loop()

    def peer(self) -> Peer:
        return _Counted(self)

    def accept(self, target: str, peer: Peer) -> Side:
        if self.is_bad:
            fault = random.choice(FAULTS) if random.random() < FAULT_SHARE else "none"
            self.faults[fault] = self.faults.get(fault, 0) + 1
            match fault:
                case "cut":
                    self._loop.call_later(random.uniform(*FAULT_AFTER_S), peer.cut)
                case "junk":
                    self._loop.call_later(random.uniform(*FAULT_AFTER_S), peer.send, b"{]")
                case "closed":
                    self._loop.call_later(random.uniform(*FAULT_AFTER_S), peer.close)
                case "mute":
                    return Mute()
        parts = urlsplit(target)
        mulaw = parse_qs(parts.query).get("encoding") == ["mulaw"]
        match parts.path:
            case "/v2/listen":
                return Flux(peer, self._ended, mulaw=mulaw)
            case "/v1/listen":
                return Nova(peer, self._ended, self._loop.call_later, mulaw=mulaw)
            case "/tts/websocket":
                return Cartesia(peer, self._sound, self._spoken, self._loop.call_later)
        raise ValueError(f"no vendor at {parts.path}")

    def _ended(self, number: int, at: float) -> None:
        self.ended.append((number, at))

    def _spoken(self, number: int, asked_at: float, at: float) -> None:
        self.spoken.append((number, asked_at, at))


class Mute:
    """Says nothing more, whatever it is sent."""

    def receive(self, data: bytes, *, text: bool) -> None:
        pass

    def gone(self) -> None:
        pass


class _Counted(Peer):
    def __init__(self, vendors: Vendors) -> None:
        super().__init__(vendors.accept)
        self._vendors = vendors

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._vendors.peers += 1
        self._vendors.opened += 1

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._vendors.peers -= 1


async def main(config: dict[str, str]) -> None:
    sentences, _ = read_callee_audio(Path(config["audio"]))
    vendors = Vendors(Sound(b"".join(base64.b64decode(frame) for sentence in sentences for frame in sentence)))
    server = await asyncio.get_running_loop().create_server(vendors.peer, "127.0.0.1", 0)
    gc.collect()
    gc.freeze()
    gc.disable()  # as the generator's
    say({"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"})
    async for command in commands():
        match command["do"]:
            case "ended":
                say(vendors.ended)
                vendors.ended.clear()
            case "spoken":
                say(vendors.spoken)
                vendors.spoken.clear()
            case "connected":
                say(vendors.peers)
            case "opened":
                say(vendors.opened)
                vendors.opened = 0
            case "be_bad":
                vendors.is_bad = True
                say(None)
            case "faults":
                say(vendors.faults)


if __name__ == "__main__":
    arguments = json.loads(sys.argv[1])
    machine.pin(arguments["core"])
    uvloop.run(main(arguments))
