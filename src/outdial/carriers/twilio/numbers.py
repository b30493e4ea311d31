"""Numbers of a Twilio account: whose they are, what answers them, and making that us (carriers.numbers.NumberControl).

Source: twilio.com/docs/phone-numbers/api/incomingphonenumber-resource.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from outdial.carriers.errors import CarrierRefused
from outdial.carriers.numbers import LISTED, Connected, NumberConnection, NumberRecord, OwnedNumbers
from outdial.carriers.twilio import errors
from outdial.carriers.twilio.account import TwilioAccount, text_in, text_or_none
from outdial.telephony.failures import FailureCode

# What connecting sets, by Twilio's name in replies and in forms.
FIELDS = {
    "voice_url": "VoiceUrl",
    "voice_method": "VoiceMethod",
    "status_callback": "StatusCallback",
    "status_callback_method": "StatusCallbackMethod",
}

NOT_OWNED = (
    FailureCode.NUMBER_NOT_OWNED,
    "This number does not belong to the Twilio account. Buy or port it there, or give the credentials of its account.",
)
ONLY_VERIFIED = (
    FailureCode.NUMBER_ONLY_VERIFIED,
    "This number is only a verified caller ID of the Twilio account: calls can go out from it, but none come in there.",
)
ON_A_TRUNK = (
    FailureCode.NUMBER_IN_USE,
    "This number belongs to a SIP trunk. Remove it from the trunk in the Twilio console (Elastic SIP Trunking), then "
    "connect it again.",
)
IN_AN_APPLICATION = (
    FailureCode.NUMBER_IN_USE,
    "This number is answered by a TwiML application. In the Twilio console set the number's voice configuration to "
    "Webhook, then connect it again.",
)


class TwilioNumbers:
    def __init__(self, account: TwilioAccount) -> None:
        self._account = account

    async def check(self) -> None:
        account = await self._account.get()
        if account.get("status") != "active":
            raise errors.refusal(errors.NOT_ACTIVE)

    async def owns(self, number: str) -> NumberRecord | None:
        rented = await self._rented(number)
        if rented is not None:
            return _record(rented, rented=True)
        for each in await self._account.all("OutgoingCallerIds", "outgoing_caller_ids", {"PhoneNumber": number}):
            if each.get("phone_number") == number:
                return _record(each, rented=False)
        return None

    async def owned(self, digits: str = "") -> OwnedNumbers:
        query = {"PhoneNumber": digits} if digits else {}
        found, more = await self._account.first("IncomingPhoneNumbers", "incoming_phone_numbers", query, LISTED)
        return OwnedNumbers(numbers=tuple(_record(each, rented=True) for each in found), more=more)

    async def connection(self, number: str, *, inbound_url: str, callback_url: str) -> NumberConnection:
        found = await self._connectable(number)
        wanted = _wanted(inbound_url, callback_url)
        now = text_or_none(found, "voice_url")
        changes = [
            f"{FIELDS[name]} will be {wanted[name]} instead of {found.get(name) or 'nothing'}."
            for name in ("voice_url", "status_callback")
            if (found.get(name) or "") != wanted[name]
        ]
        return NumberConnection(
            number=_record(found, rented=True), answered_by=now or "nothing", changes=tuple(changes)
        )

    async def connect(self, number: str, *, inbound_url: str, callback_url: str) -> Connected:
        found = await self._connectable(number)
        wanted = _wanted(inbound_url, callback_url)
        before = {name: found.get(name) or "" for name in FIELDS}
        if before["voice_url"] == inbound_url:  # connected before: there is nothing of somebody else's to put back
            before |= {"voice_url": "", "status_callback": ""}
        await self._set(found, wanted)
        return Connected(undo={"before": before, "set": wanted}, credentials={})

    async def disconnect(self, number: str, undo: Mapping[str, Any], *, is_last: bool) -> None:
        """A Twilio number shares nothing with another."""
        found = await self._rented(number)
        if found is None or found.get("voice_url") != undo["set"]["voice_url"]:
            return  # released, or answered by something else by now
        await self._set(found, undo["before"])

    async def aclose(self) -> None:
        await self._account.aclose()

    async def _set(self, found: Mapping[str, Any], values: Mapping[str, str]) -> None:
        form = {FIELDS[name]: value for name, value in values.items()}
        resource = f"IncomingPhoneNumbers/{quote(text_in(found, 'sid'), safe='')}"
        await self._account.post(resource, form, repeatable=True)

    async def _connectable(self, number: str) -> Mapping[str, Any]:
        found = await self._rented(number)
        if found is None:
            raise CarrierRefused(*(NOT_OWNED if await self.owns(number) is None else ONLY_VERIFIED))
        if found.get("trunk_sid"):
            raise CarrierRefused(*ON_A_TRUNK)
        if found.get("voice_application_sid"):
            raise CarrierRefused(*IN_AN_APPLICATION)
        return found

    async def _rented(self, number: str) -> Mapping[str, Any] | None:
        query = {"PhoneNumber": number}
        for each in await self._account.all("IncomingPhoneNumbers", "incoming_phone_numbers", query):
            if each.get("phone_number") == number:  # Twilio's filter matches parts of numbers, too
                return each
        return None


def _wanted(inbound_url: str, callback_url: str) -> dict[str, str]:
    return {
        "voice_url": inbound_url,
        "voice_method": "POST",
        "status_callback": f"{callback_url}/status",
        "status_callback_method": "POST",
    }


def _record(number: Mapping[str, Any], *, rented: bool) -> NumberRecord:
    capabilities = number.get("capabilities")
    return NumberRecord(
        number=text_in(number, "phone_number"),
        carrier_number_id=text_in(number, "sid"),
        name=text_or_none(number, "friendly_name") or "",
        can_call=not rented or (isinstance(capabilities, dict) and capabilities.get("voice") is True),
        rented=rented,
    )
