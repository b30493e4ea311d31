"""What every page has in common: who is signed in, the frame around it, safe headers, and errors as pages."""

import hashlib
from collections.abc import Callable, Coroutine
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import quote, urlsplit

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from outdial.alerts.views import count_raised
from outdial.api.auth import signed_in
from outdial.api.problems import Problem, as_problem
from outdial.api.services import Services
from outdial.api.sign_in_cookie import is_of_another_workspace
from outdial.dashboard import outcome_words, waiting_words, words
from outdial.db.engine import reading
from outdial.members.signed_in import SignedIn
from outdial.members.store import list_memberships
from outdial.policy.pauses import list_pauses
from outdial.version import __version__
from outdial.workspaces.access import EDIT, READ, Access, Role

HERE = Path(__file__).parent
STATIC = HERE / "static"
THEME_COOKIE = "outdial_theme"  # written by the page itself; nothing depends on it but colours

F = TypeVar("F", bound=Callable[..., Any])
Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_TITLES = {
    403: "Not allowed",
    404: "Not found",
    422: "This address isn't right",
    503: "One moment",
}


@cache
def static_version() -> str:
    """Of all static files together: part of their URLs, so that browsers may keep them for ever. Modules import each
    other by relative URLs and so get the same version."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(STATIC).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def static_url(name: str) -> str:
    return f"/static/{static_version()}/{name}"


@cache
def templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,  # everything: transcripts and variables come from strangers
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals |= {"static_url": static_url, "version": __version__, "any_carrier": words.any_carrier}
    environment.filters |= words.FILTERS | outcome_words.FILTERS | waiting_words.FILTERS
    return environment


def safe_headers(simulator_url: str | None = None) -> dict[str, str]:
    """Nothing from elsewhere, nothing inline. `simulator_url`: whose websocket this page talks with."""
    sockets = "" if simulator_url is None else " ws" + simulator_url.removeprefix("http")
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "media-src": "'self'",
        "font-src": "'self'",
        "worker-src": "'self'",
        "connect-src": f"'self'{sockets}",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
        "Cache-Control": "no-store",
    }


class Page:
    """One page on its way to one person."""

    def __init__(self, request: Request, services: Services, person: SignedIn) -> None:
        self.request = request
        self.services = services
        self.person = person

    @property
    def workspace_id(self) -> str:
        return self.person.workspace_id

    def may(self, role: str) -> bool:
        return self.person.role.includes(Role(role))

    async def render(self, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """A whole page, in the frame with navigation."""
        async with reading(self.services.engine) as conn:
            workspaces = await list_memberships(conn, self.person.person_id)
            pauses = await list_pauses(conn, self.workspace_id)
            raised = await count_raised(conn, self.workspace_id)
        frame = {
            "workspaces": workspaces,
            "pauses": pauses,
            "raised": raised,
            "workspace": next(one for one in workspaces if one["id"] == self.workspace_id),
        }
        return self.part(template, status=status, **frame, **context)

    def part(self, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """HTML without the frame: for a dialog, or a live part."""
        html = templates().get_template(template).render(
            me=self.person,
            may=self.may,
            csrf_token=self.person.csrf_token,
            path=self.request.url.path,
            theme=theme(self.request),
            simulator_url=self.simulator_url,
            base_url=self.services.settings.base_url,
            **context,
        )
        return HTMLResponse(html, status, headers=safe_headers(self.simulator_url))

    @property
    def simulator_url(self) -> str | None:
        return self.services.settings.simulator_url

    async def still_allowed(self) -> bool:
        """Whether this person would still get this page."""
        person = await signed_in(self.request)
        return person is not None and person.workspace_id == self.workspace_id


def plain(request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """A page for nobody in particular: signing in, and errors before that."""
    html = templates().get_template(template).render(theme=theme(request), **context)
    return HTMLResponse(html, status, headers=safe_headers())


def theme(request: Request) -> str:
    chosen = request.cookies.get(THEME_COOKIE)
    return chosen if chosen in ("light", "dark") else "auto"


async def page(request: Request) -> Page:
    return Page(request, request.app.state.services, request.state.signed_in)


Here = Annotated[Page, Depends(page)]


def needs(access: Access) -> Callable[[F], F]:
    """Says what a page takes, where that isn't what its method takes: whoever looks, or whoever changes something."""

    def mark(endpoint: F) -> F:
        endpoint.needed_access = access  # type: ignore[attr-defined]
        return endpoint

    return mark


class PageRoute(APIRoute):
    """A page for people who are signed in and may see it. Whatever goes wrong is a page, too."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        by_method = READ if (self.methods or set()) <= {"GET", "HEAD"} else EDIT
        needed: Access = getattr(self.endpoint, "needed_access", by_method)

        async def guarded(request: Request) -> Response:
            person: SignedIn | None = None
            try:
                person = request.state.signed_in = await signed_in(request)
                if person is None:
                    return to_sign_in(request)
                if is_of_another_workspace(request, person):
                    return Response(status_code=401)  # as for who is signed out: the whole page is loaded again
                person.principal.require(needed)
                return await handle(request)
            except (OperationalError, InterfaceError, PoolTimeout):
                return error_page(request)
            except Exception as error:
                problem = as_problem(error)
                if problem is None:
                    raise
                if person is None:
                    return error_page(request, problem)
                return await _error_in_frame(request, person, problem)

        return guarded


async def _error_in_frame(request: Request, person: SignedIn, problem: Problem) -> Response:
    shown = Page(request, request.app.state.services, person)
    page = await shown.render(
        "error.html", status=problem.status_code, message=problem.message, title=_title(problem.status_code)
    )
    page.headers.update({name: value for name, value in (problem.headers or {}).items() if name == "Retry-After"})
    return page


def error_page(request: Request, problem: Problem | None = None) -> Response:
    """Without the frame, which wants the database. Without a problem it is the database that can't be reached."""
    status = 503 if problem is None else problem.status_code
    message = "The database can't be reached. This page tries again by itself." if problem is None else problem.message
    return plain(
        request, "error_alone.html", status=status, message=message, title=_title(status), again=status == 503
    )


def _title(status: int) -> str:
    return _TITLES.get(status) or HTTPStatus(status).phrase


def to_sign_in(request: Request) -> Response:
    """To the sign-in page, and back here afterwards. A part of a page can't go anywhere: its page reloads."""
    if request.headers.get("x-part") or "text/event-stream" in request.headers.get("accept", ""):
        return Response(status_code=401)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/sign-in?to={quote(here, safe='')}" if here != "/" else "/sign-in", 303)


def local_path(text: str | None) -> str:
    """Where to go after signing in: a path of ours, whatever a link says."""
    if not text or not text.startswith("/") or text.startswith(("//", "/\\")) or not text.isprintable():
        return "/"
    parts = urlsplit(text)
    return text if not parts.scheme and not parts.netloc else "/"


