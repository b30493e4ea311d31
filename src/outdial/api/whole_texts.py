"""The short way for a media websocket's usual frame: a whole text message, not fragmented, in and out.

The library's parser handles everything that RFC 6455 allows or forbids, and takes ten microseconds a frame for it;
with hundreds of calls that is a quarter of a core. Here such a text costs about one. All other frames stay the
library's: those of control, fragments, and whatever is wrong.
"""

from collections.abc import Iterator
from struct import Struct

try:
    from websockets.speedups import apply_mask
except ImportError:  # no compiled part for this platform
    from websockets.utils import apply_mask

WHOLE_TEXT = 0x81  # FIN, no reserved bit, opcode 1
FIN = MASKED = 0x80  # of the first byte, and of the second
CONTINUATION = 0x0

_SHORT, _MEDIUM, _LONG = Struct(">BB"), Struct(">BBH"), Struct(">BBQ")


class Splitter:
    """A client's bytes, cut into frames. Only for a connection whose library has seen no part of a frame."""

    __slots__ = ("_max_bytes", "_rest", "_stopped")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes  # of one frame's payload
        self._rest = b""
        self._stopped = False

    def split(self, data: bytes) -> Iterator[tuple[bool, bytes]]:
        """True and the bytes of a whole text; or False and bytes for the library, in the order they came.

        The library gets whole frames, until one is fragmented or too long: then it gets everything from there on.
        """
        if self._stopped:
            yield False, data
            return
        if self._rest:
            data = self._rest + data
            self._rest = b""
        place, end = 0, len(data)
        while (left := end - place) >= 2:
            first, second = data[place], data[place + 1]
            size, head = second & ~MASKED, 2
            if size == 126:
                if left < 4:
                    break
                size, head = int.from_bytes(data[place + 2 : place + 4]), 4
            elif size == 127:
                if left < 10:
                    break
                size, head = int.from_bytes(data[place + 2 : place + 10]), 10
            if not first & FIN or first & 0xF == CONTINUATION or size > self._max_bytes:
                self._stopped = True
                yield False, data[place:]
                return
            if second & MASKED:
                head += 4
            following = place + head + size
            if following > end:
                break
            if first == WHOLE_TEXT and second & MASKED:
                yield True, apply_mask(data[place + head : following], data[place + head - 4 : place + head])
            else:
                yield False, data[place:following]
            place = following
        self._rest = data[place:]


def text_frame(text: bytes) -> bytes:
    """A whole text as a server sends it, unmasked. `text` is UTF-8."""
    size = len(text)
    if size < 126:
        return _SHORT.pack(WHOLE_TEXT, size) + text
    if size < 65536:
        return _MEDIUM.pack(WHOLE_TEXT, 126, size) + text
    return _LONG.pack(WHOLE_TEXT, 127, size) + text
