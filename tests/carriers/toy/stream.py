"""The toy's media websocket: text is JSON, binary is 20 ms of PCM16 at 8000 Hz. Messages in, events out; no I/O."""

import json

from outdial.media.frames import FRAME_BYTES, FRAME_MS
from outdial.media.stream import (
    AudioReceived,
    BadFrame,
    MarkReached,
    MarksAtClear,
    StreamEnded,
    StreamEvent,
    StreamStarted,
)


class ToyStream:
    """The codec of one websocket (see media.stream.StreamCodec)."""

    lead_ms = 200
    says_stop = True
    marks_at_clear = MarksAtClear.RETURNED

    def __init__(self) -> None:
        self._received_ms = 0

    def receive(self, message: str | bytes) -> StreamEvent | None:
        if isinstance(message, bytes):
            if len(message) != FRAME_BYTES:
                raise BadFrame("not 20 ms of audio")
            self._received_ms += FRAME_MS
            return AudioReceived(message, self._received_ms)
        try:
            told = json.loads(message)
        except (ValueError, RecursionError) as error:
            raise BadFrame("not JSON") from error
        match told:
            case {"begin": str() as call}:
                return StreamStarted(stream_id=call, carrier_call_id=call, parameters={})
            case {"played": str() as name}:
                return MarkReached(name)
            case {"end": True}:
                return StreamEnded()
            case dict():
                return None
        raise BadFrame("not an object")

    def audio(self, pcm: bytes) -> bytes:
        return pcm

    def mark(self, name: str) -> str:
        return json.dumps({"tell_when_played": name})

    def clear(self) -> str:
        return json.dumps({"drop": True})
