"""The HTTP API as one ASGI app. Whoever starts the process adds the carriers' callbacks and media sockets."""

from typing import Any

from fastapi import FastAPI

from outdial import __version__
from outdial.api import agents, api_keys, calls, events, health, numbers, outbound, problems, workspace
from outdial.api.body_limit import BodyLimit
from outdial.api.docs import DESCRIPTION, ProblemBody
from outdial.api.services import Services
from outdial.workspaces.api_keys import Authenticator


def create_api(services: Services) -> FastAPI:
    app = FastAPI(
        title="Outdial",
        version=__version__,
        summary="Self-hosted outbound calling for AI voice agents",
        description=DESCRIPTION,
    )
    app.state.services = services
    app.state.authenticator = Authenticator(services.engine)
    problems.install(app)
    app.add_middleware(BodyLimit, max_bytes=services.settings.max_body_bytes)
    for module in (outbound, calls, events, numbers, agents, api_keys, workspace, health):
        app.include_router(module.router)
    _describe(app)
    return app


def _describe(app: FastAPI) -> None:
    """Add to the OpenAPI document what handlers can't say by their signatures."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            schema = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(schema.pop("$defs"))
            schemas["Problem"] = schema
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
