"""The simulated Realtime API as a route: /openai/v1/realtime."""

from collections import deque
from collections.abc import Callable

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from outdial.simulator.faults import Faults
from outdial.simulator.realtime.session import RealtimeSession, accept
from outdial.simulator.speech.socket import Asked, Line
from outdial.simulator.speech.websocket import serve_vendor
from outdial.simulator.voices import Voice
from outdial.speech.base import SpeechToText

PATH = "/openai/v1/realtime"
KEPT = 20


class Realtime:
    """`sessions`: the newest, for tests in the same process. `engine` hears for it."""

    def __init__(self, faults: Faults, engine: Callable[[], SpeechToText], voice: Voice) -> None:
        self.sessions: deque[RealtimeSession] = deque(maxlen=KEPT)
        self._faults = faults
        self._engine = engine
        self._voice = voice

    def routes(self) -> list[WebSocketRoute]:
        return [WebSocketRoute(PATH, self._serve)]

    async def _serve(self, websocket: WebSocket) -> None:
        def accepted(asked: Asked, line: Line) -> RealtimeSession:
            session = accept(asked, line, self._engine(), self._voice.audio, self._faults)
            self.sessions.append(session)
            return session

        await serve_vendor(websocket, accepted)
