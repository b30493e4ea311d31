"""Clients that many share keep no cookies: what a server wants kept of one workspace isn't told with another's."""

from http.cookiejar import CookieJar, DefaultCookiePolicy


def nothing_kept() -> CookieJar:
    """For httpx's `cookies`: takes none, sends none."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))
