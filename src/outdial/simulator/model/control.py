"""The models' part of the simulator's own API: which there are, new rules, what was asked."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from outdial.simulator.control import BadRequest, checked
from outdial.simulator.model.models import SimulatedModel
from outdial.simulator.model.rest import PATH, Asked, Models
from outdial.simulator.model.rule_files import Invalid, models_of

Json = dict[str, Any]


class ModelControl:
    def __init__(self, models: Models) -> None:
        self._models = models

    def routes(self) -> list[Route]:
        return [
            Route("/_simulator/models", self._list, methods=["GET"]),
            Route("/_simulator/models", checked(self._add), methods=["POST"]),
            Route("/_simulator/models/asked", self._asked, methods=["GET"]),
            Route("/_simulator/models/asked", self._forget, methods=["DELETE"]),
        ]

    def about(self) -> Json:
        return {"path": PATH, "models": [model.name for model in self._models.all()]}

    async def _list(self, request: Request) -> Response:
        return JSONResponse({"models": [_model_json(model) for model in self._models.all()]})

    async def _add(self, body: Json) -> Response:
        """Models by their names, as in a file of rules; those that there are already get new rules."""
        try:
            models = models_of(body)
        except Invalid as error:
            raise BadRequest(str(error)) from error
        for model in models:
            self._models.add(model)
        return JSONResponse({"models": [_model_json(model) for model in models]}, 201)

    async def _asked(self, request: Request) -> Response:
        return JSONResponse({"asked": [_asked_json(asked) for asked in self._models.asked]})

    async def _forget(self, request: Request) -> Response:
        self._models.asked.clear()
        return Response(status_code=204)


def _model_json(model: SimulatedModel) -> Json:
    return {
        "name": model.name,
        "rules": [rule.name for rule in model.rules],
        "first_token_s": model.first_token_s,
        "token_s": model.token_s,
    }


def _asked_json(asked: Asked) -> Json:
    """Instants in seconds since the request."""
    ended_at_s = asked.ended_at_s
    return {
        "id": asked.id,
        "model": asked.request.model,
        "rule": asked.completion.rule,
        "faults": asked.faults,
        "body": asked.body,
        "text": asked.completion.text,
        "tool_calls": [
            {"id": call.id, "name": call.name, "arguments": call.arguments} for call in asked.completion.tool_calls
        ],
        "sent": [{"after_s": round(at_s - asked.at_s, 4), "text": text} for at_s, text in asked.sent],
        "ended_after_s": round(ended_at_s - asked.at_s, 4) if ended_at_s is not None else None,
        "whole": asked.whole,
    }
