"""The cookie a signed-in browser sends, and what tells that a request comes from a page of ours."""

import ipaddress
from urllib.parse import urlsplit

from fastapi import Request, Response

from outdial.api.problems import Problem
from outdial.members.sign_in import LIFETIME
from outdial.members.signed_in import SignedIn

CSRF_HEADER = "X-CSRF-Token"
WORKSPACE_HEADER = "X-Workspace"

_NAME = "outdial_sign_in"
_SAFE_METHODS = ("GET", "HEAD")


def cookie_name(base_url: str) -> str:
    """With https a name that no other host of the domain can set (RFC 6265bis, 4.1.3.2)."""
    return f"__Host-{_NAME}" if _is_https(base_url) else _NAME


def read_token(request: Request, base_url: str) -> str | None:
    return request.cookies.get(cookie_name(base_url))


def set_token(response: Response, base_url: str, token: str) -> None:
    response.set_cookie(
        cookie_name(base_url),
        token,
        max_age=int(LIFETIME.total_seconds()),
        path="/",
        secure=_is_https(base_url),
        httponly=True,
        samesite="lax",
    )


def delete_token(response: Response, base_url: str) -> None:
    response.delete_cookie(
        cookie_name(base_url), path="/", secure=_is_https(base_url), httponly=True, samesite="lax"
    )


def require_our_page(request: Request, signed_in: SignedIn, base_url: str, *, csrf_token: str | None = None) -> None:
    """Raises a 403 for a change that some other site may have had the browser send.

    `csrf_token` is what a form sent; without one the header must have it.
    """
    if request.method in _SAFE_METHODS:
        return
    require_same_origin(request, base_url)
    token = request.headers.get(CSRF_HEADER, "") if csrf_token is None else csrf_token
    if not signed_in.sent_by_our_page(token):
        raise _forged(f"Send the CSRF token of this sign-in in the {CSRF_HEADER} header; load the page again.")


def is_of_another_workspace(request: Request, signed_in: SignedIn) -> bool:
    """Whether it comes from a page that was made before its person switched workspaces in another tab. Pages say whose
    they are; nobody else has to."""
    return request.headers.get(WORKSPACE_HEADER, signed_in.workspace_id) != signed_in.workspace_id


def require_same_origin(request: Request, base_url: str) -> None:
    """Raises a 403 when the browser says that the request comes from another site. Alone it is enough where nobody is
    signed in yet."""
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    host = request.headers.get("host", "")
    ours = {_origin(base_url)}
    # It may be used under more than the public URL. But a server that is this machine's alone has no other names: who
    # comes by one has been led here by somebody's DNS, which may point anywhere.
    if _is_loopback(f"//{host}") or not _is_loopback(base_url):
        ours |= {f"http://{host}", f"https://{host}"}
    if (origin is not None and origin not in ours) or (site is not None and site != "same-origin"):
        raise _forged("This request comes from a page of another site.")


def _origin(url: str) -> str:
    scheme, netloc, *_ = urlsplit(url)
    return f"{scheme}://{netloc}"


def _is_loopback(url: str) -> bool:
    try:
        name = urlsplit(url).hostname or ""
        return name == "localhost" or name.endswith(".localhost") or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_https(base_url: str) -> bool:
    return base_url.startswith("https://")


def _forged(message: str) -> Problem:
    return Problem(403, "csrf", message)
