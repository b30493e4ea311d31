"""Vonage's REST resources around calls: applications, numbers, balance, reports; with API key and secret.

Sources: Vonage's OpenAPI documents application.v2, numbers, account, reports
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from outdial.simulator.vonage import access, errors, tokens
from outdial.simulator.vonage.account import Number, VonageAccount
from outdial.simulator.vonage.applications import Application, ApplicationRequest, checked_key
from outdial.simulator.vonage.legs import Leg, LegStatus, digits, new_uuid
from outdial.simulator.vonage.resources import offset_time, record_json
from outdial.simulator.vonage.validation import Invalid, decode

BALANCE_EUR = 10.171275
LONGEST_REPORT = timedelta(hours=24)
PRODUCTS = ("VOICE-CALL", "VOICE-FAILED", "WEBSOCKET-CALL")
SUCCESS = {"error-code": "200", "error-code-label": "success"}


def routes(account: VonageAccount) -> list[Route]:
    applications, numbers = _Applications(account), _Numbers(account)

    def invalid_payload(exc: Invalid) -> errors.RestError:
        return errors.invalid_payload(exc.name, exc.reason)

    def number_refused(exc: Invalid) -> errors.RestError:
        return errors.number_refused(f"Invalid value for {exc.name}" if exc.name else "method failed")

    def invalid_report(exc: Invalid) -> errors.RestError:
        parameters = [{"name": exc.name, "reason": exc.reason}]
        return errors.problem(
            422, "/reports#invalid-filter", "Unprocessable entity", exc.reason, invalid_parameters=parameters
        )

    return [
        access.resource(
            "/v2/applications",
            account,
            {"GET": applications.list, "POST": applications.create},
            invalid_payload,
        ),
        access.resource(
            "/v2/applications/{id}",
            account,
            {"GET": applications.fetch, "PUT": applications.replace, "DELETE": applications.delete},
            invalid_payload,
        ),
        access.resource("/account/numbers", account, {"GET": numbers.list}, number_refused),
        access.resource("/number/update", account, {"POST": numbers.update}, number_refused),
        access.resource("/account/get-balance", account, {"GET": numbers.balance}, number_refused),
        access.resource("/v2/reports/records", account, {"GET": _Reports(account).records}, invalid_report),
    ]


class _Applications:
    def __init__(self, account: VonageAccount) -> None:
        self._account = account

    async def list(self, request: Request) -> Response:
        self._admit(request)
        size = access.whole_number(request, "page_size", 10, 1, 100)
        page = access.whole_number(request, "page", 1, 1)
        found = list(self._account.applications.values())
        shown = found[(page - 1) * size : page * size]
        pages = max(-(-len(found) // size), 1)

        def link(number: int) -> dict[str, str]:
            return {"href": f"/v2/applications?page_size={size}&page={number}"}

        links = {"self": link(page), "first": link(1), "last": link(pages)}
        if page > 1:
            links["prev"] = link(page - 1)
        if page < pages:
            links["next"] = link(page + 1)
        return JSONResponse(
            {
                "page_size": size,
                "page": page,
                "total_items": len(found),
                "total_pages": pages,
                "_embedded": {"applications": [application.json() for application in shown]},
                "_links": links,
            }
        )

    async def create(self, request: Request) -> Response:
        """Without a public key we make the pair, and show the private one this once."""
        self._admit(request)
        wanted = decode(await access.json_body(request), ApplicationRequest)
        if wanted.keys.public_key is None:
            private_key, key = await asyncio.to_thread(tokens.new_key_pair)
        else:
            private_key, key = "", wanted.keys.public_key
        application = Application(id=new_uuid(), name=wanted.name, public_key=checked_key(key))
        application.change(wanted)
        self._account.applications[application.id] = application
        return JSONResponse(application.json(private_key=private_key), 201)

    async def fetch(self, request: Request) -> Response:
        return JSONResponse(self._application(request).json())

    async def replace(self, request: Request) -> Response:
        application = self._application(request)
        application.change(decode(await access.json_body(request), ApplicationRequest))
        return JSONResponse(application.json())

    async def delete(self, request: Request) -> Response:
        """Its numbers are linked to nothing then."""
        application = self._application(request)
        del self._account.applications[application.id]
        for number in self._account.numbers.values():
            if number.app_id == application.id:
                number.app_id = ""
        return Response(status_code=204)

    def _application(self, request: Request) -> Application:
        self._admit(request)
        application = self._account.applications.get(request.path_params["id"])
        if application is None:
            raise errors.no_application(request.path_params["id"])
        return application

    def _admit(self, request: Request) -> None:
        if not access.has_secret(request, self._account):
            raise errors.invalid_credentials()


class _Numbers:
    def __init__(self, account: VonageAccount) -> None:
        self._account = account

    async def balance(self, request: Request) -> Response:
        self._admit(request)
        return JSONResponse({"value": BALANCE_EUR, "autoReload": False})

    async def list(self, request: Request) -> Response:
        self._admit(request)
        query = request.query_params
        pattern = query.get("pattern", "")
        search = access.whole_number(request, "search_pattern", 0, 0, 2)
        size = access.whole_number(request, "size", 10, 1, 100)
        index = access.whole_number(request, "index", 1, 1)
        found = [
            number
            for number in self._account.numbers.values()
            if _fits(number.msisdn, pattern, search)
            and query.get("country", number.country) == number.country
            and query.get("application_id", number.app_id) == number.app_id
            and query.get("has_application", str(bool(number.app_id)).lower()) == str(bool(number.app_id)).lower()
        ]
        shown = found[(index - 1) * size : index * size]
        return JSONResponse(
            {"count": len(found), **({"numbers": [_number_json(number) for number in shown]} if shown else {})}
        )

    async def update(self, request: Request) -> Response:
        """Sets everything: a number is unlinked from its application when none is given."""
        form = await access.form_body(request)
        self._admit(request, form)
        number = self._account.numbers.get(digits(form.get("msisdn", "")))
        if number is None or number.country != form.get("country", "").upper():
            raise errors.number_refused("method failed")
        type_, value = form.get("voiceCallbackType", ""), form.get("voiceCallbackValue", "")
        if type_ not in ("", "sip", "tel", "app"):
            raise Invalid("voiceCallbackType", "must be sip, tel or app")
        app_id = form.get("app_id", "") or (value if type_ == "app" else "")
        if app_id and app_id not in self._account.applications:
            raise Invalid("app_id", "no such application")
        number.app_id = app_id
        number.callback_type, number.callback_value = ("", "") if type_ == "app" else (type_, value)
        return JSONResponse(SUCCESS)

    def _admit(self, request: Request, form: dict[str, str] | None = None) -> None:
        if not access.has_secret(request, self._account, form):
            raise errors.numbers_unauthorized()


def _fits(msisdn: str, pattern: str, search: int) -> bool:
    match search:
        case 0:
            return msisdn.startswith(pattern)
        case 1:
            return pattern in msisdn
        case _:
            return msisdn.endswith(pattern)


def _number_json(number: Number) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "country": number.country,
        "msisdn": number.msisdn,
        "type": "mobile-lvn",
        "features": ["VOICE", "SMS"],
    }
    if number.callback_type:
        shown |= {"voiceCallbackType": number.callback_type, "voiceCallbackValue": number.callback_value}
    elif number.app_id:
        shown |= {"voiceCallbackType": "app", "voiceCallbackValue": number.app_id}
    if number.app_id:
        shown["app_id"] = number.app_id
    return shown


class _Reports:
    def __init__(self, account: VonageAccount) -> None:
        self._account = account

    async def records(self, request: Request) -> Response:
        """By ids, or by a span of at most a day. Only what has ended is reported."""
        if not access.has_secret(request, self._account):
            raise errors.invalid_credentials()
        query = request.query_params
        if query.get("account_id") != self._account.account_id:
            raise errors.problem(
                403, "#forbidden", "Forbidden", "User not authorized to query the requested data"
            )
        product = query.get("product", "")
        if product not in PRODUCTS:
            raise Invalid("product", "Could not resolve product name.")
        ended = [leg for leg in self._account.legs.all() if leg.ended_at and _product(leg) == product]
        if "direction" in query:
            ended = [leg for leg in ended if leg.direction == query["direction"]]
        missing: list[str] = []
        if "id" in query:
            if "date_start" in query or "date_end" in query:
                raise Invalid("id", "date_start and date_end are not supported with it")
            wanted = [part.strip() for part in query["id"].split(",")]
            found = [leg for leg in ended if leg.uuid in wanted]
            missing = [id_ for id_ in wanted if all(leg.uuid != id_ for leg in found)]
        else:
            start, end = _instant(request, "date_start"), _instant(request, "date_end")
            if end - start > LONGEST_REPORT:
                raise Invalid("date_end", "must be no more than 24 hours after date_start")
            found = [leg for leg in ended if start <= leg.created_at < end]
        now = offset_time(self._account.network.clock.now())
        return JSONResponse(
            {
                "_links": {"self": {"href": str(request.url)}},
                "request_id": new_uuid(),
                "request_status": "SUCCESS",
                "received_at": now,
                "account_id": self._account.account_id,
                "product": product,
                "items_count": len(found),
                "records": [record_json(leg, self._account.account_id) for leg in found],
                **({"ids_not_found": ",".join(missing)} if missing else {}),
            }
        )


def _product(leg: Leg) -> str:
    if not leg.is_phone:
        return "WEBSOCKET-CALL"
    return "VOICE-CALL" if leg.status is LegStatus.COMPLETED else "VOICE-FAILED"


def _instant(request: Request, name: str) -> datetime:
    text = request.query_params.get(name)
    if text is None:
        raise Invalid(name, "Missing required parameter")
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))  # an unescaped + arrives as a space
    except ValueError:
        raise Invalid(name, "must be an ISO 8601 time") from None
    if at.tzinfo is None:
        raise Invalid(name, "must have a time zone")
    return at
