"""Bodies of requests, read up to a limit, and their JSON."""

import json
from typing import Any, NoReturn

from starlette.requests import Request


class TooLarge(Exception):
    pass


class NotJson(Exception):
    pass


async def read_body(request: Request, most_bytes: int) -> bytes:
    """Raises TooLarge."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most_bytes:
            raise TooLarge
        parts.append(part)
    return b"".join(parts)


def decode(raw: bytes) -> Any:
    """JSON that can be written again: no NaN, and no half of a pair of surrogates. Raises NotJson."""
    try:
        value = json.loads(raw, parse_constant=_refuse)
        if b"\\ud" in raw.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise NotJson from None
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
