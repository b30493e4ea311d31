"""Twilio's REST resources for accounts and calls, under /2010-04-01."""

import base64
import binascii
import logging
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from outdial.simulator.calls import Call, Direction, Status
from outdial.simulator.dialling import reply_to_dial
from outdial.simulator.faults import ELSEWHERE, Fault, FaultKind
from outdial.simulator.network import Network
from outdial.simulator.twilio import dry_run, errors, requests
from outdial.simulator.twilio.account import TwilioAccount
from outdial.simulator.twilio.config import TwilioConfig
from outdial.simulator.twilio.numbers import NumberResources
from outdial.simulator.twilio.requests import Form
from outdial.simulator.twilio.resources import (
    ROOT,
    account_json,
    call_json,
    in_rest,
    notification_json,
    page,
)

logger = logging.getLogger(__name__)

METHODS = ["GET", "POST", "PUT", "DELETE"]
MAX_BODY_BYTES = 64 * 1024

Endpoint = Callable[[Request, Form], Awaitable[Response]]


class TwilioRest:
    def __init__(self, network: Network, config: TwilioConfig) -> None:
        self.account = TwilioAccount(network, config)
        self._config = config
        self._concurrent = 0

    def routes(self) -> list[Route]:
        numbers = NumberResources(self.account)
        call = "/{account}/Calls/{sid}"
        table: list[tuple[str, str, Endpoint]] = [
            ("GET", "/{account}.json", self._fetch_account),
            ("GET", "/{account}/Balance.json", self._balance),
            ("POST", "/{account}/Calls.json", self._create_call),
            ("GET", "/{account}/Calls.json", self._list_calls),
            ("GET", call + "/Notifications.json", self._notifications),
            ("GET", call + ".json", self._fetch_call),
            ("POST", call + ".json", self._update_call),
            ("DELETE", call + ".json", self._delete_call),
            *numbers.endpoints(),
        ]
        paths: dict[str, dict[str, Endpoint]] = {}
        for method, path, endpoint in table:
            paths.setdefault(ROOT + path, {})[method] = endpoint
        return [
            *(Route(path, self._resource(endpoints), methods=METHODS) for path, endpoints in paths.items()),
            Route("/2010-04-01/{rest:path}", self._resource({}), methods=METHODS),
        ]

    def _resource(self, endpoints: dict[str, Endpoint]) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            self._concurrent += 1
            try:
                response = await self._answer(request, endpoints)
            except errors.RestError as error:
                response = JSONResponse(error.json(), error.status, error.headers)
            finally:
                concurrent, self._concurrent = self._concurrent, self._concurrent - 1
            response.headers["Twilio-Request-Id"] = "RQ" + secrets.token_hex(16)
            response.headers["Twilio-Concurrent-Requests"] = str(concurrent)
            return response

        return handle

    async def _answer(self, request: Request, endpoints: dict[str, Endpoint]) -> Response:
        test = self._authenticate(request)
        if self._concurrent > self._config.max_concurrent_requests:
            raise errors.throttled()
        endpoint = endpoints.get(request.method)
        if endpoint is None:
            raise errors.not_found(request.url.path)
        form = Form(await _body(request) if request.method == "POST" else request.url.query)
        if test:
            return dry_run.answer(request.method, request.url.path, form, self._config.test_account_sid)
        return await endpoint(request, form)

    def _authenticate(self, request: Request) -> bool:
        """True with the test credentials. Raises RestError 20003."""
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        try:
            username, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            raise errors.authenticate() from None
        path_account = request.path_params.get("account")
        if scheme.lower() != "basic":
            raise errors.authenticate()
        test_sid, test_token = self._config.test_account_sid, self._config.test_auth_token
        if username == test_sid and secrets.compare_digest(password.encode(), test_token.encode()):
            if path_account not in (None, test_sid):
                raise errors.authenticate()
            return True
        if not self.account.admits(username, password) or path_account not in (None, self.account.sid):
            raise errors.authenticate()
        return False

    # -- account

    async def _fetch_account(self, request: Request, form: Form) -> Response:
        return JSONResponse(account_json(self.account))

    async def _balance(self, request: Request, form: Form) -> Response:
        return JSONResponse({"account_sid": self.account.sid, "balance": "12.3400", "currency": "USD"})

    # -- calls

    async def _create_call(self, request: Request, form: Form) -> Response:
        account, faults = self.account, self.account.network.faults
        about = (form.get("To"), form.get("From"))

        def strikes(kind: FaultKind) -> bool:
            return faults.strike(kind, account=account.sid, numbers=about) is not None

        if strikes(FaultKind.THROTTLED):
            raise errors.throttled()
        if strikes(FaultKind.ERROR_BEFORE_DIALLING):
            raise errors.unavailable()
        if strikes(FaultKind.REDIRECTED):
            return Response(status_code=307, headers=ELSEWHERE)
        to, from_ = requests.parties(form, account.may_call_from)
        live = account.prepare(to=to, from_=from_, wishes=requests.wishes(form))
        reply = JSONResponse(self._shown(live.call), 201)
        logger.info("Call accepted", extra={"call_sid": live.call.id, "queue_ms": live.call.queue_ms})
        failure = errors.RestError(500, 20500, "An internal server error has occurred")
        return await reply_to_dial(
            reply, live, start=lambda: account.start(live), strikes=strikes, failure=failure
        )

    async def _fetch_call(self, request: Request, form: Form) -> Response:
        call = self._call(request)
        if self._strike(FaultKind.LOOK_UP_ERROR, call) is not None:
            raise errors.unavailable()
        return JSONResponse(self._shown(call))

    async def _list_calls(self, request: Request, form: Form) -> Response:
        account = self.account
        matching = [call for call in account.calls() if _matches(call, form)]
        found = [call for call in matching if self._strike(FaultKind.FORGOTTEN, call) is None]
        uri = f"{ROOT}/{account.sid}/Calls.json"
        return JSONResponse(
            page("calls", uri, found, form.fields, lambda call: call.id, self._shown)
        )

    async def _update_call(self, request: Request, form: Form) -> Response:
        """The reply shows the call as it was: the change takes effect a moment later."""
        call = self._call(request)
        live = self.account.live.get(call.id)
        shown = self._shown(call)
        status = form.choice("Status", ("completed", "canceled"))
        if status and (fault := self._strike(FaultKind.HANG_UP_ERROR, call)) is not None:
            raise errors.unavailable(fault.retry_after)
        document = requests.document(form)
        if document is not None:
            if live is None or call.status is not Status.IN_PROGRESS:
                raise errors.RestError(400, 21220, "Call is not in-progress. Cannot redirect.")
            if form.get("StatusCallback"):
                live.listen_at(requests.status_callback(form))
            live.redirect(document)
        elif live is not None and (status == "completed" or (status and call.answered_at is None)):
            live.hang_up()
        if live is not None and form.get("TimeLimit"):
            live.limit(form.number("TimeLimit", 14_400, 1, 86_400))
        return JSONResponse(shown)

    async def _delete_call(self, request: Request, form: Form) -> Response:
        call = self._call(request)
        if not call.status.final:
            raise errors.RestError(409, 20409, "Call is in progress. Cannot delete.")
        self.account.network.book.remove(call.id)
        return Response(status_code=204)

    async def _notifications(self, request: Request, form: Form) -> Response:
        account, call = self.account, self._call(request)
        uri = f"{ROOT}/{account.sid}/Calls/{call.id}/Notifications.json"
        items = [notification_json(i, item, call, account) for i, item in enumerate(call.notifications)]
        return JSONResponse(
            page("notifications", uri, items, form.fields, lambda item: str(item["sid"]), lambda item: item)
        )

    def _shown(self, call: Call) -> dict[str, Any]:
        account = self.account
        ours = call.to if call.direction is Direction.INBOUND else call.from_
        return call_json(call, account.number_at(ours), account.network.clock.now())

    def _call(self, request: Request) -> Call:
        call = self.account.call(request.path_params["sid"])
        if call is None or self._strike(FaultKind.FORGOTTEN, call) is not None:
            raise errors.not_found(request.url.path)
        return call

    def _strike(self, kind: FaultKind, call: Call) -> Fault | None:
        faults = self.account.network.faults
        return faults.strike(kind, account=self.account.sid, numbers=(call.to, call.from_))


