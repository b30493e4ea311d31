"""The HTTP API as one ASGI app. Whoever starts the process adds the carriers' callbacks and media sockets."""

from fastapi import APIRouter, FastAPI

from outdial.api import (
    agent_tools,
    agents,
    alerts,
    api_keys,
    audit_log,
    calls,
    carrier_accounts,
    control,
    destinations,
    disclosures,
    do_not_call,
    document,
    erasing,
    events,
    health,
    listening,
    me,
    members,
    metrics,
    numbers,
    outbound,
    overview,
    pauses,
    problems,
    recordings,
    rehearsals,
    retention,
    scripts,
    secrets,
    speech_vendors,
    spending,
    webhook_deliveries,
    webhook_payloads,
    webhooks,
    who_answered,
    workers,
    workspace,
)
from outdial.api.addresses import Addresses
from outdial.api.body_limit import BodyLimit
from outdial.api.docs import DESCRIPTION, complete_document
from outdial.api.event_stream import EventStreams
from outdial.api.listening_elsewhere import OtherProcesses
from outdial.api.mcp.endpoint import McpEndpoint
from outdial.api.request_rate import RequestRate
from outdial.api.services import Services
from outdial.db.feed import Feeds
from outdial.live.listening_in.joining import ListeningIn
from outdial.members.signed_in import SignIns
from outdial.version import __version__
from outdial.workspaces.api_keys import Authenticator

OPERATIONS = (  # modules of operations, in the document's order
    outbound,
    calls,
    recordings,
    control,
    listening,
    events,
    pauses,
    overview,
    who_answered,
    destinations,
    spending,
    do_not_call,
    erasing,
    retention,
    alerts,
    numbers,
    carrier_accounts,
    rehearsals,
    agent_tools,
    disclosures,
    scripts,  # before agents, whose ids may be anything
    agents,
    webhooks,
    webhook_deliveries,
    secrets,
    speech_vendors,
    workspace,
    workers,
    members,
    me,
    api_keys,
    audit_log,
    health,
)


def create_api(services: Services) -> FastAPI:
    app = FastAPI(
        title="Outdial",
        version=__version__,
        summary="Self-hosted outbound calling for AI voice agents",
        description=DESCRIPTION,
        license_info=document.LICENSE,
        servers=[{"url": services.settings.base_url, "description": "This server"}],
        openapi_tags=document.tags(),
        docs_url=None,  # the dashboard has our own
        redoc_url=None,
        redirect_slashes=False,  # api.addresses takes both forms
    )
    _remember(app, services)
    app.state.feeds = Feeds(services.engine, services.notifications)
    # To be closed when the server stops.
    app.state.event_streams = EventStreams(most_of_one=services.settings.max_event_streams)
    problems.install(app)
    larger = {do_not_call.IMPORT_PATH: do_not_call.MAX_IMPORT_BYTES}
    app.add_middleware(BodyLimit, max_bytes=services.settings.max_body_bytes, larger=larger)
    app.add_middleware(Addresses, router=app.router)  # in front of the other: addresses in one form
    routers = [module.router for module in OPERATIONS]
    for router in routers:
        add_routes(app, router)
    app.state.mcp = McpEndpoint(services, app.state.feeds)
    app.router.routes.append(app.state.mcp.route)
    add_routes(app, metrics.router)
    webhook_payloads.describe(app)
    complete_document(app, routers)
    return app


def create_health(services: Services, *, holds_calls: bool = False) -> FastAPI:
    """What a process answers that serves no API: how it is; and where it `holds_calls`, who listens to them is sent
    here by those that do serve it."""
    app = FastAPI(
        title="Outdial",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    _remember(app, services)
    problems.install(app)
    app.add_middleware(Addresses, router=app.router)
    add_routes(app, health.router)
    add_routes(app, metrics.router)
    if holds_calls:
        app.router.routes.extend(listening.LISTEN)
    return app


def add_routes(app: FastAPI, router: APIRouter, *, first: bool = False) -> None:
    """As they are. `include_router` would make each anew for this app, with the models of what it takes and answers,
    while its first request waits. `first`: requests to these are many, and routes are tried one after the other."""
    place = 0 if first else len(app.router.routes)
    app.router.routes[place:place] = router.routes


def _remember(app: FastAPI, services: Services) -> None:
    """What every request needs to tell who asks."""
    app.state.services = services
    app.state.authenticator = Authenticator(services.engine)
    app.state.sign_ins = SignIns(services.engine, csrf_keys=lambda: services.secret_box.derive_all("csrf"))
    app.state.listening_in = ListeningIn(services.engine, None)  # another one where the process holds calls
    app.state.other_processes = OtherProcesses(engine=services.engine)
    app.state.request_rate = RequestRate(services.settings.max_requests_per_s)
