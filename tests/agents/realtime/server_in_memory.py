"""The simulated model of speech, reached in memory: its own protocol, on the test's own clock."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from outdial.agents.brains.reaching import BrainAway
from outdial.agents.tools.access import NoTools
from outdial.agents.tools.asks import OfferedTool
from outdial.simulator.faults import Faults
from outdial.simulator.realtime.answers import answer
from outdial.simulator.realtime.session import RealtimeSession, accept
from outdial.simulator.speech.socket import Asked, Line, Refused
from outdial.testing.engines import sound, speech_ms
from outdial.testing.written_tools import WrittenTools

ITS_VOICE = 1500


class InTurn:
    """A recogniser that understands one thing after the other, whatever it is fed."""

    name = "in turn"

    def __init__(self, texts):
        self.texts = list(texts)
        self.takes_s = 0.05

    def recognition(self):
        return self

    def feed(self, pcm):
        pass

    async def text(self):
        await asyncio.sleep(self.takes_s)
        return self.texts.pop(0) if self.texts else ""


async def speak(text):
    return sound(ITS_VOICE, speech_ms(text))


class Socket:
    def __init__(self, server, asked):
        self._come = asyncio.Queue()
        self.session: RealtimeSession = accept(
            asked,
            Line(send=self._send, close=self._close, cut=lambda: self._drop("connection")),
            server.ears,
            speak,
            server.faults,
            server.brain,
        )
        self.closed = False

    def _send(self, message):
        self._come.put_nowait(message)

    def _close(self, code, reason):
        self._drop(f"closed_{code}")

    def _drop(self, word):
        self._come.put_nowait(BrainAway(word))

    async def receive(self):
        message = await self._come.get()
        if isinstance(message, BrainAway):
            await self.session.aclose()
            raise message
        return message

    async def send(self, text):
        self.session.receive(text)

    async def close(self, code=1000, reason=""):
        self.closed = True
        await self.session.aclose()


class Server(NoTools):
    """`says`: what the callee says, as the model hears it. `brain`: what it answers."""

    def __init__(self, *says: str, faults: tuple[Any, ...] = (), brain=answer, tools: Mapping[str, Any] | None = None):
        self.ears = InTurn(says)
        self.faults = Faults(faults)
        self.brain = brain
        self.sockets: list[Socket] = []
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        self.written = WrittenTools(tools or {})
        self.brains = self  # type: ignore[assignment]
        self.secrets = self._reveal  # type: ignore[assignment]

    async def _reveal(self, names, host):
        return dict.fromkeys(names, "sk-test")

    def http(self, tool) -> OfferedTool:
        return self.written.http(tool)

    async def connect(self, url, headers, *, most_bytes=0):
        self.asked.append((url, headers))
        lower = {name.lower(): value for name, value in headers.items()}
        query = {"model": url.partition("model=")[2]}
        try:
            socket = Socket(self, Asked(path="/realtime", query=query, headers=lower))
        except Refused as refused:
            raise BrainAway(f"http_{refused.status}", may_again=refused.status != 401) from None
        self.sockets.append(socket)
        return socket

    def told(self, type_: str) -> list[dict[str, Any]]:
        return [one for socket in self.sockets for one in socket.session.told if one["type"] == type_]


class Edited(Server):
    """`edit`: which messages the server sends in the place of one."""

    def __init__(self, *says: str, edit, **more: Any):
        super().__init__(*says, **more)
        self._edit = edit

    async def connect(self, url, headers, *, most_bytes=0):
        socket = await super().connect(url, headers, most_bytes=most_bytes)
        send = socket._send

        def edited(message):
            for one in self._edit(json.loads(message)):
                send(json.dumps(one))

        socket.session._line = Line(send=edited, close=socket._close, cut=lambda: socket._drop("connection"))
        return socket
