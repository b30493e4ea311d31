"""The brain as a project behind Voiceflow's Dialog Manager API, under /voiceflow.

A user's state is kept in memory. Turns come as server-sent events, or whole.
Source: Voiceflow's OpenAPI files of the Dialog Manager API.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from outdial.simulator.bodies import NotJson, TooLarge, decode, read_body
from outdial.simulator.brain import faults, music
from outdial.simulator.brain.faults import Struck
from outdial.simulator.brain.rules import NUMBER, Reply, hello, keyed, reply
from outdial.simulator.brain.told import Notebook
from outdial.simulator.faults import LONGEST_S, FaultKind, Faults
from outdial.simulator.steps import Reset, Step, SteppedReply, Wait, Write

PATH = "/voiceflow"
PROJECT = "64f0c0ffee0c0ffee0c0ffee"
ENVIRONMENTS = ("production", "development")
MAX_BODY_BYTES = 256 * 1024
NO_REPLY_S = 6
PIECE_S = 0.02
Json = dict[str, Any]


class VoiceflowBrain:
    """With a `key`, only who sends it is served."""

    def __init__(self, notebook: Notebook, faults_: Faults, *, key: str = "") -> None:
        self._notebook = notebook
        self._faults = faults_
        self._key = key
        self.states: dict[str, Json] = {}  # variables, by user

    def routes(self) -> list[Route]:
        state = f"{PATH}/state/user/{{user}}"
        return [
            Route(f"{PATH}/v2/project/{{project}}/user/{{user}}/interact/stream", self._stream, methods=["POST"]),
            Route(f"{state}/interact", self._interact, methods=["POST"]),
            Route(f"{state}/variables", self._merge, methods=["PATCH"]),
            Route(state, self._state, methods=["GET", "DELETE"]),
        ]

    def _refusal(self, request: Request, environment: str | None) -> Response | None:
        if self._key and request.headers.get("authorization") != self._key:
            return _error(401, "Unauthorized")
        if request.path_params.get("project", PROJECT) != PROJECT:
            return _error(401, "Unauthorized")  # as there, of a project that there isn't
        if environment is not None and environment not in ENVIRONMENTS:
            return _error(400, "invalid environment tag")
        return None

    async def _stream(self, request: Request) -> Response:
        query = request.query_params
        refused = self._refusal(request, query.get("environment", "development"))
        if refused is not None:
            return refused
        body = await _body(request)
        if body is None:
            return _error(400, "Bad request")
        struck = faults.strike(self._faults)
        if (broken := struck.get(FaultKind.BRAIN_REFUSED)) is not None:
            return _error(broken.status, "Something went wrong", broken.retry_after)
        traces = self._turn(request, body.get("variables"), body)
        if FaultKind.BRAIN_GARBAGE in struck:
            traces = [{"type": "florp", "payload": "{"}, {"type": "text", "payload": 7}, *traces]
        streams = query.get("completion_events") == "true"
        state = self._as_state(request) if query.get("state") == "true" else None
        slow = struck.get(FaultKind.BRAIN_SLOW)
        hangs = FaultKind.BRAIN_HANGS in struck or FaultKind.BRAIN_SILENT in struck
        return SteppedReply(
            _steps(traces, state, struck, streams=streams),
            media_type="text/event-stream",
            begins_after_s=float(LONGEST_S) if hangs else slow.delay_s if slow is not None else 0.0,
        )

    async def _interact(self, request: Request) -> Response:
        refused = self._refusal(request, request.headers.get("versionid"))
        if refused is not None:
            return refused
        body = await _body(request)
        if body is None:
            return _error(400, "Bad request")
        struck = faults.strike(self._faults)
        if (broken := struck.get(FaultKind.BRAIN_REFUSED)) is not None:
            return _error(broken.status, "Something went wrong", broken.retry_after)
        if (slow := struck.get(FaultKind.BRAIN_SLOW)) is not None:
            await asyncio.sleep(slow.delay_s)
        sent = body.get("state")
        return JSONResponse(self._turn(request, sent.get("variables") if isinstance(sent, dict) else None, body))

    async def _merge(self, request: Request) -> Response:
        refused = self._refusal(request, None)
        if refused is not None:
            return refused
        self._variables(request).update(await _body(request) or {})
        return JSONResponse(self._as_state(request))

    async def _state(self, request: Request) -> Response:
        refused = self._refusal(request, None)
        if refused is not None:
            return refused
        if request.method == "DELETE":
            self.states.pop(request.path_params["user"], None)
            return Response(status_code=200)
        return JSONResponse(self._as_state(request))

    # -- a turn

    def _variables(self, request: Request) -> Json:
        return self.states.setdefault(request.path_params["user"], {})

    def _as_state(self, request: Request) -> Json:
        own = {"sessions": 1, "timestamp": 1, "platform": "phone", "vf_memory": "", "last_utterance": ""}
        return {"stack": [], "storage": {}, "variables": {**own, **self._variables(request)}}

    def _turn(self, request: Request, variables: object, body: Json) -> list[Json]:
        action = body.get("action") or body.get("request")
        self._notebook.note("voiceflow", request.path_params["user"], body, request.headers)
        known = self._variables(request)
        if isinstance(variables, dict):
            known.update(variables)
        match action:
            case {"type": "launch"}:
                return _traces(hello(known), known)
            case {"type": "text", "payload": str(text)}:
                return _traces(reply(text), known, music.url_of(request))
            case {"type": "dtmf", "payload": str(digits)}:
                return _traces(keyed(digits), known)
            case {"type": "no-reply"}:
                return _traces(Reply(says="Are you still there? Will you be able to come?"), known)
        return _traces(Reply(says="Nobody is there just now. Goodbye!", outcome="declined"), known)


def _traces(said: Reply, known: Json, music_url: str = "") -> list[Json]:
    found: list[Json] = [{"type": "text", "payload": {"message": said.says, "slate": {}}}]
    if said.plays:
        found.append({"type": "speak", "payload": {"type": "audio", "message": "", "src": music_url}})
    if said.connects:
        forward = {"address": NUMBER, "addressType": "phone"}
        return [*found, {"type": "call-forward", "payload": forward}]
    if said.outcome is not None:
        known["outcome"] = said.outcome
        return [*found, {"type": "end", "payload": None}]
    keys = {"enabled": True, "maxDigits": 1, "timeoutInSeconds": 3, "delimiter": ["#"]}
    return [*found, {"type": "no-reply", "payload": {"timeout": NO_REPLY_S}}, {"type": "dtmf", "payload": keys}]


def _steps(traces: list[Json], state: Json | None, struck: Struck, *, streams: bool) -> Iterator[Step]:
    """Of the first text pieces, where the client takes them."""
    number = 0
    for trace in traces:
        pieces = _pieces(trace) if streams and trace["type"] == "text" and trace is _first_text(traces) else [trace]
        for place, one in enumerate(pieces):
            if len(pieces) > 1 and place == len(pieces) // 2:
                if FaultKind.BRAIN_CUT in struck:
                    yield Reset()
                    return
                if (stalled := struck.get(FaultKind.BRAIN_STALLED)) is not None:
                    yield Wait(stalled.delay_s)
            number += 1
            yield Write(_event("trace", number, one, split=FaultKind.BRAIN_SPLIT in struck))
            yield Wait(PIECE_S if len(pieces) > 1 else 0.0)
    if FaultKind.BRAIN_TOO_LONG in struck:
        yield Write(b"data: " + b"x" * faults.HUGE)
    if state is not None:
        yield Write(_event("state", number + 1, state))
    if FaultKind.BRAIN_LEFT not in struck:
        yield Write(f"event: end\nid: {number + 2}\n\n".encode())


def _first_text(traces: list[Json]) -> Json | None:
    return next((one for one in traces if one["type"] == "text" and isinstance(one["payload"], Mapping)), None)


def _pieces(trace: Json) -> list[Json]:
    contents = Reply(says=trace["payload"]["message"]).pieces
    inner = [{"type": "completion", "payload": {"state": "content", "content": one}} for one in contents]
    start: Json = {"type": "completion", "payload": {"state": "start"}}
    return [start, *inner, {"type": "completion", "payload": {"state": "end"}}]


def _event(name: str, number: int, data: Json, *, split: bool = False) -> bytes:
    text = json.dumps(data, indent=1 if split else None)
    lines = "\n".join(f"data: {line}" for line in text.split("\n"))
    return f"event: {name}\nid: {number}\n{lines}\n\n".encode()


async def _body(request: Request) -> Json | None:
    try:
        body = decode(await read_body(request, MAX_BODY_BYTES))
    except (NotJson, TooLarge):
        return None
    return body if isinstance(body, dict) else None


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"statusCode": status, "message": message}, status, headers)
