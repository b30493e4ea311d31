"""The simulated voices, each under its vendor's name: /cartesia/tts/websocket and its like."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from outdial.simulator import connection
from outdial.simulator.background import Background
from outdial.simulator.bodies import TooLarge, read_body
from outdial.simulator.faults import FaultKind, Faults
from outdial.simulator.speech import openai
from outdial.simulator.speech.cartesia import CartesiaVoice
from outdial.simulator.speech.deepgram import DeepgramVoice
from outdial.simulator.speech.elevenlabs import ElevenLabsVoice
from outdial.simulator.speech.openai import BrokenOff, OpenAiSpeech
from outdial.simulator.speech.socket import Asked, Line, Message, Refused, SimulatedVoice
from outdial.simulator.voices import Voice
from outdial.simulator.waiting import first_of

VOICES: tuple[SimulatedVoice, ...] = (CartesiaVoice(), ElevenLabsVoice(), DeepgramVoice())
CUT = -1
MAX_BODY_BYTES = 64 * 1024


class SpokenVendors:
    def __init__(self, faults: Faults, voice: Voice) -> None:
        self._faults = faults
        self._voice = voice

    def routes(self) -> list[BaseRoute]:
        sockets = [WebSocketRoute(voice.path, _Served(voice, self._faults, self._voice).serve) for voice in VOICES]
        return [*sockets, Route(openai.PATH, self._speech, methods=["POST"])]

    async def _speech(self, request: Request) -> Response:
        try:
            body = await read_body(request, MAX_BODY_BYTES)
            answer = OpenAiSpeech().answer(request.headers, body, self._voice.audio, self._faults)
            type_, pieces = await answer
        except TooLarge:
            return Response(status_code=413)
        except Refused as refused:
            return Response(refused.body, status_code=refused.status, media_type="application/json")

        async def to_the_end() -> AsyncGenerator[bytes]:
            try:
                async for piece in pieces:
                    yield piece
            except BrokenOff:
                connection.reset(request.scope)
            finally:
                await pieces.aclose()

        return StreamingResponse(to_the_end(), media_type=type_)


class _Served:
    def __init__(self, vendor: SimulatedVoice, faults: Faults, voice: Voice) -> None:
        self._vendor = vendor
        self._faults = faults
        self._voice = voice

    async def serve(self, websocket: WebSocket) -> None:
        outgoing: asyncio.Queue[Message | tuple[int, str]] = asyncio.Queue()
        line = Line(
            send=outgoing.put_nowait,
            close=lambda code, reason: outgoing.put_nowait((code, reason)),
            cut=lambda: outgoing.put_nowait((CUT, "")),
        )
        asked = Asked(
            path=websocket.url.path,
            query=dict(websocket.query_params),
            headers=dict(websocket.headers),
        )
        try:
            theirs = self._vendor.accept(asked, line, self._voice.audio, self._faults)
        except Refused as refused:
            await websocket.send_denial_response(
                Response(refused.body, status_code=refused.status, media_type="application/json")
            )
            return
        await websocket.accept()
        idle = self._faults.strike_voice(FaultKind.VOICE_IDLE, vendor=self._vendor.name)
        if idle is not None:
            asyncio.get_running_loop().call_later(idle.delay_s, outgoing.put_nowait, (idle.code, ""))

        async def read() -> None:
            while (message := await websocket.receive())["type"] == "websocket.receive":
                theirs.receive(message["bytes"] if message.get("bytes") is not None else message["text"])

        async def write() -> None:
            while True:
                match await outgoing.get():
                    case str(text):
                        await websocket.send_text(text)
                    case bytes(data):
                        await websocket.send_bytes(data)
                    case (code, reason):
                        if code == CUT and connection.reset(websocket.scope):
                            return
                        await websocket.close(1011 if code == CUT else int(code), str(reason))
                        return

        try:
            with suppress(RuntimeError):  # it was closed by who is connected
                async with Background() as both:
                    await first_of(both.start(read()), both.start(write()))
        finally:
            await theirs.aclose()
