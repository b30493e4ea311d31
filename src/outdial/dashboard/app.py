"""The dashboard, added to the API's app: its pages read what the API reads, and change things through the API."""

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from outdial.api.app import add_routes
from outdial.api.problems import as_problem, respond
from outdial.api.services import Services
from outdial.dashboard import (
    agents,
    alerts,
    api_reference,
    calls,
    connect_number,
    do_not_call,
    overview,
    phone,
    phone_numbers,
    privacy,
    settings,
    sign_in,
    static_files,
    stop,
    webhooks,
    who_answered,
)
from outdial.dashboard.live import LivePages
from outdial.dashboard.page import error_page

MODULES = (
    static_files,
    sign_in,
    overview,
    connect_number,
    phone_numbers,
    calls,
    stop,
    agents,
    do_not_call,
    alerts,
    phone,
    privacy,
    settings,
    who_answered,
    webhooks,
    api_reference,
)

API_PATHS = ("/v1", "/callbacks/", "/static/")


def add_dashboard(app: FastAPI, services: Services) -> LivePages:
    """Close the result before the server stops."""
    pages = app.state.live_pages = LivePages(services.notifications)
    app.state.references = {}  # pages of the API's reference, by theme
    for module in MODULES:
        add_routes(app, module.router)
    for kind in (HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _refused)
    return pages


async def _refused(request: Request, error: Exception) -> Response:
    """What no page's route answers: to people who mistyped an address in words, to programs as the API does."""
    problem = as_problem(error)
    assert problem is not None
    of_the_api = request.url.path.startswith(API_PATHS) or "text/html" not in request.headers.get("accept", "")
    return respond(problem) if of_the_api else error_page(request, problem)
