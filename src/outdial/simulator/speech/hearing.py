"""The simulated recognisers, each under its vendor's name: /deepgram/v1/listen and its like."""

from collections.abc import Callable
from typing import Protocol

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from outdial.simulator import connection
from outdial.simulator.faults import Faults
from outdial.simulator.speech import transcriptions
from outdial.simulator.speech.assemblyai import AssemblyAIRecogniser
from outdial.simulator.speech.flux import FluxRecogniser
from outdial.simulator.speech.nova import NovaRecogniser
from outdial.simulator.speech.socket import Asked, Line, Refused, VoiceSocket
from outdial.simulator.speech.transcriptions import BrokenOff
from outdial.simulator.speech.websocket import serve_vendor
from outdial.speech.base import SpeechToText
from outdial.speech.missing import NoSpeechToText
from outdial.speech.offline import OfflineSpeechToText, available

MAX_FILE_BYTES = 8 * 1024 * 1024


class SimulatedRecogniser(Protocol):
    """A vendor's streaming recognition."""

    name: str
    path: str  # of the websocket, as a route

    def accept(self, asked: Asked, line: Line, engine: SpeechToText, faults: Faults) -> VoiceSocket:
        """Raises Refused."""
        ...


RECOGNISERS: tuple[SimulatedRecogniser, ...] = (NovaRecogniser(), FluxRecogniser(), AssemblyAIRecogniser())


class HearingVendors:
    """With one engine behind them, made when the first of them is asked."""

    def __init__(self, faults: Faults, engine: SpeechToText | None = None) -> None:
        self._faults = faults
        self._engine = engine

    def routes(self) -> list[BaseRoute]:
        return [
            *(WebSocketRoute(vendor.path, self._serving(vendor)) for vendor in RECOGNISERS),
            Route(transcriptions.PATH, self._transcribe, methods=["POST"]),
            Route(transcriptions.MODELS_PATH, self._models),
        ]

    async def _transcribe(self, request: Request) -> Response:
        async with request.form(max_files=1, max_part_size=MAX_FILE_BYTES) as form:
            file = form.get("file")
            content = await file.read(MAX_FILE_BYTES) if isinstance(file, UploadFile) else b""
            fields = {key: value for key, value in form.items() if isinstance(value, str)}
        try:
            done = await transcriptions.transcribe(request.headers, fields, content, self.engine, self._faults)
        except Refused as refused:
            return Response(refused.body, status_code=refused.status, media_type="application/json")
        except BrokenOff:
            connection.reset(request.scope)
            return Response(status_code=500)
        return Response(done.body, media_type=done.type)

    async def _models(self, request: Request) -> Response:
        return Response('{"object": "list", "data": []}', media_type="application/json")

    @property
    def engine(self) -> SpeechToText:
        if self._engine is None:
            self._engine = OfflineSpeechToText() if available()[1].problem is None else NoSpeechToText()
        return self._engine

    def _serving(self, vendor: SimulatedRecogniser) -> Callable[[WebSocket], object]:
        async def serve(websocket: WebSocket) -> None:
            await serve_vendor(
                websocket, lambda asked, line: vendor.accept(asked, line, self.engine, self._faults)
            )

        return serve
