"""What the carriers' REST adapters share: requests that are sent exactly once, and what a missing reply means.

Nothing here repeats a request: repeated by a library that knows no better, a POST dials a person twice.
"""

import ipaddress
import logging
import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from outdial import clock
from outdial.carriers.errors import CarrierError, CarrierUncertain, CarrierUnreachable
from outdial.telephony.failures import FailureCode
from outdial.version import USER_AGENT

# These come before the first byte of the request is sent; every other failure may have come after the last.
BEFORE_SENDING = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
MAX_RETRY_AFTER_S = 3600.0

_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")  # a name (punycode, if need be), or an IPv6 address

# What a refusal means by its status alone, where the carrier's own code is missing or unknown.
BY_STATUS: Mapping[int, FailureCode] = {
    401: FailureCode.BAD_CREDENTIALS,
    402: FailureCode.NO_FUNDS,
    403: FailureCode.NOT_PERMITTED,
    404: FailureCode.NOT_KNOWN_THERE,
    429: FailureCode.THROTTLED,
}
CONNECT_TIMEOUT_S, REPLY_TIMEOUT_S = 5.0, 10.0
MAX_CONNECTIONS, KEPT_CONNECTIONS = 50, 10  # of one account

# The error that a reply other than 2xx means; `repeatable`: doing the request again does no harm.
FromReply = Callable[[httpx.Response, bool], CarrierError]

# httpx logs the URL of every request, and the URL of a search holds phone numbers.
logging.getLogger("httpx").setLevel(logging.WARNING)

logger = logging.getLogger(__name__)


class RestClient:
    """One account's connections to one carrier."""

    def __init__(
        self,
        carrier: str,
        base_url: str,
        from_reply: FromReply,
        *,
        auth: httpx.Auth | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._carrier = carrier
        self._from_reply = from_reply
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers={"User-Agent": USER_AGENT},
            auth=auth,
            timeout=httpx.Timeout(REPLY_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=KEPT_CONNECTIONS),
            follow_redirects=False,  # to follow one is to send the request again
            trust_env=not is_loopback(base_url),  # a proxy can't reach this machine's simulator
            transport=transport,
        )

    async def send(
        self,
        method: str,
        url: str,
        *,
        repeatable: bool = False,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        auth: httpx.Auth | None = None,
    ) -> dict[str, Any]:
        """The JSON object that comes back, empty for 204. Raises a CarrierError subclass."""
        optional: dict[str, Any] = {} if auth is None else {"auth": auth}
        try:
            response = await self._http.request(
                method, url, params=query, data=form, json=json, headers=headers, **optional
            )
        except httpx.HTTPError as error:
            raise self._no_reply(error, repeatable) from error
        if not response.is_success:
            raise self._refusal(response, repeatable)
        if response.status_code == 204:
            return {}
        try:
            reply = response.json()
        except (ValueError, RecursionError):
            reply = None
        if not isinstance(reply, dict):
            raise self.unreadable(repeatable=repeatable)
        return reply

    def unreadable(self, *, repeatable: bool) -> CarrierError:
        """For a reply that isn't what was asked for; the request itself was accepted."""
        kind: type[CarrierError] = CarrierUnreachable if repeatable else CarrierUncertain
        return kind(FailureCode.CARRIER_ERROR, f"{self._carrier}'s reply could not be read.")

    async def aclose(self) -> None:
        await self._http.aclose()

    def _refusal(self, response: httpx.Response, repeatable: bool) -> CarrierError:
        """What the carrier's own mapping makes of a reply; how long it wants to be left alone is in the same header
        everywhere, whatever the refusal."""
        if response.is_redirect:
            return redirected(self._carrier, response.status_code, repeatable=repeatable)
        error = self._from_reply(response, repeatable)
        if error.retry_after_s is None:
            error.retry_after_s = said_retry_after_s(response)
        return error

    def _no_reply(self, error: httpx.HTTPError, repeatable: bool) -> CarrierError:
        logger.info("Carrier did not reply", extra={"carrier": self._carrier, "error": type(error).__name__})
        if repeatable or isinstance(error, BEFORE_SENDING):
            return CarrierUnreachable(
                FailureCode.CARRIER_UNREACHABLE, f"{self._carrier} can't be reached from this server."
            )
        return CarrierUncertain(
            FailureCode.CARRIER_NO_REPLY,
            f"{self._carrier} did not reply; whether it did what was asked is not known.",
        )


def trouble(carrier: str, carrier_code: str, *, repeatable: bool) -> CarrierError:
    """The carrier had a fault of its own (5xx) or somebody lost patience on the way (408)."""
    if repeatable:
        sentence = f"{carrier} has trouble answering. Trying again later may help."
        return CarrierUnreachable(FailureCode.CARRIER_ERROR, sentence, carrier_code=carrier_code)
    sentence = f"{carrier} had an internal error; whether it did what was asked is not known."
    return CarrierUncertain(FailureCode.CARRIER_ERROR, sentence, carrier_code=carrier_code)


def redirected(carrier: str, status: int, *, repeatable: bool) -> CarrierError:
    """The answer is elsewhere (3xx). No carrier's API does that: it is a wrong address, or somebody in between. What
    became of a request that isn't repeatable can't be told from it: 303 is the answer to one that was done."""
    carrier_code = f"http_{status}"
    if repeatable:
        sentence = f"{carrier}'s address leads elsewhere. Check the account's base URL and what lies on the way there."
        return CarrierUnreachable(FailureCode.CARRIER_ERROR, sentence, carrier_code=carrier_code)
    sentence = f"{carrier}'s address leads elsewhere; whether it did what was asked is not known."
    return CarrierUncertain(FailureCode.CARRIER_ERROR, sentence, carrier_code=carrier_code)


def word_for(status: int) -> FailureCode:
    return BY_STATUS.get(status, FailureCode.CARRIER_REFUSED)


def refuses(response: httpx.Response) -> bool:
    """A refusal is the carrier's word that nothing was done."""
    return 400 <= response.status_code < 500 and response.status_code != 408


def retry_after_s(response: httpx.Response) -> float:
    """How long to wait before asking again; 1 s when the carrier didn't say."""
    said_s = said_retry_after_s(response)
    return 1.0 if said_s is None else said_s


def said_retry_after_s(response: httpx.Response) -> float | None:
    """Retry-After is seconds or a date (RFC 9110 section 10.2.3); None when there is none to read."""
    text = response.headers.get("Retry-After", "")
    try:
        if text.isascii() and text.isdecimal():
            seconds = float(text[:9])
        else:
            seconds = (parsedate_to_datetime(text) - clock.now()).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(seconds, 1.0), MAX_RETRY_AFTER_S)


def root_url(text: str, *, version: str = "") -> str:
    """A base URL that somebody gave, as scheme, host and port: the adapters add the paths. Raises ValueError."""
    try:
        url = httpx.URL(text.strip())
    except (httpx.InvalidURL, ValueError):
        raise ValueError("is not a URL; it has to look like https://api.example.com") from None
    if url.scheme not in ("http", "https") or not _HOST.fullmatch(url.raw_host.decode().lower()):
        raise ValueError("has to begin with https:// (or http://) and a host")
    if url.userinfo or url.query or url.fragment or url.path.rstrip("/") not in ("", version):
        raise ValueError("has to be scheme, host and port alone, such as https://api.example.com")
    return f"{url.scheme}://{url.netloc.decode()}"


def is_loopback(base_url: str) -> bool:
    host = httpx.URL(base_url).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
