"""Telnyx's REST resources for calls, under /v2."""

import asyncio
import logging
import uuid
from collections import OrderedDict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from outdial.simulator.dialling import reply_to_dial
from outdial.simulator.faults import ELSEWHERE, Fault, FaultKind
from outdial.simulator.network import Network
from outdial.simulator.telnyx import errors, requests
from outdial.simulator.telnyx.account import TelnyxAccount
from outdial.simulator.telnyx.administration import Administration
from outdial.simulator.telnyx.commands import Commands
from outdial.simulator.telnyx.config import TelnyxConfig
from outdial.simulator.telnyx.inventory import Application
from outdial.simulator.telnyx.leg import Leg
from outdial.simulator.telnyx.requests import Body, is_url
from outdial.simulator.telnyx.resources import (
    active_call_json,
    balance_json,
    call_json,
    cursor_page,
    delivery_json,
    detail_record_json,
    dialled_json,
    event_json,
    numbered_page,
)
from outdial.simulator.telnyx.routing import ROOT, Endpoint, routes

logger = logging.getLogger(__name__)

COMMANDS_REMEMBERED_S = 60.0
MAX_DETAIL_RECORDS = 50  # a page


class TelnyxRest:
    def __init__(self, network: Network, config: TelnyxConfig) -> None:
        self.account = TelnyxAccount(network, config)
        self._commands = Commands(self.account)
        self._done = _Done()

    def routes(self) -> list[Route]:
        table: list[tuple[str, str, Endpoint]] = [
            ("POST", "/calls", self._dial),
            ("GET", "/calls/{id}", self._fetch_call),
            *[
                ("PUT" if name == "client_state_update" else "POST", f"/calls/{{id}}/actions/{name}", self._act)
                for name in self._commands.names()
            ],
            ("GET", "/connections/{id}/active_calls", self._list_active_calls),
            ("GET", "/call_events", self._list_events),
            ("GET", "/detail_records", self._list_detail_records),
            ("GET", "/balance", self._fetch_balance),
            ("GET", "/webhook_deliveries", self._list_deliveries),
            ("GET", "/webhook_deliveries/{id}", self._fetch_delivery),
            *Administration(self.account).endpoints(),
        ]
        return routes(table, self.account.admits)

    # -- calls

    async def _dial(self, request: Request, body: Body) -> Response:
        account, faults = self.account, self.account.network.faults
        command_id = body.text("command_id")
        if (done := self._done.reply("dial", command_id)) is not None:
            return JSONResponse(done)
        about = (body.text("from"), body.raw("to") if isinstance(body.raw("to"), str) else "")

        def strikes(kind: FaultKind) -> bool:
            return faults.strike(kind, account=account.account_id, numbers=about) is not None

        if strikes(FaultKind.THROTTLED):
            raise errors.too_many_requests()
        if strikes(FaultKind.ERROR_BEFORE_DIALLING):
            raise errors.unexpected(503)
        if strikes(FaultKind.REDIRECTED):
            return Response(status_code=307, headers=ELSEWHERE)
        application = self._application(body.required("connection_id"))
        live = account.prepare(application, requests.dial(body))
        told = {"data": dialled_json(live.leg)}
        self._done.remember("dial", command_id, told)
        reply = JSONResponse(told)
        logger.info("Call accepted", extra={"call_control_id": live.leg.call.id})
        return await reply_to_dial(
            reply, live, start=lambda: account.start(live), strikes=strikes, failure=errors.unexpected(500)
        )

    async def _fetch_call(self, request: Request, body: Body) -> Response:
        leg = self._known_leg(request)
        if self._strike(FaultKind.LOOK_UP_ERROR, leg) is not None:
            raise errors.unexpected(503)
        return JSONResponse({"data": call_json(leg, self.account.network.clock.now())})

    def _known_leg(self, request: Request) -> Leg:
        """Raises ApiError 90015 also for one that is forgotten."""
        leg = self.account.leg(request.path_params["id"])
        if self._strike(FaultKind.FORGOTTEN, leg) is not None:
            raise errors.unknown_call()
        return leg

    def _strike(self, kind: FaultKind, leg: Leg) -> Fault | None:
        call, account = leg.call, self.account
        return account.network.faults.strike(kind, account=account.account_id, numbers=(call.to, call.from_))

    async def _act(self, request: Request, body: Body) -> Response:
        """The reply to a command that was done already is the same one again; Telnyx doesn't say what it is."""
        call_control_id, command_id = request.path_params["id"], body.text("command_id")
        if (done := self._done.reply(call_control_id, command_id)) is not None:
            return JSONResponse(done)
        name = request.url.path.rpartition("/")[2]
        leg = self._known_leg(request)
        fault = self._strike(FaultKind.HANG_UP_ERROR, leg) if name == "hangup" else None
        if fault is not None:
            raise errors.unexpected(503, fault.retry_after)
        told = self._commands.execute(name, call_control_id, body)
        self._done.remember(call_control_id, command_id, told)
        return JSONResponse(told)

    async def _list_active_calls(self, request: Request, body: Body) -> Response:
        account, connection_id = self.account, request.path_params["id"]
        if connection_id not in account.applications:
            raise errors.not_found()
        legs = [
            live.leg
            for live in account.live.values()
            if live.leg.application.id == connection_id
            and live.leg.call.dialled_at is not None
            and self._strike(FaultKind.FORGOTTEN, live.leg) is None
        ]
        now = account.network.clock.now()
        path = f"{ROOT}/connections/{connection_id}/active_calls"
        return JSONResponse(
            cursor_page(
                legs,
                request.query_params,
                lambda leg: leg.leg_id,
                lambda leg: active_call_json(leg, now),
                path,
            )
        )

    async def _list_events(self, request: Request, body: Body) -> Response:
        """The oldest first. Filters other than these are ignored."""
        query = request.query_params
        leg_id, session_id = query.get("filter[leg_id]", ""), query.get("filter[application_session_id]", "")
        for name, value in (("leg_id", leg_id), ("application_session_id", session_id)):
            if value and not _is_uuid(value):
                raise errors.invalid(f"filter[{name}]", "It must be a UUID.")
        wanted, type_ = query.get("filter[name]", ""), query.get("filter[type]", "")
        found = [
            (leg, event)
            for leg in self.account.legs.values()
            if leg_id in ("", leg.leg_id)
            and session_id in ("", leg.session_id)
            and self._strike(FaultKind.FORGOTTEN, leg) is None
            for event in leg.events
            if wanted in ("", event.name) and type_ in ("", event.type)
        ]
        return JSONResponse(numbered_page(found, query, lambda pair: event_json(*pair)))

    async def _list_detail_records(self, request: Request, body: Body) -> Response:
        """Ended calls, as `call-control` or `sip-trunking` records; any field can be a filter."""
        query = request.query_params
        filters = {
            name.removeprefix("filter[").removesuffix("]"): value
            for name, value in query.items()
            if name.startswith("filter[")
        }
        record_type = filters.pop("record_type", "")
        if not record_type:
            raise errors.missing("filter[record_type]")
        records: list[dict[str, Any]] = []
        if record_type in ("call-control", "sip-trunking"):
            records = [
                detail_record_json(leg, record_type)
                for leg in self.account.legs.values()
                if leg.call.ended_at is not None
            ]
        found = [
            record
            for record in records
            if all(name not in record or str(record[name]) == value for name, value in filters.items())
        ]
        return JSONResponse(numbered_page(found, query, lambda record: record, largest=MAX_DETAIL_RECORDS))

    # -- account

    async def _fetch_balance(self, request: Request, body: Body) -> Response:
        return JSONResponse({"data": balance_json()})

    async def _list_deliveries(self, request: Request, body: Body) -> Response:
        """The newest first."""
        account = self.account
        wanted = request.query_params.get("filter[event_type]", "")
        status = request.query_params.get("filter[status][eq]", "")
        found = [
            delivery
            for delivery in reversed(account.courier.deliveries)
            if (not wanted or delivery.event["event_type"] in wanted.split(","))
            and status in ("", "delivered" if delivery.delivered else "failed")
        ]
        return JSONResponse(
            numbered_page(found, request.query_params, lambda item: delivery_json(item, account.account_id))
        )

    async def _fetch_delivery(self, request: Request, body: Body) -> Response:
        for delivery in self.account.courier.deliveries:
            if delivery.id == request.path_params["id"]:
                return JSONResponse({"data": delivery_json(delivery, self.account.account_id)})
        raise errors.not_found()

    def _application(self, connection_id: str) -> Application:
        application = self.account.applications.get(connection_id)
        if application is None or not application.active or not is_url(application.webhook_event_url):
            raise errors.invalid_connection()
        return application


class _Done:
    """Replies to the commands of the last minute that had a `command_id`."""

    def __init__(self) -> None:
        self._replies: OrderedDict[tuple[str, str], tuple[float, dict[str, Any]]] = OrderedDict()

    def reply(self, scope: str, command_id: str) -> dict[str, Any] | None:
        self._forget()
        return self._replies[scope, command_id][1] if (scope, command_id) in self._replies else None

    def remember(self, scope: str, command_id: str, reply: dict[str, Any]) -> None:
        if command_id:
            until = asyncio.get_running_loop().time() + COMMANDS_REMEMBERED_S
            self._replies[scope, command_id] = until, reply

    def _forget(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._replies and next(iter(self._replies.values()))[0] <= now:
            self._replies.popitem(last=False)


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
