"""A stream of server-sent events, taken apart. Pure. Source: html.spec.whatwg.org, Server-sent events."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MAX_EVENT_BYTES = 256 * 1024


class TooLong(ValueError):
    """An event goes on without an end."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """`data`: the JSON it carries; None where it carries none, or what is none."""

    name: str
    data: Any


class EventReader:
    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[ServerEvent]:
        """Those that are whole by now. Raises TooLong."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for each in lines:
            line = each.removesuffix(b"\r")
            self._size += len(line)
            if line:
                self._take(line)
            elif self._data or self._name:
                yield self._whole()
        if self._size + len(self._rest) > MAX_EVENT_BYTES:
            raise TooLong

    def _take(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            self._name = value.decode(errors="replace")
        elif field == b"data":
            self._data.append(value)

    def _whole(self) -> ServerEvent:
        name, text = self._name or "message", b"\n".join(self._data)
        self._name, self._data, self._size = "", [], 0
        try:
            return ServerEvent(name, json.loads(text) if text else None)
        except (ValueError, RecursionError):
            return ServerEvent(name, None)
