"""Websocket messages that are whole frames, the short way around the library: audio comes and goes 50 times a second
and call, and takes a fraction of the time here. Everything else is the library's. Pure.

Source: RFC 6455 section 5.2.
"""

from collections.abc import Sequence

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without wheels
    from websockets.utils import apply_mask

TEXT, BINARY = 0x81, 0x82  # the first byte of a message in one frame
MASKED = 0x80              # in the second one: a mask follows
MOST_BYTES = 0xFFFF        # of a message that goes this way


def whole_messages(data: bytes, *, masked: bool) -> Sequence[tuple[int, bytes]] | None:
    """The first byte and the payload of each, if `data` is whole messages in one frame each, and nothing else;
    `masked`, as clients send them, or not, as servers do."""
    found = []
    at, end = 0, len(data)
    while at < end:
        if end - at < 2 or data[at] not in (TEXT, BINARY):
            return None
        length = data[at + 1] - MASKED if masked else data[at + 1]
        start = at + 2
        if length == 126:
            if end - at < 4:
                return None
            length, start = data[at + 2] << 8 | data[at + 3], at + 4
        elif not 0 <= length < 126:
            return None
        if masked:
            start += 4
        after = start + length
        if after > end:
            return None
        payload = data[start:after]
        found.append((data[at], apply_mask(payload, data[start - 4 : start]) if masked else payload))
        at = after
    return found or None


def header(first_byte: int, length: int, *, masked: bool = False) -> bytes:
    """What goes before a payload, and before its mask."""
    bit = MASKED if masked else 0
    if length < 126:
        return bytes((first_byte, bit | length))
    if length <= MOST_BYTES:
        return bytes((first_byte, bit | 126, length >> 8, length & 0xFF))
    return bytes((first_byte, bit | 127)) + length.to_bytes(8)


def masked_message(first_byte: int, payload: bytes, mask: bytes) -> bytes:
    """As a client sends it; `mask` is of four random bytes."""
    return header(first_byte, len(payload), masked=True) + mask + apply_mask(payload, mask)