async def _body(request: Request) -> str:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise errors.RestError(413, 20001, "Request body too large")
    try:
        return body.decode("ascii")
    except UnicodeDecodeError:
        raise errors.RestError(400, 20001, "Invalid request body") from None


def _matches(call: Call, form: Form) -> bool:
    wanted = {
        "To": call.to,
        "From": call.from_,
        "ParentCallSid": call.parent_id,
        "Status": in_rest(call.status),
    }
    if any(form.get(name) and form.get(name) != value for name, value in wanted.items()):
        return False
    # A call that hasn't been answered has no start time; it is found by when it was created.
    return _within(form, "StartTime", call.answered_at or call.created_at) and _within(
        form, "EndTime", call.ended_at
    )


def _within(form: Form, name: str, at: datetime | None) -> bool:
    """`StartTime=` that day or instant, `StartTime<=` at or before, `StartTime>=` at or after."""
    for suffix in ("", "<", ">"):
        text = form.get(name + suffix)
        if not text:
            continue
        if at is None:
            return False
        first, last = _span(name, text)
        if (suffix != "<" and at < first) or (suffix != ">" and at >= last):
            return False
    return True


def _span(name: str, text: str) -> tuple[datetime, datetime]:
    """The instants a date (a whole UTC day) or a time (a second) stands for: from, and just after."""
    try:
        if len(text) == len("2026-01-01"):
            first = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
            return first, first + timedelta(days=1)
        first = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise errors.RestError(400, 20001, f"Invalid {name}") from None
    first = first.astimezone(UTC) if first.tzinfo else first.replace(tzinfo=UTC)
    return first, first + timedelta(seconds=1)
