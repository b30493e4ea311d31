"""The brain as a websocket server of a user's, which speaks Twilio's ConversationRelay: /relay.

Source: twilio.com/docs/voice/conversationrelay/websocket-messages.
"""

import asyncio
import base64
import hashlib
import hmac
import json
from contextlib import suppress
from typing import Any

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from outdial.simulator.brain import faults, music
from outdial.simulator.brain.faults import Struck
from outdial.simulator.brain.rules import Reply, keyed, reply
from outdial.simulator.brain.told import Notebook
from outdial.simulator.faults import LONGEST_S, FaultKind, Faults

PATH = "/relay"
PIECE_S = 0.02  # between two tokens


class RelayBrain:
    """With a `token` only handshakes are served that are signed with it."""

    def __init__(self, notebook: Notebook, faults_: Faults, *, token: str = "") -> None:
        self._notebook = notebook
        self._faults = faults_
        self._token = token
        self._connections = 0

    def routes(self) -> list[WebSocketRoute]:
        return [WebSocketRoute(PATH, self._serve)]

    async def _serve(self, websocket: WebSocket) -> None:
        struck = faults.strike(self._faults, (FaultKind.BRAIN_REFUSED, FaultKind.BRAIN_HANGS))
        if FaultKind.BRAIN_HANGS in struck:
            await asyncio.sleep(LONGEST_S)
        if FaultKind.BRAIN_REFUSED in struck or not self._is_signed(websocket):
            await websocket.close()  # before it was accepted: 403
            return
        await websocket.accept()
        self._connections += 1
        with suppress(WebSocketDisconnect, RuntimeError):  # the other side has left, perhaps while we wrote
            await _Conversation(websocket, self._notebook, self._faults, f"connection {self._connections}").hold()

    def _is_signed(self, websocket: WebSocket) -> bool:
        url = str(websocket.url)
        signed = base64.b64encode(hmac.new(self._token.encode(), url.encode(), hashlib.sha1).digest()).decode()
        return not self._token or hmac.compare_digest(websocket.headers.get("x-twilio-signature", ""), signed)


class _Conversation:
    def __init__(self, websocket: WebSocket, notebook: Notebook, faults_: Faults, about: str) -> None:
        self._websocket = websocket
        self._notebook = notebook
        self._faults = faults_
        self._about = about
        self._answering: asyncio.Task[None] | None = None

    async def hold(self) -> None:
        try:
            while True:
                message = json.loads(await self._websocket.receive_text())
                self._notebook.note("relay", self._about, message, self._websocket.headers)
                match message:
                    case {"type": "prompt", "last": True, "voicePrompt": str(text)}:
                        await self._answer(reply(text))
                    case {"type": "dtmf", "digit": str(digit)}:
                        await self._answer(keyed(digit))
                    case {"type": "interrupt"}:
                        await self._stop()
        finally:
            await self._stop()

    async def _stop(self) -> None:
        if self._answering is not None:
            self._answering.cancel()
            with suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await self._answering
            self._answering = None

    async def _answer(self, said: Reply) -> None:
        await self._stop()
        self._answering = asyncio.create_task(self._say(said, faults.strike(self._faults)))

    async def _say(self, said: Reply, struck: Struck) -> None:
        if FaultKind.BRAIN_SILENT in struck:
            return
        if (slow := struck.get(FaultKind.BRAIN_SLOW)) is not None:
            await asyncio.sleep(slow.delay_s)
        for one in faults.GARBAGE if FaultKind.BRAIN_GARBAGE in struck else ():
            await self._websocket.send_text(one)
        if FaultKind.BRAIN_TOO_LONG in struck:
            await self._send({"type": "text", "token": "x" * faults.HUGE, "last": True})
        for place, piece in enumerate(said.pieces):
            if place == len(said.pieces) // 2:
                if FaultKind.BRAIN_CUT in struck:
                    await self._websocket.close(1011)
                    return
                if (stalled := struck.get(FaultKind.BRAIN_STALLED)) is not None:
                    await asyncio.sleep(stalled.delay_s)
            await self._send({"type": "text", "token": piece, "last": False})
            await asyncio.sleep(PIECE_S)
        if FaultKind.BRAIN_UNMARKED not in struck:
            await self._send({"type": "text", "token": "", "last": True})
        if said.plays:
            source = music.url_of(self._websocket)
            await self._send({"type": "play", "source": source, "loop": 0, "preemptible": True})
        if FaultKind.BRAIN_LEFT in struck:
            await self._websocket.close(1000)
        elif said.outcome is not None or said.connects:
            handoff = {"transfer": "front_desk"} if said.connects else {"outcome": said.outcome}
            await self._send({"type": "end", "handoffData": json.dumps(handoff)})

    async def _send(self, message: dict[str, Any]) -> None:
        await self._websocket.send_text(json.dumps(message))
