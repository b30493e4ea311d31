"""A leg's media stream: the websocket, its callbacks, and what can go wrong with both."""

import asyncio
from collections.abc import Callable

from outdial.simulator import websocket
from outdial.simulator.faults import FaultKind
from outdial.simulator.telnyx.ids import new_uuid
from outdial.simulator.telnyx.media import MediaStream
from outdial.simulator.telnyx.parameters import Stream
from outdial.simulator.telnyx.party import Party

NORMAL_CLOSES = frozenset({1000, 1001, 1005})


class Streaming:
    """From `open` to `close`. The customer's closing the websocket ends the stream, not the call."""

    def __init__(self, party: Party, wanted: Stream, on_close: Callable[[], None]) -> None:
        self.id = new_uuid()
        self._party = party
        self._wanted = wanted
        self._on_close = on_close
        self._stream: MediaStream | None = None
        self._socket: websocket.WebSocket | None = None
        self._cut: asyncio.TimerHandle | None = None
        self._opening: asyncio.Task[None] | None = None

    def open(self) -> None:
        if self._party.strikes(FaultKind.STREAM_NEVER_STARTED) is None:
            self._opening = self._party.network.start(self._open())

    def close(self, failure: str = "") -> None:
        """Tell the customer that the stream is over; nothing happens to the call."""
        if self._opening is not None and not self._opening.done():
            self._opening.cancel()
        if self._cut is not None:
            self._cut.cancel()
        if self._stream is not None and self._socket is not None:
            self._party.audio.stream = None
            self._stream.stop()
            self._socket.close()
            self._stream = None
            if failure:
                self._post_failure(failure)
            else:
                self._post("streaming.stopped")
        self._on_close()

    async def _open(self) -> None:
        party, leg = self._party, self._party.leg
        stream = MediaStream(
            lambda text: socket.send(text),
            wanted=self._wanted,
            leg_codec=party.shared.config.leg_codec,
            stream_id=self.id,
            start={
                "user_id": leg.call.account,
                "call_control_id": leg.call.id,
                "call_session_id": leg.session_id,
                "from": leg.call.from_,
                "to": leg.call.to,
                "tags": [],
                "client_state": leg.client_state,
            },
            now=party.network.clock.now,
            reordered=party.strikes(FaultKind.MEDIA_REORDERED) is not None,
        )
        try:
            socket = await websocket.connect(
                self._wanted.url, {}, on_message=stream.receive, on_close=self._closed_by_customer
            )
        except websocket.HandshakeFailed as exc:
            party.note(f"Stream: {exc}", url=self._wanted.url)
            self._post_failure("connection_failed")
            self._on_close()
            return
        self._stream, self._socket = stream, socket
        cut = party.strikes(FaultKind.STREAM_CUT)
        if cut is not None:
            self._cut = asyncio.get_running_loop().call_later(cut.after_ms / 1000, socket.cut)
        if garbled := party.strikes(FaultKind.MEDIA_GARBLED):
            socket.garble(garbled.after_ms / 1000)
        stream.start()
        party.audio.stream = stream
        self._post("streaming.started")

    def _closed_by_customer(self, code: int) -> None:
        if self._stream is not None:
            self._stream.open = False  # there is nobody to tell the rest
        self.close("" if code in NORMAL_CLOSES else "connection_lost")

    def _post(self, event_type: str) -> None:
        self._party.callbacks.post(event_type, stream_url=self._wanted.url, stream_id=self.id)

    def _post_failure(self, reason: str) -> None:
        self._party.callbacks.post(
            "streaming.failed",
            failure_reason=reason,
            stream_id=self.id,
            stream_params={"stream_url": self._wanted.url, "track": self._wanted.track},
            stream_type="websocket",
        )
