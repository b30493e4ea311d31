"""URLs that users give us to ask: what is wrong with one, before anything is resolved. Pure."""

import re

import httpx

from outdial.net.addresses import Allowed, literal

MAX_URL_CHARS = 2000
HTTP_PORTS = frozenset({80, 443})
# Below 1024 every other service is at home, and some above speak before they listen.
OTHER_PORTS = frozenset(
    {1080, 1433, 1521, 2049, 2375, 2376, 2379, 3306, 3389, 5432, 5900, 6379, 6380, 9042, 9200, 11211, 27017}
)
_ODD = re.compile(r"[\x00-\x20\x7f-\x9f\\\u2028\u2029]")


def check_url(text: str, allowed: Allowed) -> str:
    """The URL as it is asked. Raises ValueError with a reason that may be shown to whoever gave it.

    Whether its host leads to an address that may be reached turns out when it is resolved (`net.guarded`); of a
    literal address it is told here.
    """
    if len(text) > MAX_URL_CHARS:
        raise ValueError(f"is longer than {MAX_URL_CHARS} characters")
    if _ODD.search(text):
        raise ValueError("must not contain spaces, backslashes or control characters")
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise ValueError("is no URL") from None
    host = url.host.rstrip(".")
    if url.scheme not in ("http", "https") or not host:
        raise ValueError("must be a whole URL such as https://example.com/webhooks")
    if url.userinfo or "@" in url.netloc.decode("ascii", "replace"):
        raise ValueError("must not contain a user name or a password")
    if url.fragment or "#" in text:
        raise ValueError("must not contain a fragment (#…)")
    port = url.port or (443 if url.scheme == "https" else 80)
    if port in OTHER_PORTS or (port < 1024 and port not in HTTP_PORTS):
        raise ValueError(f"must not be on port {port}, where other services than HTTP are at home")
    address = literal(host)
    if address is not None and not allowed.permits(host, address):
        raise ValueError(REFUSED_ADDRESS)
    if url.scheme == "http" and not allowed.may_cover(host):
        raise ValueError(NOT_HTTPS)
    return str(url)


REFUSED_ADDRESS = (
    "leads to a private address; whoever runs this server can allow it with OUTDIAL_ALLOWED_PRIVATE_HOSTS"
)
NOT_HTTPS = "must begin with https:// (http:// only for hosts in OUTDIAL_ALLOWED_PRIVATE_HOSTS)"


def host_of(url: str) -> str:
    """What may be told of a URL anywhere: its path or query may be as good as a password."""
    return httpx.URL(url).netloc.decode()
