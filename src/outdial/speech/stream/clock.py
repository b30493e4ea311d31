"""Where in a call the audio of a connection was said: the vendor counts what it was sent, from nothing. Pure."""

from bisect import bisect_right

ALIKE_MS = 20.0      # a frame may come so much earlier or later
FILLED_MS = 10_000   # of a gap are sent as silence; a longer one is left out


class StreamClock:
    """Times of one connection in ms, of the audio that was sent."""

    def __init__(self) -> None:
        self.sent_ms = 0.0
        self._sent: list[float] = []  # from there on, it is …
        self._call: list[float] = []  # … that moment of the call

    def gap_ms(self, start_ms: float, ms: float) -> float:
        """Note audio that was said from `start_ms` on, and is about to be sent; how much silence goes before it."""
        filled = 0.0
        late_ms = start_ms - self.in_call(self.sent_ms) if self._sent else 0.0
        if ALIKE_MS < late_ms <= FILLED_MS:
            filled = late_ms
            self.sent_ms += filled
        elif not self._sent or abs(late_ms) > ALIKE_MS:
            self._sent.append(self.sent_ms)
            self._call.append(start_ms)
        self.sent_ms += ms
        return filled

    def in_call(self, stream_ms: float) -> float:
        if not self._sent:
            return stream_ms
        place = max(0, bisect_right(self._sent, stream_ms) - 1)
        return self._call[place] + stream_ms - self._sent[place]
