"""The tools' part of the simulator's own API: which there are, and what was called."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from outdial.simulator.tools.catalogue import TOOLS
from outdial.simulator.tools.rest import MCP_PATH, PATH, Called, Tools

Json = dict[str, Any]


class ToolControl:
    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def routes(self) -> list[Route]:
        return [
            Route("/_simulator/tools/called", self._called, methods=["GET"]),
            Route("/_simulator/tools/called", self._forget, methods=["DELETE"]),
        ]

    def about(self) -> Json:
        return {"path": PATH, "mcp_path": MCP_PATH, "tools": list(TOOLS)}

    async def _called(self, request: Request) -> Response:
        called = [_called_json(called) for called in self._tools.called]
        return JSONResponse({"called": called, "bookings": self._tools.calendar.bookings})

    async def _forget(self, request: Request) -> Response:
        """What was booked is free again, too."""
        self._tools.called.clear()
        self._tools.calendar.clear()
        return Response(status_code=204)


def _called_json(called: Called) -> Json:
    ended_at_s = called.ended_at_s
    return {
        "tool": called.tool,
        "arguments": called.arguments,
        "over": called.over,
        "faults": called.faults,
        "done": called.done,
        "whole": called.whole,
        "ended_after_s": round(ended_at_s - called.at_s, 4) if ended_at_s is not None else None,
    }
