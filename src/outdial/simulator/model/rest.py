"""The simulated models' server: /model/v1/chat/completions and /model/v1/models."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from outdial.simulator.bodies import NotJson, TooLarge, decode, read_body
from outdial.simulator.connection import Dropped
from outdial.simulator.faults import FaultKind, Faults
from outdial.simulator.model import errors, faults, playing, wire
from outdial.simulator.model.completion import Completion, prompt_tokens
from outdial.simulator.model.errors import Refused
from outdial.simulator.model.models import SimulatedModel
from outdial.simulator.model.requests import ChatRequest, parse
from outdial.simulator.model.rule_files import default_models
from outdial.simulator.model.rules import answer
from outdial.simulator.steps import SteppedReply

PATH = "/model/v1"
MAX_BODY_BYTES = 1024 * 1024
KEPT = 1000  # requests that can be looked at later

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(slots=True, kw_only=True)
class Asked:
    """A request that is being answered, or was: with this completion, as far as none of these faults was against it.

    Instants are of the event loop's clock, in seconds.
    """

    id: str
    request: ChatRequest
    completion: Completion
    body: dict[str, Any]
    headers: dict[str, str]
    faults: tuple[FaultKind, ...]
    at_s: float
    sent: list[tuple[float, str]] = field(default_factory=list)  # when which piece of the answer's text went out
    ended_at_s: float | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    whole: bool = False  # its last byte was sent; else whoever asked has left, or a fault has broken it off

    def write(self, text: str) -> None:
        self.sent.append((asyncio.get_running_loop().time(), text))

    def end(self, *, whole: bool) -> None:
        self.ended_at_s, self.whole = asyncio.get_running_loop().time(), whole
        self.ended.set()


class Models:
    """The models by their names, and what they were asked. The demo's is always one of them."""

    def __init__(self, models: Iterable[SimulatedModel], faults: Faults, *, api_key: str = "") -> None:
        self._faults = faults
        self._models = {model.name: model for model in models}
        self._api_key = api_key
        self._ids = count(1)
        self._created = int(time.time())
        self.asked: deque[Asked] = deque(maxlen=KEPT)

    def add(self, model: SimulatedModel) -> None:
        """Takes the place of the model of the same name, if there is one."""
        self._models[model.name] = model

    def all(self) -> list[SimulatedModel]:
        return list(self._by_name().values())

    def _by_name(self) -> dict[str, SimulatedModel]:
        return {model.name: model for model in default_models()} | self._models

    def routes(self) -> list[Route]:
        return [
            Route(f"{PATH}/chat/completions", self._answered(self._complete), methods=["POST"]),
            Route(f"{PATH}/models", self._answered(self._list), methods=["GET"]),
            Route(f"{PATH}/models/{{name}}", self._answered(self._one), methods=["GET"]),
        ]

    def _answered(self, endpoint: Endpoint) -> Endpoint:
        """Checks the key; errors become the vendor's, and every reply says that it is simulated."""

        async def answered(request: Request) -> Response:
            try:
                if self._api_key and request.headers.get("authorization") != f"Bearer {self._api_key}":
                    raise errors.unauthorised()
                response = await endpoint(request)
            except Refused as refused:
                response = JSONResponse(wire.error(refused), refused.status, refused.headers)
            response.headers["x-request-id"] = f"req_simulated_{next(self._ids)}"
            response.headers["openai-version"] = "2020-10-01"
            response.headers["x-simulated"] = "outdial simulator"
            return response

        return answered

    async def _list(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [wire.model(each, self._created) for each in self.all()]})

    async def _one(self, request: Request) -> Response:
        return JSONResponse(wire.model(self._model(request.path_params["name"]), self._created))

    def _model(self, name: str) -> SimulatedModel:
        try:
            return self._models[name] if name in self._models else self._by_name()[name]
        except KeyError:
            raise errors.no_such_model(name) from None

    async def _complete(self, request: Request) -> Response:
        body = await _json(request)
        wanted = parse(body)
        model = self._model(wanted.model)
        if prompt_tokens(wanted) > model.context_tokens:
            raise errors.too_long(model.context_tokens)
        completion = answer(model, wanted, self._new_call_id)
        struck = faults.strike(self._faults, model.name, completion)
        asked = Asked(
            id=f"chatcmpl-simulated-{next(self._ids)}",
            request=wanted,
            completion=faults.bent(completion, struck, self._new_call_id),
            body=body,
            headers=dict(request.headers),
            faults=tuple(struck),
            at_s=asyncio.get_running_loop().time(),
        )
        self.asked.append(asked)
        return self._reply(asked, model, struck)

    def _reply(self, asked: Asked, model: SimulatedModel, struck: faults.Struck) -> Response:
        refusal = faults.refusal(struck)
        reset = struck.get(FaultKind.MODEL_RESET)
        if refusal is not None or (reset is not None and reset.after_tokens == 0):
            asked.end(whole=False)
        if refusal is not None:
            raise refusal
        if reset is not None and reset.after_tokens == 0:
            return Dropped()
        wanted, completion = asked.request, asked.completion
        envelope = wire.Envelope(id=asked.id, created=int(time.time()), model=model.name, rule=completion.rule)
        streamed = wanted.stream and FaultKind.MODEL_NOT_STREAMED not in struck
        slow = struck.get(FaultKind.MODEL_SLOW)
        return SteppedReply(
            playing.stream(wire.chunks(completion, wanted, envelope), model, struck)
            if streamed
            else playing.at_once(wire.whole(completion, wanted, envelope), completion, model, struck),
            media_type="text/event-stream" if streamed else "application/json",
            begins_after_s=slow.delay_s if slow is not None else 0.0,
            written=asked.write,
            ended=lambda whole: asked.end(whole=whole),
        )

    def _new_call_id(self) -> str:
        return f"call_simulated_{next(self._ids)}"


async def _json(request: Request) -> Any:
    try:
        return decode(await read_body(request, MAX_BODY_BYTES))
    except TooLarge:
        raise Refused(status=413, message="The request is too large.") from None
    except NotJson:
        raise Refused(status=400, message="We could not parse the JSON body of your request.") from None
