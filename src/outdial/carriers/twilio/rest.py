"""Twilio's REST API, as far as calls need it: the verbs of carriers.base.Carrier over one httpx client.

Nothing here repeats a request by itself: Twilio has no idempotency key for creating a call, so a repeated
POST dials a person twice. Source: twilio.com/docs/voice/api/call-resource.
"""

import ipaddress
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

from outdial.carriers.base import (
    Capabilities,
    CarrierError,
    CarrierRecord,
    CarrierRefused,
    CarrierUncertain,
    CarrierUnreachable,
    Detection,
    NumberRecord,
    PlaceCall,
)
from outdial.carriers.twilio import answer, errors, words

BASE_URL = "https://api.twilio.com"

CAPABILITIES = Capabilities(
    ringing_event=True,
    detection=True,
    detection_message_end=True,
    send_digits=True,
    transfer=True,
    idempotent_create=False,
    calls_per_second=1.0,  # of a new account; Twilio queues what is more, and may then dial hours later
)

STATUS_EVENTS = ("initiated", "ringing", "answered", "completed")
DETECTION = {Detection.FAST: "Enable", Detection.MESSAGE_END: "DetectMessageEnd"}
MAX_RING_TIMEOUT_S = 600
DETECTION_TIMEOUT_S = (3, 59)  # least and most
TRANSFER_RING_TIMEOUT_S = 25
PAGE_SIZE, MAX_PAGES = 1000, 5

# httpx logs the URL of every request, and the URL of a search holds phone numbers.
logging.getLogger("httpx").setLevel(logging.WARNING)


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


class TwilioCarrier:
    """One Twilio account (see carriers.base.Carrier for the verbs and what they raise).

    `base_url`: a region's host (https://api.dublin.ie1.twilio.com) or the simulator.
    """

    capabilities = CAPABILITIES

    def __init__(
        self,
        credentials: TwilioCredentials,
        *,
        base_url: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        base_url = base_url or BASE_URL
        self._account = f"/2010-04-01/Accounts/{quote(credentials.account_sid, safe='')}"
        self._http = httpx.AsyncClient(
            base_url=base_url,
            auth=httpx.BasicAuth(*credentials.basic_auth),
            timeout=httpx.Timeout(10.0, connect=5.0),
            limits=httpx.Limits(max_connections=50, max_keepalive_connections=10),
            follow_redirects=False,
            trust_env=not _is_loopback(base_url),  # a proxy can't reach this machine's simulator
            transport=transport,
        )

    async def place_call(self, request: PlaceCall) -> str:
        form: dict[str, str | Sequence[str]] = {
            "To": request.to,
            "From": request.from_,
            # Inline TwiML instead of a URL: one request less between the answer and the first word.
            "Twiml": answer.stream_answer(
                request.stream_url, {"ref": request.ref}, f"{request.callback_url}/stream"
            ),
            "StatusCallback": f"{request.callback_url}/status",
            "StatusCallbackEvent": STATUS_EVENTS,
            "Timeout": str(min(request.ring_timeout_s, MAX_RING_TIMEOUT_S)),
            "TimeLimit": str(request.max_duration_s),
        }
        if request.detection is not Detection.OFF:
            least, most = DETECTION_TIMEOUT_S
            form["MachineDetection"] = DETECTION[request.detection]
            form["MachineDetectionTimeout"] = str(min(max(request.detection_timeout_s, least), most))
            form["AsyncAmd"] = "true"  # else the callee hears silence until the result is in
            form["AsyncAmdStatusCallback"] = f"{request.callback_url}/amd"
        call = await self._post(f"{self._account}/Calls.json", form)
        return _text(call, "sid")

    async def hang_up(self, carrier_call_id: str) -> None:
        await self._end(carrier_call_id, "completed")

    async def cancel(self, carrier_call_id: str) -> None:
        """End the call only if nobody has answered yet."""
        await self._end(carrier_call_id, "canceled")

    async def look_up(self, carrier_call_id: str) -> CarrierRecord:
        return _record(await self._get(self._call(carrier_call_id)))

    async def find(self, *, to: str, from_: str, since: datetime) -> list[CarrierRecord]:
        """Calls with these numbers, newest first. Those without a creation date are in it: they may be new.

        Twilio's own StartTime filter is not used: it knows days only, and a call that still waits to be
        dialled has no start time, so that it would be missing from the list that says whether to redial.
        """
        calls = await self._list(f"{self._account}/Calls.json", "calls", {"To": to, "From": from_})
        records = [_record(call) for call in calls if not call.get("parent_call_sid")]  # those are transfers
        since = since.replace(microsecond=0)  # Twilio's dates have whole seconds, rounded down
        recent = [record for record in records if record.created_at is None or record.created_at >= since]
        latest = datetime.max.replace(tzinfo=UTC)
        return sorted(recent, key=lambda record: record.created_at or latest, reverse=True)

    async def transfer(self, carrier_call_id: str, to: str, caller_id: str, callback_url: str) -> None:
        twiml = answer.transfer_answer(to, caller_id, TRANSFER_RING_TIMEOUT_S, f"{callback_url}/transfer")
        await self._post(self._call(carrier_call_id), {"Twiml": twiml})

    async def send_digits(self, carrier_call_id: str, digits: str, stream_url: str) -> None:
        """Closes the media stream and opens a new one at `stream_url`: Twilio has no other way."""
        try:
            twiml = answer.digits_answer(digits, stream_url)
        except ValueError as error:
            raise CarrierRefused("bad_digits", str(error)) from error
        await self._post(self._call(carrier_call_id), {"Twiml": twiml})

    async def check(self) -> None:
        account = await self._get(f"{self._account}.json")
        if account.get("status") != "active":
            raise CarrierRefused("20005", errors.SENTENCES[20005])

    async def owns(self, number: str) -> NumberRecord | None:
        query = {"PhoneNumber": number}
        for resource, name, rented in (
            ("IncomingPhoneNumbers", "incoming_phone_numbers", True),
            ("OutgoingCallerIds", "outgoing_caller_ids", False),
        ):
            for each in await self._list(f"{self._account}/{resource}.json", name, query):
                if each.get("phone_number") == number:  # Twilio's filter matches parts of numbers, too
                    return _number(each, rented=rented)
        return None

    async def aclose(self) -> None:
        await self._http.aclose()

    # -- requests

    def _call(self, carrier_call_id: str) -> str:
        return f"{self._account}/Calls/{quote(carrier_call_id, safe='')}.json"

    async def _end(self, carrier_call_id: str, status: str) -> None:
        try:
            await self._post(self._call(carrier_call_id), {"Status": status}, repeatable=True)
        except CarrierRefused as error:
            # Already over, or so long ago that Twilio forgot it.
            if error.code not in (str(errors.NO_SUCH_RESOURCE), str(errors.WRONG_CALL_STATE)):
                raise

    async def _post(
        self, path: str, form: Mapping[str, str | Sequence[str]], *, repeatable: bool = False
    ) -> dict[str, Any]:
        return await self._request("POST", path, form=form, repeatable=repeatable)

    async def _get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        return await self._request("GET", path, query=query, repeatable=True)

    async def _list(self, path: str, name: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """All pages. A list that is not complete is an error: what is missing must not pass for absent."""
        page = await self._get(path, {**query, "PageSize": str(PAGE_SIZE)})
        items = _items(page, name)
        for _ in range(MAX_PAGES - 1):
            next_page = page.get("next_page_uri")
            if not next_page:
                return items
            if not isinstance(next_page, str) or not next_page.startswith(self._account):
                raise CarrierUnreachable("bad_reply", "Twilio's reply could not be read.")
            page = await self._get(next_page)
            items += _items(page, name)
        if page.get("next_page_uri"):
            raise CarrierUncertain("too_many", "Twilio's list is too long to be read to its end.")
        return items

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str | Sequence[str]] | None = None,
        repeatable: bool,
    ) -> dict[str, Any]:
        try:
            response = await self._http.request(method, path, params=query, data=form)
        except httpx.HTTPError as error:
            raise errors.from_failure(error, repeatable=repeatable) from error
        if not response.is_success:
            raise errors.from_reply(response, repeatable=repeatable)
        try:
            reply = response.json()
        except (ValueError, RecursionError):
            reply = None
        if not isinstance(reply, dict):
            kind: type[CarrierError] = CarrierUnreachable if repeatable else CarrierUncertain
            raise kind("bad_reply", "Twilio's reply could not be read.")
        return reply


