"""Signing in and out: the only forms that are posted as forms."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from outdial.api.auth import signed_in
from outdial.api.problems import Problem, as_problem
from outdial.api.services import Use
from outdial.api.sign_in_cookie import delete_token, read_token, require_our_page, require_same_origin, set_token
from outdial.dashboard.page import error_page, local_path, plain
from outdial.db.engine import reading
from outdial.members.sign_in import sign_in, sign_out, use_link, whose_link

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Form(max_length=1000)]


@router.get("/sign-in")
async def sign_in_page(request: Request, to: str = "/") -> Response:
    if await signed_in(request) is not None:
        return RedirectResponse(local_path(to), 303)
    return _form(request, to=local_path(to))


@router.post("/sign-in")
async def post_sign_in(
    request: Request, services: Use, email: Text = "", password: Text = "", to: Text = "/"
) -> Response:
    try:
        require_same_origin(request, services.settings.base_url)
        token = await sign_in(
            services.engine,
            email=email,
            password=password,
            address=_address(request),
            user_agent=request.headers.get("user-agent", ""),
        )
    except Exception as error:
        problem = as_problem(error)
        if problem is None:
            raise
        return _form(request, status=problem.status_code, to=local_path(to), email=email, error=problem.message)
    return _signed_in(services.settings.base_url, token, local_path(to))


@router.get("/sign-in/{link}")
async def link_page(request: Request, services: Use, link: str) -> Response:
    """Looking at a link uses nothing up: messengers look at links to show a preview."""
    here = await signed_in(request)
    async with reading(services.engine) as conn:
        whose = await whose_link(conn, link)
    if whose is None:
        if here is not None:
            return RedirectResponse("/", 303)  # it was this browser that used it, as likely as not
        error = "This link was used already, or is too old. Sign in with your password, or ask for a new link."
        return _form(request, status=404, error=error)
    # Only who asks for it becomes somebody else: a link that any page may lead to mustn't do that by itself.
    return _form(request, link=link, instead_of=here.name if here is not None and here.person_id != whose else "")


@router.post("/sign-in/{link}")
async def post_link(request: Request, services: Use, link: str) -> Response:
    try:
        require_same_origin(request, services.settings.base_url)
        token = await use_link(services.engine, link, user_agent=request.headers.get("user-agent", ""))
    except Exception as error:
        problem = as_problem(error)
        if problem is None:
            raise
        return _form(request, status=problem.status_code, error=problem.message)
    return _signed_in(services.settings.base_url, token, "/")


@router.post("/sign-out")
async def post_sign_out(request: Request, services: Use, csrf_token: Text = "") -> Response:
    base_url = services.settings.base_url
    person, token = await signed_in(request), read_token(request, base_url)
    if person is not None and token is not None:
        try:
            require_our_page(request, person, base_url, csrf_token=csrf_token)
        except Problem as problem:
            return error_page(request, problem)
        await sign_out(services.engine, token)
        request.app.state.sign_ins.forget(person.person_id)
    response = RedirectResponse("/sign-in", 303)
    delete_token(response, base_url)
    return response


def _form(
    request: Request,
    *,
    status: int = 200,
    to: str = "/",
    email: str = "",
    error: str = "",
    link: str = "",
    instead_of: str = "",
) -> Response:
    return plain(
        request, "sign_in.html", status=status, to=to, email=email, error=error, link=link, instead_of=instead_of
    )


def _signed_in(base_url: str, token: str, to: str) -> Response:
    response = RedirectResponse(to, 303)
    set_token(response, base_url, token)
    return response


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else ""
