"""Numbers of a Telnyx account: whose they are, what answers them, and making that us (carriers.numbers.NumberControl).

A number is assigned to a connection, ours is a Call Control application, and that needs an outbound voice profile to
place calls: found or made. Source: developers.telnyx.com, api-reference/{phone-number-configurations,
call-control-applications, outbound-voice-profiles}.
"""

from base64 import b64decode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from outdial.carriers.errors import CarrierRefused
from outdial.carriers.numbers import LISTED, Connected, NumberConnection, NumberRecord, OwnedNumbers
from outdial.carriers.telnyx import errors
from outdial.carriers.telnyx.account import TelnyxAccount
from outdial.telephony.failures import FailureCode

NAME = "Outdial"
CALLBACK_TIMEOUT_S = 5
FILTER_DIGITS = 3  # the fewest that numbers can be found by

NOT_OWNED = (
    FailureCode.NUMBER_NOT_OWNED,
    "This number does not belong to the Telnyx account. Buy or port it there, or give the API key of its account.",
)
ON_ANOTHER_CONNECTION = (
    FailureCode.NUMBER_IN_USE,
    "This number is assigned to another connection or application. Remove it there in the Telnyx portal (Numbers, My "
    "Numbers), or give that application's id if it is a Call Control application; then connect it again.",
)
BAD_PUBLIC_KEY = (
    FailureCode.BAD_CREDENTIALS,
    "The public key is not one of Telnyx's: copy it from the portal, Keys & Credentials, Public Key.",
)
NO_SUCH_APPLICATION = (
    FailureCode.ACCOUNT_NOT_SET_UP,
    "The Telnyx account has no Call Control application with this id. Leave it out, and one is made for you.",
)


