"""One Telnyx account's REST resources: read, write, and lists to their end. Every reply is wrapped in `data`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from outdial.carriers.errors import CarrierUncertain
from outdial.carriers.http import RestClient
from outdial.carriers.telnyx import errors
from outdial.carriers.telnyx.regions import REGIONS, VERSION
from outdial.telephony.failures import FailureCode

PAGE_SIZE, MAX_PAGES = 250, 10
PREMIUM, STANDARD = "premium", "standard"  # Telnyx's names for its two kinds of detection


@dataclass(frozen=True, slots=True, kw_only=True)
class TelnyxCredentials:
    """One account. `connection_id` (of the Call Control application) is missing until the first number is
    connected, unless it was given. `detection` is which answering machine detection the account pays for."""

    api_key: str = field(repr=False)
    public_key: str
    connection_id: str = ""
    detection: str = PREMIUM


class TelnyxAccount:
    """`base_url`: of a region or the simulator."""

    def __init__(
        self,
        credentials: TelnyxCredentials,
        *,
        base_url: str = REGIONS[0].url,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.credentials = credentials
        auth = _Bearer(credentials.api_key)
        url = base_url + VERSION
        self._rest = RestClient("Telnyx", url, errors.from_reply, auth=auth, transport=transport)

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        return self._data(await self._rest.send("GET", path, query=query, repeatable=True), repeatable=True)

    async def post(self, path: str, json: Any, *, repeatable: bool = False) -> dict[str, Any]:
        reply = await self._rest.send("POST", path, json=json, repeatable=repeatable)
        return self._data(reply, repeatable=repeatable)

    async def patch(self, path: str, json: Any) -> dict[str, Any]:
        return self._data(await self._rest.send("PATCH", path, json=json, repeatable=True), repeatable=True)

    async def delete(self, path: str) -> None:
        await self._rest.send("DELETE", path, repeatable=True)

    async def all(self, path: str, query: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """All pages. A list that is not complete is an error: what is missing must not pass for absent.

        Some lists have numbered pages, some a cursor; `meta` says which.
        """
        items: list[dict[str, Any]] = []
        page = {"page[size]": str(PAGE_SIZE)}
        for number in range(2, MAX_PAGES + 2):
            reply = await self._rest.send("GET", path, query={**(query or {}), **page}, repeatable=True)
            found, meta = self._list(reply)
            items += found
            next_page = _next_page(meta, number)
            if next_page is None:
                return items
            page = {"page[size]": str(PAGE_SIZE)} | next_page
        raise CarrierUncertain(FailureCode.CARRIER_ERROR, "Telnyx's list is too long to be read to its end.")

    async def first(self, path: str, query: Mapping[str, str], size: int) -> tuple[list[dict[str, Any]], bool]:
        """The first page, of `size` items, and whether there is another one."""
        reply = await self._rest.send("GET", path, query={**query, "page[size]": str(size)}, repeatable=True)
        found, meta = self._list(reply)
        return found, _next_page(meta, 2) is not None

    async def aclose(self) -> None:
        await self._rest.aclose()

    def _list(self, reply: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Of one page, its items and what is said of the list."""
        found, meta = reply.get("data"), reply.get("meta")
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise self._rest.unreadable(repeatable=True)
        return found, meta if isinstance(meta, dict) else {}

    def _data(self, reply: Mapping[str, Any], *, repeatable: bool) -> dict[str, Any]:
        data = reply.get("data")
        if not isinstance(data, dict):
            raise self._rest.unreadable(repeatable=repeatable)
        return data


class _Bearer(httpx.Auth):
    def __init__(self, api_key: str) -> None:
        self._header = f"Bearer {api_key}"

    def auth_flow(self, request: httpx.Request) -> Any:
        request.headers["Authorization"] = self._header
        yield request


def _next_page(meta: Mapping[str, Any], number: int) -> dict[str, str] | None:
    cursors = meta.get("cursors")
    if isinstance(cursors, dict):
        after = cursors.get("after")
        return {"page[after]": after} if isinstance(after, str) and after and meta.get("next") else None
    total = meta.get("total_pages")
    return {"page[number]": str(number)} if type(total) is int and number <= total else None
