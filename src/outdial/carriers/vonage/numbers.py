"""Numbers of a Vonage account: whose they are, what answers them, and making that us (carriers.numbers.NumberControl).

A number is linked to an application, and the application knows the URLs. Ours is made here with a key pair of its
own, unless the user gave one. An update of an application replaces it whole: read, changed and written back.
Sources: developer.vonage.com/en/api/numbers and en/api/application.v2.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from outdial.carriers.errors import CarrierError, CarrierRefused
from outdial.carriers.numbers import LISTED, Connected, NumberConnection, NumberRecord, OwnedNumbers
from outdial.carriers.vonage import mapping, tokens
from outdial.carriers.vonage.account import VonageAccount
from outdial.telephony.failures import FailureCode

APPLICATION_NAME = "Outdial"
PAGE_SIZE = 100  # the most Vonage takes
CONTAINS = "1"   # where in a number a pattern stands

NOT_OWNED = (
    FailureCode.NUMBER_NOT_OWNED,
    "This number does not belong to the Vonage account. Buy or port it there, or give the credentials of its account.",
)
NO_VOICE = (
    FailureCode.NUMBER_WITHOUT_VOICE,
    "This number of the Vonage account can't be used for calls, for messages only.",
)
FORWARDED = (
    FailureCode.NUMBER_IN_USE,
    "Calls to this number are forwarded to a SIP address or another number. Remove the forwarding in the Vonage "
    "dashboard (Numbers, Your numbers), then connect it again.",
)
OTHER_APPLICATION = (
    FailureCode.NUMBER_IN_USE,
    "This number is linked to another Vonage application. Unlink it in the dashboard (Numbers, Your numbers), or give "
    "that application's id and private key, then connect it again.",
)
NO_PRIVATE_KEY = (
    FailureCode.BAD_CREDENTIALS,
    "Give the private key of the Vonage application, too; or leave out both, and an application is made for you.",
)
OTHER_KEY = (
    FailureCode.BAD_CREDENTIALS,
    "The private key does not belong to this Vonage application. Give the application's own, or generate a new one in "
    "the dashboard.",
)


class VonageNumbers:
    def __init__(self, account: VonageAccount) -> None:
        self._account = account
        self._application_id = account.credentials.application_id

    async def check(self) -> None:
        """The signature secret can't be checked: Vonage only ever uses it towards us."""
        await self._account.get("/account/get-balance")
        if self._application_id:
            await self._application()
            await self._account.voice("GET", "/v1/calls", query={"page_size": "1"}, repeatable=True)

    async def owns(self, number: str) -> NumberRecord | None:
        found = await self._find(number)
        return _record(found) if found else None

    async def owned(self, digits: str = "") -> OwnedNumbers:
        query = {"size": str(LISTED), "index": "1"}
        if digits:
            query |= {"pattern": digits, "search_pattern": CONTAINS}
        found, count = await self._counted_page(query)
        return OwnedNumbers(numbers=tuple(map(_record, found)), more=count > len(found))

    async def connection(self, number: str, *, inbound_url: str, callback_url: str) -> NumberConnection:
        found = await self._connectable(number)
        changes = []
        if self._application_id:
            application = await self._application()
            now = _address(application)
            if self._voice(application, inbound_url, callback_url) != _object(application, "capabilities").get("voice"):
                region = self._account.application_region
                changes.append(
                    f"The application's answer URL will be {inbound_url} instead of {now or 'nothing'}, its event URL "
                    f"{callback_url}/event, and callbacks will be signed. "
                    + (f"Its calls will be handled in the region {region}. " if region else "")
                    + "This holds for all of its numbers."
                )
        else:
            now = ""
            changes.append(
                f'An application named "{APPLICATION_NAME}" will be made, with a key pair of its own, the answer URL '
                f"{inbound_url} and the event URL {callback_url}/event."
            )
        linked = bool(found.get("app_id"))
        if not linked:
            changes.append("The number will be linked to the application.")
        return NumberConnection(
            number=_record(found), answered_by=now if linked and now else "nothing", changes=tuple(changes)
        )

    async def connect(self, number: str, *, inbound_url: str, callback_url: str) -> Connected:
        found = await self._connectable(number)
        undo: dict[str, Any] = {"app_id": self._application_id, "created": False}
        credentials: dict[str, str] = {}
        if self._application_id:
            application = await self._application()
            before = _object(application, "capabilities").get("voice")
            wanted = self._voice(application, inbound_url, callback_url)
            if wanted != before:
                await self._put(application, wanted)
                if _address(application) != inbound_url:
                    undo["voice"] = before
        else:
            credentials = await self._create(inbound_url, callback_url)
            undo = {"app_id": credentials["application_id"], "created": True}
        try:
            await self._account.update_number(_form(found) | {"app_id": undo["app_id"]})
        except CarrierRefused:
            if undo["created"]:  # nobody else will ever have its private key
                with suppress(CarrierError):
                    await self._delete(undo["app_id"])
            raise
        return Connected(undo=undo, credentials=credentials)

    async def disconnect(self, number: str, undo: Mapping[str, Any], *, is_last: bool) -> None:
        found = await self._find(number)
        if found is not None and found.get("app_id") == undo["app_id"]:
            await self._account.update_number(_form(found))  # without an application
        if not is_last or await self._page({"application_id": undo["app_id"], "size": str(PAGE_SIZE)}):
            return  # other numbers call through it, or are answered by it
        if undo["created"]:
            await self._delete(undo["app_id"])
        elif "voice" in undo:
            application = await self._account.applications("GET", undo["app_id"], repeatable=True)
            await self._put(application, undo["voice"])

    async def aclose(self) -> None:
        await self._account.aclose()

    # -- the application

    async def _application(self) -> dict[str, Any]:
        """The application whose id was given; raises CarrierRefused when our private key is not its."""
        if not self._account.credentials.private_key:
            raise CarrierRefused(*NO_PRIVATE_KEY)
        key = await self._account.checked_private_key()
        application = await self._account.applications("GET", self._application_id, repeatable=True)
        public = _object(application, "keys").get("public_key")
        if not isinstance(public, str) or not tokens.is_public_half(public, key):
            raise CarrierRefused(*OTHER_KEY)
        return application

    async def _create(self, inbound_url: str, callback_url: str) -> dict[str, str]:
        private_key = await asyncio.to_thread(tokens.new_private_key)
        public_key = tokens.public_pem(tokens.load_private_key(private_key, is_checked=True))
        application = await self._account.applications(
            "POST",
            json={
                "name": APPLICATION_NAME,
                "keys": {"public_key": public_key},
                "capabilities": {"voice": self._voice({}, inbound_url, callback_url)},
            },
            repeatable=True,  # a second application does no harm
        )
        application_id = application.get("id")
        if not isinstance(application_id, str) or not application_id:
            raise self._account.unreadable()
        return {"application_id": application_id, "private_key": private_key}

    def _voice(self, application: Mapping[str, Any], inbound_url: str, callback_url: str) -> dict[str, Any]:
        """The application's voice capability as we need it; what else is in it stays."""
        before = _object(_object(application, "capabilities"), "voice")
        times = {"http_method": "POST", "connect_timeout": 1000}
        webhooks = {
            **_object(before, "webhooks"),
            "answer_url": {"address": inbound_url, **times, "socket_timeout": 5000},
            "event_url": {"address": f"{callback_url}/event", **times, "socket_timeout": 10000},
        }
        region = self._account.application_region
        return {**before, "webhooks": webhooks, "signed_callbacks": True} | ({"region": region} if region else {})

    async def _put(self, application: Mapping[str, Any], voice: Any) -> None:
        capabilities = {**_object(application, "capabilities"), "voice": voice}
        if voice is None:
            del capabilities["voice"]
        changed = {**application, "capabilities": capabilities}
        changed.pop("_links", None)
        await self._account.applications("PUT", changed.pop("id"), json=changed, repeatable=True)

    async def _delete(self, application_id: str) -> None:
        try:
            await self._account.applications("DELETE", application_id, repeatable=True)
        except CarrierRefused as error:
            if error.code is not FailureCode.NOT_KNOWN_THERE:
                raise

    # -- the number

    async def _connectable(self, number: str) -> dict[str, Any]:
        found = await self._find(number)
        if found is None:
            raise CarrierRefused(*NOT_OWNED)
        if not _record(found).can_call:
            raise CarrierRefused(*NO_VOICE)
        if found.get("voiceCallbackType") in ("sip", "tel"):
            raise CarrierRefused(*FORWARDED)
        if found.get("app_id") and found["app_id"] != self._application_id:
            raise CarrierRefused(*OTHER_APPLICATION)
        return found

    async def _find(self, number: str) -> dict[str, Any] | None:
        msisdn = mapping.to_vonage(number)
        page = await self._page({"pattern": msisdn, "search_pattern": CONTAINS, "size": str(PAGE_SIZE), "index": "1"})
        return next((each for each in page if each.get("msisdn") == msisdn), None)

    async def _page(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        return (await self._counted_page(query))[0]

    async def _counted_page(self, query: Mapping[str, str]) -> tuple[list[dict[str, Any]], int]:
        """And how many there are in all. Vonage leaves `numbers` out when there are none."""
        reply = await self._account.get("/account/numbers", query)
        found, count = reply.get("numbers", []), reply.get("count")
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise self._account.unreadable()
        return found, count if type(count) is int else len(found)


def _address(application: Mapping[str, Any]) -> str:
    """Where the application's calls are announced now."""
    voice = _object(_object(application, "capabilities"), "voice")
    address = _object(_object(voice, "webhooks"), "answer_url").get("address")
    return address if isinstance(address, str) else ""


def _object(parent: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def _form(found: Mapping[str, Any]) -> dict[str, str]:
    """An update says everything that is to stay: a field left out is emptied."""
    form = {"country": str(found.get("country", "")), "msisdn": str(found.get("msisdn", ""))}
    if found.get("moHttpUrl"):
        form["moHttpUrl"] = str(found["moHttpUrl"])
    return form


def _record(found: Mapping[str, Any]) -> NumberRecord:
    features = found.get("features")
    return NumberRecord(
        number=mapping.from_vonage(found.get("msisdn")),
        carrier_number_id=str(found.get("msisdn")),
        name="",
        can_call=isinstance(features, list) and "VOICE" in features,
        rented=True,
    )
