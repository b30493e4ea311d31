"""One toy account's REST resources: JSON in, JSON out, and a key in every request."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from carriers.toy import errors
from outdial.carriers.http import RestClient


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyCredentials:
    name: str
    key: str = field(repr=False)


class ToyAccount:
    def __init__(self, credentials: ToyCredentials, *, base_url: str) -> None:
        self._rest = RestClient("Toy", base_url, errors.from_reply, auth=_Key(credentials.key))

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        return await self._rest.send("GET", path, query=query, repeatable=True)

    async def post(self, path: str, json: Any, *, repeatable: bool = False) -> dict[str, Any]:
        return await self._rest.send("POST", path, json=json, repeatable=repeatable)

    async def aclose(self) -> None:
        await self._rest.aclose()


class _Key(httpx.Auth):
    def __init__(self, key: str) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Key {self._key}"
        yield request