class TelnyxNumbers:
    def __init__(self, account: TelnyxAccount) -> None:
        self._account = account
        self._connection_id = account.credentials.connection_id

    async def check(self) -> None:
        try:
            if len(b64decode(self._account.credentials.public_key, validate=True)) != 32:
                raise CarrierRefused(*BAD_PUBLIC_KEY)
        except ValueError as error:
            raise CarrierRefused(*BAD_PUBLIC_KEY) from error
        try:
            await self._account.get("/balance")
        except CarrierRefused as error:
            # A restricted key that may not see the balance is a key all the same.
            if error.carrier_code != errors.KEY_MAY_NOT:
                raise
        if self._connection_id:
            await self._given_application()

    async def owns(self, number: str) -> NumberRecord | None:
        found = await self._find(number)
        return _record(found) if found else None

    async def owned(self, digits: str = "") -> OwnedNumbers:
        """Telnyx finds nothing by one or two digits: those are looked for among the first numbers."""
        query = {"filter[phone_number]": digits} if len(digits) >= FILTER_DIGITS else {}
        found, more = await self._account.first("/phone_numbers", query, LISTED)
        records = (_record(each) for each in found)
        return OwnedNumbers(numbers=tuple(each for each in records if digits in each.number), more=more)

    async def connection(self, number: str, *, inbound_url: str, callback_url: str) -> NumberConnection:
        found, application = await self._connectable(number, inbound_url)
        profile = await self._profile()
        changes = []
        if application is None:
            changes.append(
                f'A Call Control application named "{NAME}" will be made, with the webhook URL {inbound_url}.'
            )
        elif _changes(application, inbound_url, None):
            now = application.get("webhook_event_url") or "nothing"
            changes.append(
                f"The Call Control application's webhook URL will be {inbound_url} instead of {now}, in API version 2. "
                "This holds for all of its numbers."
            )
        if application is None or not _outbound_profile(application):
            changes.append(
                f'It will use the outbound voice profile "{profile.get("name")}".'
                if profile
                else f'An outbound voice profile named "{NAME}" will be made for it (it allows calls to US and CA).'
            )
        assigned = bool(found.get("connection_id"))
        if not assigned:
            changes.append("The number will be assigned to the application.")
        answered_by = application.get("webhook_event_url") if application and assigned else None
        return NumberConnection(
            number=_record(found), answered_by=str(answered_by or "nothing"), changes=tuple(changes)
        )

    async def connect(self, number: str, *, inbound_url: str, callback_url: str) -> Connected:
        """Each call has a callback URL of its own, so `callback_url` is not set anywhere."""
        found, application = await self._connectable(number, inbound_url)
        undo: dict[str, Any] = {"created": application is None}
        if application is None:
            application = await self._create(inbound_url)
        else:
            profile_id = None if _outbound_profile(application) else await self._profile_id()
            changes = _changes(application, inbound_url, profile_id)
            if changes:
                undo["application"] = {name: application.get(name) for name in changes}
                await self._patch(application, changes)
        connection_id = str(application["id"])
        undo["connection_id"] = connection_id
        if found.get("connection_id") != connection_id:
            await self._account.patch(_number_path(found), {"connection_id": connection_id})
        return Connected(undo=undo, credentials={"connection_id": connection_id})

    async def disconnect(self, number: str, undo: Mapping[str, Any], *, is_last: bool) -> None:
        connection_id = undo["connection_id"]
        found = await self._find(number)
        if found is not None and found.get("connection_id") == connection_id:
            await self._account.patch(_number_path(found), {"connection_id": ""})
        query = {"filter[connection_id]": connection_id}
        if not is_last or await self._account.all("/phone_numbers", query):
            return  # other numbers call through it, or are answered by it
        path = _application_path(connection_id)
        if undo["created"]:
            await self._delete(path)
        elif undo.get("application"):
            await self._patch(await self._account.get(path), undo["application"])

    async def aclose(self) -> None:
        await self._account.aclose()

    # -- application and outbound voice profile

    async def _given_application(self) -> dict[str, Any]:
        """The application whose id was given; raises CarrierRefused when there is none."""
        try:
            return await self._account.get(_application_path(self._connection_id))
        except CarrierRefused as error:
            if error.code is FailureCode.NOT_KNOWN_THERE:
                raise CarrierRefused(*NO_SUCH_APPLICATION) from error
            raise

    async def _application(self, inbound_url: str) -> dict[str, Any] | None:
        """The one that was given, or ours from before, known by its URL."""
        if self._connection_id:
            return await self._given_application()
        applications = await self._account.all("/call_control_applications")
        return next((each for each in applications if each.get("webhook_event_url") == inbound_url), None)

    async def _create(self, inbound_url: str) -> dict[str, Any]:
        profile_id = await self._profile_id()
        application = {
            "application_name": NAME,
            "webhook_event_url": inbound_url,
            "webhook_api_version": "2",  # the default is 1, another payload
            "webhook_timeout_secs": CALLBACK_TIMEOUT_S,
            "call_cost_in_webhooks": True,
            "outbound": {"outbound_voice_profile_id": profile_id},
        }
        return await self._account.post("/call_control_applications", application, repeatable=True)

    async def _delete(self, path: str) -> None:
        try:
            await self._account.delete(path)
        except CarrierRefused as error:
            if error.code is not FailureCode.NOT_KNOWN_THERE:
                raise

    async def _patch(self, application: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
        """Telnyx wants name and URL with every change."""
        required = {name: application.get(name) for name in ("application_name", "webhook_event_url")}
        await self._account.patch(_application_path(str(application["id"])), required | dict(changes))

    async def _profile(self) -> dict[str, Any] | None:
        """Ours, or else the first that is enabled."""
        profiles = await self._account.all("/outbound_voice_profiles")
        enabled = [each for each in profiles if each.get("enabled", True)]
        return next((each for each in enabled if each.get("name") == NAME), enabled[0] if enabled else None)

    async def _profile_id(self) -> str:
        profile = await self._profile()
        if profile is None:
            profile = await self._account.post("/outbound_voice_profiles", {"name": NAME}, repeatable=True)
        return str(profile["id"])

    # -- the number

    async def _connectable(
        self, number: str, inbound_url: str
    ) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """The number and the application it is to have, None while there is none."""
        found = await self._find(number)
        if found is None:
            raise CarrierRefused(*NOT_OWNED)
        application = await self._application(inbound_url)
        assigned = found.get("connection_id")
        if assigned and (application is None or assigned != application.get("id")):
            raise CarrierRefused(*ON_ANOTHER_CONNECTION)
        return found, application

    async def _find(self, number: str) -> dict[str, Any] | None:
        """Telnyx's filter takes digits only, and matches parts of numbers."""
        query = {"filter[phone_number]": number.removeprefix("+")}
        numbers = await self._account.all("/phone_numbers", query)
        return next((each for each in numbers if each.get("phone_number") == number), None)


def _changes(application: Mapping[str, Any], inbound_url: str, profile_id: str | None) -> dict[str, Any]:
    """What has to change at an application so that it is as we need it."""
    wanted: dict[str, Any] = {
        "webhook_event_url": inbound_url,
        "webhook_api_version": "2",
        "call_cost_in_webhooks": True,
    }
    changes = {name: value for name, value in wanted.items() if application.get(name) != value}
    if profile_id is not None:
        outbound = application.get("outbound")
        before = outbound if isinstance(outbound, dict) else {}
        changes["outbound"] = {**before, "outbound_voice_profile_id": profile_id}
    return changes


def _outbound_profile(application: Mapping[str, Any]) -> object:
    outbound = application.get("outbound")
    return outbound.get("outbound_voice_profile_id") if isinstance(outbound, dict) else None


def _application_path(application_id: str) -> str:
    return f"/call_control_applications/{quote(application_id, safe='')}"


def _number_path(found: Mapping[str, Any]) -> str:
    return f"/phone_numbers/{quote(str(found.get('id')), safe='')}"


def _record(found: Mapping[str, Any]) -> NumberRecord:
    return NumberRecord(
        number=str(found.get("phone_number")),
        carrier_number_id=str(found.get("id")),
        name="",
        can_call=found.get("status") == "active",
        rented=True,
    )
