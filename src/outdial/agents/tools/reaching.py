"""What came of a request, in a word; and whether it has left."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from outdial.agents.tools.asks import Trace
from outdial.net.guarded import RefusedAddress


def watching(trace: Trace) -> Callable[[str, Any], Awaitable[None]]:
    """For httpcore, which tells of every step."""

    async def watch(event: str, info: Any) -> None:
        if event.endswith("send_request_headers.started"):
            trace.sent = True

    return watch


def word_of(error: Exception) -> str:
    """Ours, and never the sentence of a server or of a library: they may quote what was asked."""
    match error:
        case RefusedAddress() | httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return "refused_address"
        case httpx.TimeoutException():
            return "timeout"
        case httpx.ConnectError() if "host not found" in str(error).lower():
            return "host_not_found"
    return "connection"