# -- replies -------------------------------------------------------------------------------------------------


def _record(call: Mapping[str, Any]) -> CarrierRecord:
    sid, status = _text(call, "sid"), _text(call, "status")
    created_at, started_at = words.instant(call.get("date_created")), words.instant(call.get("start_time"))
    updated_at, ended_at = words.instant(call.get("date_updated")), words.instant(call.get("end_time"))
    now = datetime.now(UTC)
    progress = words.progress(
        status,
        # start_time of a call in progress is when it was answered, as far as billing goes
        at=ended_at or (started_at if status == "in-progress" else None) or updated_at or created_at or now,
        carrier_call_id=sid,
        final=ended_at is not None,
        duration_s=words.whole(call.get("duration")),
    ) or words.progress("initiated", at=created_at or now, carrier_call_id=sid, final=False)
    assert progress is not None
    answered_by = _text_or_none(call, "answered_by")
    return CarrierRecord(
        carrier_call_id=sid,
        progress=progress,
        to=_text(call, "to"),
        from_=_text(call, "from"),
        created_at=created_at,
        verdict=words.verdict(answered_by, at=progress.at, carrier_call_id=sid) if answered_by else None,
        price=words.price(call.get("price")),
        price_currency=_text_or_none(call, "price_unit"),
    )


def _number(number: Mapping[str, Any], *, rented: bool) -> NumberRecord:
    capabilities = number.get("capabilities")
    return NumberRecord(
        number=_text(number, "phone_number"),
        carrier_number_id=_text(number, "sid"),
        name=_text_or_none(number, "friendly_name") or "",
        can_call=not rented or (isinstance(capabilities, dict) and capabilities.get("voice") is True),
        rented=rented,
    )


def _items(page: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    items = page.get(name)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise CarrierUnreachable("bad_reply", "Twilio's reply could not be read.")
    return items


def _text(reply: Mapping[str, Any], name: str) -> str:
    """A field that must be there. It was an accepted request, so a reply without it leaves us uncertain."""
    value = _text_or_none(reply, name)
    if value is None:
        raise CarrierUncertain("bad_reply", "Twilio's reply could not be read.")
    return value


def _text_or_none(reply: Mapping[str, Any], name: str) -> str | None:
    """Twilio writes what is absent as null or as an empty string."""
    value = reply.get(name)
    return value if isinstance(value, str) and value else None


def _is_loopback(base_url: str) -> bool:
    host = httpx.URL(base_url).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
