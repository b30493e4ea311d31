"""A receiver that counts: `python -m bench.webhook_receiver`. Says its port on stdout; a line for each event on the way
out, when its input ends: call, sequence, webhook-id and when it came (Unix seconds)."""

import asyncio
import sys
import time
from array import array

_TYPES = (b'"sequence":', b'"call":{"id":"', b"webhook-id: ")


class Receiver(asyncio.Protocol):
    """As little work as possible: it runs beside what is measured."""

    calls: list[bytes] = []  # noqa: RUF012 - of the whole process
    sequences = array("l")
    ids: list[bytes] = []  # noqa: RUF012
    came_at = array("d")

    def __init__(self) -> None:
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            length = int(_after(head, b"content-length: ", b"\r"))
            if len(self._data) < end + 4 + length:
                return
            body = self._data[end + 4 : end + 4 + length]
            self._data = self._data[end + 4 + length :]
            self.came_at.append(time.time())
            self.sequences.append(int(_after(body, _TYPES[0], b",")))
            self.calls.append(_after(body, _TYPES[1], b'"'))
            self.ids.append(_after(head, _TYPES[2], b"\r"))
            self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")  # type: ignore[attr-defined]


def _after(text: bytes, mark: bytes, until: bytes) -> bytes:
    start = text.index(mark) + len(mark)
    return text[start : end if (end := text.find(until, start)) >= 0 else None]


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Receiver, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    lines = zip(Receiver.calls, Receiver.sequences, Receiver.ids, Receiver.came_at, strict=True)
    sys.stdout.writelines(f"{call.decode()} {seq} {event.decode()} {at:.6f}\n" for call, seq, event, at in lines)


if __name__ == "__main__":
    asyncio.run(main())
