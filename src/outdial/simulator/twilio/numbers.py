"""Twilio's REST resources for phone numbers: those the account owns, and verified caller ids."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from outdial.simulator.twilio import errors
from outdial.simulator.twilio.account import Number, TwilioAccount
from outdial.simulator.twilio.requests import E164, MAGIC_TO, Form
from outdial.simulator.twilio.resources import ROOT, caller_id_json, number_json, page

MAGIC_UNAVAILABLE = "+15005550000"

Endpoint = Callable[[Request, Form], Awaitable[Response]]


def check_purchase(form: Form) -> str:
    """The number to buy. Raises RestError."""
    phone_number = form.get("PhoneNumber")
    if phone_number == MAGIC_UNAVAILABLE:
        raise errors.RestError(400, 21422, f"{phone_number} is not available")
    if not E164.fullmatch(phone_number) or phone_number in MAGIC_TO:
        raise errors.RestError(400, 21421, "PhoneNumber is invalid")
    return phone_number


class NumberResources:
    def __init__(self, account: TwilioAccount) -> None:
        self._account = account

    def endpoints(self) -> list[tuple[str, str, Endpoint]]:
        return [
            ("GET", "/{account}/IncomingPhoneNumbers.json", self._list),
            ("POST", "/{account}/IncomingPhoneNumbers.json", self._create),
            ("GET", "/{account}/IncomingPhoneNumbers/{sid}.json", self._fetch),
            ("POST", "/{account}/IncomingPhoneNumbers/{sid}.json", self._update),
            ("DELETE", "/{account}/IncomingPhoneNumbers/{sid}.json", self._release),
            ("GET", "/{account}/OutgoingCallerIds.json", self._list_caller_ids),
        ]

    async def _list(self, request: Request, form: Form) -> Response:
        account = self._account
        wanted, name = form.get("PhoneNumber"), form.get("FriendlyName")
        found = [
            number
            for number in account.numbers.values()
            if wanted in number.phone_number and name in ("", number.friendly_name)
        ]
        return JSONResponse(
            page(
                "incoming_phone_numbers",
                f"{ROOT}/{account.sid}/IncomingPhoneNumbers.json",
                found,
                form.fields,
                lambda number: number.sid,
                lambda number: number_json(number, account.sid),
            )
        )

    async def _create(self, request: Request, form: Form) -> Response:
        phone_number = check_purchase(form)
        if self._account.number_at(phone_number):
            raise errors.RestError(400, 21422, f"{phone_number} is not available")
        _check(form)
        number = self._account.add_number(phone_number)
        self._change(number, form)
        return JSONResponse(number_json(number, self._account.sid), 201)

    async def _fetch(self, request: Request, form: Form) -> Response:
        return JSONResponse(number_json(self._number(request), self._account.sid))

    async def _update(self, request: Request, form: Form) -> Response:
        number = self._number(request)
        _check(form)
        self._change(number, form)
        return JSONResponse(number_json(number, self._account.sid))

    async def _release(self, request: Request, form: Form) -> Response:
        del self._account.numbers[self._number(request).sid]
        return Response(status_code=204)

    async def _list_caller_ids(self, request: Request, form: Form) -> Response:
        account, wanted = self._account, form.get("PhoneNumber")
        found = [(sid, number) for sid, number in account.caller_ids.items() if wanted in ("", number)]
        return JSONResponse(
            page(
                "outgoing_caller_ids",
                f"{ROOT}/{account.sid}/OutgoingCallerIds.json",
                found,
                form.fields,
                lambda pair: pair[0],
                lambda pair: caller_id_json(pair[0], pair[1], account),
            )
        )

    def _number(self, request: Request) -> Number:
        number = self._account.numbers.get(request.path_params["sid"])
        if number is None:
            raise errors.not_found(request.url.path)
        return number

    def _change(self, number: Number, form: Form) -> None:
        """Fields that are given are set, also to nothing."""
        for field, name in URLS.items():
            if field in form:
                setattr(number, name, form.url(field, 21205))
        for field, name in METHODS.items():
            if field in form:
                setattr(number, name, form.method(field))
        if "FriendlyName" in form:
            number.friendly_name = form.get("FriendlyName")
        if "VoiceApplicationSid" in form:
            number.voice_application_sid = form.get("VoiceApplicationSid") or None
        if "TrunkSid" in form:
            number.trunk_sid = form.get("TrunkSid") or None
        number.updated_at = self._account.network.clock.now()


URLS = {
    "VoiceUrl": "voice_url",
    "VoiceFallbackUrl": "voice_fallback_url",
    "StatusCallback": "status_callback",
}
METHODS = {
    "VoiceMethod": "voice_method",
    "VoiceFallbackMethod": "voice_fallback_method",
    "StatusCallbackMethod": "status_callback_method",
}


def _check(form: Form) -> None:
    """Refuse before anything is changed."""
    for field in URLS:
        form.url(field, 21205)
    for field in METHODS:
        form.method(field)
