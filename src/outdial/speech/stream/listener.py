"""One connection of a call that is heard over a websocket: its codec, its clock, and what it was paid for."""

import asyncio
from collections.abc import Callable

from outdial.speech.stream.clock import StreamClock
from outdial.speech.stream.codec import Ready, RecognitionCodec, Settled, Told
from outdial.speech.stream.words import Piece, Turn
from outdial.speech.wire.failures import VendorFailed
from outdial.speech.wire.socket import Wire

SILENCE = b"\xff"  # mu-law


class Listener:
    """One connection's side of it: a Receiver, with its codec and its clock."""

    def __init__(
        self,
        codec: RecognitionCodec,
        number: int,
        told: "Callable[[Listener, Told], None]",
        gone: "Callable[[Listener, VendorFailed], None]",
    ) -> None:
        self.codec = codec
        self.wire: Wire | None = None
        self.is_ready = not codec.greets
        self.settled = 0  # answers to `ask`
        self._keys_from = number * 10**10  # no piece of an earlier connection has its key
        self._clock = StreamClock()
        self._began_at = asyncio.get_running_loop().time()
        self.closed_at: float | None = None
        self._told = told
        self._gone = gone

    @property
    def sent_ms(self) -> float:
        return self._clock.sent_ms

    @property
    def open_ms(self) -> float:
        until = asyncio.get_running_loop().time() if self.closed_at is None else self.closed_at
        return (until - self._began_at) * 1000

    def audio(self, mulaw: bytes, at_ms: int) -> None:
        assert self.wire is not None
        ms = len(mulaw) / 8
        silent_ms = self._clock.gap_ms(at_ms - ms, ms)
        if silent_ms:
            mulaw = SILENCE * round(silent_ms * 8) + mulaw
        for message in self.codec.audio(mulaw):
            self.wire.send(message)

    def ask(self) -> None:
        assert self.wire is not None
        for message in self.codec.ask():
            self.wire.send(message)

    def message(self, message: str | bytes) -> None:
        for told in self.codec.receive(message):
            match told:
                case Ready():
                    self.is_ready = True
                case Settled():
                    self.settled += 1
                case Piece():
                    at_ms = self._clock.in_call(told.start_ms)
                    told = told.later(at_ms - told.start_ms, keys_from=self._keys_from)
                case Turn():
                    told = Turn(told=told.told, at_ms=self._clock.in_call(told.at_ms))
            self._told(self, told)

    def gone(self, failure: VendorFailed) -> None:
        self._gone(self, failure)
