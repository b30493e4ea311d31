"""One Twilio account's REST resources: read, write, and lists to their end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from outdial.carriers.errors import CarrierUncertain
from outdial.carriers.http import RestClient
from outdial.carriers.twilio import errors
from outdial.carriers.twilio.regions import REGIONS
from outdial.telephony.failures import FailureCode

PAGE_SIZE, MAX_PAGES = 1000, 5

Form = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioCredentials:
    """One account. REST uses the API key when there is one; callbacks are signed with the auth token anyway.

    `next_auth_token` is the secondary token, while tokens are rotated.
    """

    account_sid: str
    auth_token: str = field(repr=False)
    next_auth_token: str = field(default="", repr=False)
    api_key: str = ""
    api_secret: str = field(default="", repr=False)

    @property
    def signing_tokens(self) -> Sequence[str]:
        return [token for token in (self.auth_token, self.next_auth_token) if token]

    @property
    def basic_auth(self) -> tuple[str, str]:
        if self.api_key:
            return self.api_key, self.api_secret
        return self.account_sid, self.auth_token


class TwilioAccount:
    """`base_url`: of a region or the simulator."""

    def __init__(
        self,
        credentials: TwilioCredentials,
        *,
        base_url: str = REGIONS[0].url,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._path = f"/2010-04-01/Accounts/{quote(credentials.account_sid, safe='')}"
        auth = httpx.BasicAuth(*credentials.basic_auth)
        self._rest = RestClient("Twilio", base_url, errors.from_reply, auth=auth, transport=transport)

    async def get(self, resource: str = "") -> dict[str, Any]:
        """The account itself, or something of it ("Calls/CA…")."""
        return await self._rest.send("GET", self._url(resource), repeatable=True)

    async def post(self, resource: str, form: Form, *, repeatable: bool = False) -> dict[str, Any]:
        return await self._rest.send("POST", self._url(resource), form=form, repeatable=repeatable)

    async def all(self, resource: str, name: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """All pages. A list that is not complete is an error: what is missing must not pass for absent."""
        query = {**query, "PageSize": str(PAGE_SIZE)}
        page = await self._rest.send("GET", self._url(resource), query=query, repeatable=True)
        items = self._items(page, name)
        for _ in range(MAX_PAGES - 1):
            next_page = page.get("next_page_uri")
            if not next_page:
                return items
            if not isinstance(next_page, str) or not next_page.startswith(self._path):
                raise self._rest.unreadable(repeatable=True)
            page = await self._rest.send("GET", next_page, repeatable=True)
            items += self._items(page, name)
        if page.get("next_page_uri"):
            raise CarrierUncertain(FailureCode.CARRIER_ERROR, "Twilio's list is too long to be read to its end.")
        return items

    async def first(
        self, resource: str, name: str, query: Mapping[str, str], size: int
    ) -> tuple[list[dict[str, Any]], bool]:
        """The first page, of `size` items, and whether there is another one."""
        query = {**query, "PageSize": str(size)}
        page = await self._rest.send("GET", self._url(resource), query=query, repeatable=True)
        return self._items(page, name), bool(page.get("next_page_uri"))

    async def aclose(self) -> None:
        await self._rest.aclose()

    def _url(self, resource: str) -> str:
        return f"{self._path}/{resource}.json" if resource else f"{self._path}.json"

    def _items(self, page: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
        items = page.get(name)
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise self._rest.unreadable(repeatable=True)
        return items


def text_in(reply: Mapping[str, Any], name: str) -> str:
    """A field that must be there. It was an accepted request, so a reply without it leaves us uncertain."""
    value = text_or_none(reply, name)
    if value is None:
        raise CarrierUncertain(FailureCode.CARRIER_ERROR, "Twilio's reply could not be read.")
    return value


def text_or_none(reply: Mapping[str, Any], name: str) -> str | None:
    """Twilio writes what is absent as null or as an empty string."""
    value = reply.get(name)
    return value if isinstance(value, str) and value else None
