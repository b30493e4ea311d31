"""The simulated voices, each under its vendor's name: /cartesia/tts/websocket and its like."""

import asyncio
from collections.abc import AsyncGenerator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from outdial.simulator import connection
from outdial.simulator.bodies import TooLarge, read_body
from outdial.simulator.faults import FaultKind, Faults
from outdial.simulator.speech import openai
from outdial.simulator.speech.cartesia import CartesiaVoice
from outdial.simulator.speech.deepgram import DeepgramVoice
from outdial.simulator.speech.elevenlabs import ElevenLabsVoice
from outdial.simulator.speech.openai import BrokenOff, OpenAiSpeech
from outdial.simulator.speech.socket import Asked, Line, Refused, SimulatedVoice, VoiceSocket
from outdial.simulator.speech.websocket import serve_vendor
from outdial.simulator.voices import Voice

VOICES: tuple[SimulatedVoice, ...] = (CartesiaVoice(), ElevenLabsVoice(), DeepgramVoice())
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
        def accept(asked: Asked, line: Line) -> VoiceSocket:
            return self._vendor.accept(asked, line, self._voice.audio, self._faults)

        await serve_vendor(websocket, accept, self._idle)

    def _idle(self, line: Line) -> None:
        idle = self._faults.strike_voice(FaultKind.VOICE_IDLE, vendor=self._vendor.name)
        if idle is not None:
            asyncio.get_running_loop().call_later(idle.delay_s, line.close, idle.code, "")
