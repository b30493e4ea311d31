"""The body of a vendor's answer over HTTP, as far as it is looked at: whoever sends one without end is broken off."""

import httpx

# Of every request: what is packed would be read packed, and a little of it may unpack to a lot.
UNPACKED = {"accept-encoding": "identity"}


async def beginning(answer: httpx.Response, most_bytes: int) -> bytes:
    """What is longer is cut there, and not read any further. Raises httpx.HTTPError."""
    body = bytearray()
    async for piece in answer.aiter_raw():
        body += piece
        if len(body) >= most_bytes:
            break
    return bytes(body[:most_bytes])
