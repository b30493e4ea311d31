"""One Vonage account's REST APIs: three of them, on two hosts, with two kinds of credentials.

Calls (Voice API) want a token signed with the application's private key, applications and numbers the API key and
secret. A call lives in one region, and requests about it have to go there.
Source: developer.vonage.com/en/voice/voice-api/concepts/regions.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from outdial import clock
from outdial.carriers.errors import CarrierRefused
from outdial.carriers.http import RestClient
from outdial.carriers.vonage import errors, tokens
from outdial.carriers.vonage.regions import APPLICATION_REGIONS, REGIONS
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import FailureCode

REST_URL = "https://rest.nexmo.com"
VONAGE_DOMAINS = (".nexmo.com", ".vonage.com")

NO_APPLICATION = (
    FailureCode.ACCOUNT_NOT_SET_UP,
    "There is no Vonage application for calls yet: connect a number, or give application id and private key.",
)
BAD_PRIVATE_KEY = (
    FailureCode.BAD_CREDENTIALS,
    "The private key of the Vonage application can't be read: give the whole file, from BEGIN to END.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VonageCredentials:
    """One account. Application and key are missing until the first number is connected, unless they were given."""

    api_key: str
    api_secret: str = field(repr=False)
    signature_secret: str = field(repr=False)
    application_id: str = ""
    private_key: str = field(default="", repr=False)


class VonageAccount:
    """`base_url`: of a region, for calls alone; or the simulator, for everything.

    `application_region` is where calls that come in are to be handled; None: Vonage's choice.
    """

    def __init__(
        self,
        credentials: VonageCredentials,
        *,
        base_url: str = REGIONS[0].url,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.credentials = credentials
        central = REGIONS[0].url
        self._voice_url = base_url.rstrip("/")
        self._regional = _is_vonages(self._voice_url)
        self.application_region = APPLICATION_REGIONS.get(self._voice_url)
        self._api_url = central if self._regional else self._voice_url
        self._rest_url = REST_URL if self._regional else self._voice_url
        self._private_key: RSAPrivateKey | None = None
        self._basic = httpx.BasicAuth(credentials.api_key, credentials.api_secret)
        self._rest = RestClient("Vonage", self._voice_url, errors.from_reply, transport=transport)

    async def voice(
        self,
        method: str,
        path: str,
        *,
        call: CarrierCall | None = None,
        json: Any = None,
        query: Mapping[str, str] | None = None,
        repeatable: bool = False,
    ) -> dict[str, Any]:
        """The Voice API, in the region of `call` when it is known."""
        key = self.private_key()
        token = tokens.application_token(self.credentials.application_id, key, clock.now())
        return await self._rest.send(
            method,
            f"{self._region_of(call)}{path}",
            json=json,
            query=query,
            headers={"Authorization": f"Bearer {token}"},
            repeatable=repeatable,
        )

    async def applications(
        self, method: str, application_id: str = "", *, json: Any = None, repeatable: bool = False
    ) -> dict[str, Any]:
        url = f"{self._api_url}/v2/applications" + (f"/{application_id}" if application_id else "")
        return await self._rest.send(method, url, json=json, auth=self._basic, repeatable=repeatable)

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Numbers and balance."""
        return await self._rest.send(
            "GET", f"{self._rest_url}{path}", query=query, auth=self._basic, repeatable=True
        )

    async def update_number(self, form: Mapping[str, str]) -> None:
        reply = await self._rest.send(
            "POST", f"{self._rest_url}/number/update", form=form, auth=self._basic, repeatable=True
        )
        if reply.get("error-code") != "200":
            raise errors.number_refusal(reply.get("error-code"))

    def private_key(self) -> RSAPrivateKey:
        """What requests are signed with. It was checked when the account was given; here it is only read, and once:
        the audio of every call would wait for the check."""
        if self._private_key is None:
            try:
                self._private_key = tokens.load_private_key(self._pem(), is_checked=True)
            except ValueError as error:
                raise CarrierRefused(*BAD_PRIVATE_KEY) from error
        return self._private_key

    async def checked_private_key(self) -> RSAPrivateKey:
        """That of an account which was just given."""
        try:
            return await asyncio.to_thread(tokens.load_private_key, self._pem())
        except ValueError as error:
            raise CarrierRefused(*BAD_PRIVATE_KEY) from error

    def _pem(self) -> str:
        if not self.credentials.application_id or not self.credentials.private_key:
            raise CarrierRefused(*NO_APPLICATION)
        return self.credentials.private_key

    def unreadable(self) -> Exception:
        return self._rest.unreadable(repeatable=True)

    async def aclose(self) -> None:
        await self._rest.aclose()

    def _region_of(self, call: CarrierCall | None) -> str:
        """The host a callback named, if it is one of Vonage's: our token goes nowhere else."""
        named = call.refs.get("region_url", "").rstrip("/") if call else ""
        return named if self._regional and named and _is_vonages(named) else self._voice_url


def _is_vonages(url: str) -> bool:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parsed.scheme == "https" and f".{parsed.host}".endswith(VONAGE_DOMAINS) and parsed.path in ("", "/")
