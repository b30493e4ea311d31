"""The simulator's own API, under /_simulator: what was dialled, which faults are on, calls from outside."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from outdial.simulator.bodies import NotJson, TooLarge, decode, read_body
from outdial.simulator.callees import CALLEES, callee_at, number_of
from outdial.simulator.calls import Call
from outdial.simulator.carrier import CannotCallIn, Carrier, call_in
from outdial.simulator.faults import Fault, FaultKind
from outdial.simulator.network import Network

Json = dict[str, Any]
MAX_BODY_BYTES = 256 * 1024
FAULT_FIELDS = frozenset(
    {"kind", "number", "account", "callbacks", "count", "probability", "delay_s", "after_ms", "model", "rule", "tool",
     "vendor", "code", "after_tokens", "status"}
)  # fmt: skip


class BadRequest(Exception):
    """The text says which field is wrong."""


class Control:
    """`others` tell about what else is simulated, by its name."""

    def __init__(
        self, network: Network, carriers: Sequence[Carrier], others: Mapping[str, Callable[[], Json]] | None = None
    ) -> None:
        self._network = network
        self._others = others or {}
        self._carriers = {carrier.account_id: carrier for carrier in carriers}

    def routes(self) -> list[Route]:
        return [
            Route("/_simulator", self._info, methods=["GET"]),
            Route("/_simulator/calls", self._calls, methods=["GET"]),
            Route("/_simulator/calls", self._forget_calls, methods=["DELETE"]),
            Route("/_simulator/faults", self._faults, methods=["GET"]),
            Route("/_simulator/faults", checked(self._add_fault), methods=["POST"]),
            Route("/_simulator/faults", self._clear_faults, methods=["DELETE"]),
            Route("/_simulator/faults/{id}", self._remove_fault, methods=["DELETE"]),
            Route("/_simulator/inbound", checked(self._call_in), methods=["POST"]),
        ]

    async def _info(self, request: Request) -> Response:
        return JSONResponse(
            {
                **{carrier.name: carrier.about() for carrier in self._carriers.values()},
                **{name: about() for name, about in self._others.items()},
                "refusing_url": getattr(request.app.state, "refusing_url", None),
                "pace": self._network.clock.pace,
                "callees": {number_of(id_): callee.description for id_, callee in CALLEES.items()},
                "phones": [
                    {"number": handset.number, "state": handset.state} for handset in self._network.handsets.all()
                ],
                "faults": list(FaultKind),
            }
        )

    async def _calls(self, request: Request) -> Response:
        calls = list(self._network.book.newest_first())[::-1]
        return JSONResponse({"calls": [self._call_json(call) for call in calls]})

    async def _forget_calls(self, request: Request) -> Response:
        """Ends the calls that are up, too."""
        for live in [live for carrier in self._carriers.values() for live in carrier.live.values()]:
            live.hang_up()
            await live.ended.wait()
        self._network.book.forget_ended()
        return Response(status_code=204)

    async def _faults(self, request: Request) -> Response:
        return JSONResponse({"faults": [_fault_json(fault) for fault in self._network.faults.all()]})

    async def _add_fault(self, body: Json) -> Response:
        fault = fault_of(body)
        self._network.faults.add(fault)
        return JSONResponse(_fault_json(fault), 201)

    async def _clear_faults(self, request: Request) -> Response:
        self._network.faults.clear()
        return Response(status_code=204)

    async def _remove_fault(self, request: Request) -> Response:
        removed = self._network.faults.remove(request.path_params["id"])
        return Response(status_code=204 if removed else 404)

    async def _call_in(self, body: Json) -> Response:
        """`{"to": one of an account's numbers, "from": any number, "callee": "12", "carrier": "telnyx"}`

        Without `carrier` it is the first one whose account owns the number.
        """
        to, name = _text(body, "to"), _text(body, "carrier")
        from_ = _text(body, "from", "+12025550199")
        callee = CALLEES.get(_text(body, "callee", callee_at(from_).id))
        if callee is None or not callee.script:
            raise BadRequest("callee: not somebody who can call")
        try:
            call = call_in(self._carriers.values(), to, from_=from_, callee=callee, carrier=name)
        except CannotCallIn as exc:
            raise BadRequest(f"to: {exc}") from exc
        return JSONResponse(self._call_json(call), 201)

    def _call_json(self, call: Call) -> Json:
        carrier = self._carriers[call.account]
        live = carrier.live.get(call.id)
        line = live.line if live is not None else None
        return {
            "sid": call.id,
            "carrier": carrier.name,
            "account": call.account,
            "direction": call.direction,
            "to": call.to,
            "from": call.from_,
            "callee": call.callee.id,
            "state": call.status,
            "dialled": call.dialled_at is not None,
            "created_at": call.created_at.isoformat(),
            "answered_at": call.answered_at.isoformat() if call.answered_at else None,
            "ended_at": call.ended_at.isoformat() if call.ended_at else None,
            "sip_code": call.sip_code,
            "answered_by": call.answered_by,
            "heard_digits": line.phone.heard_digits if line is not None else call.heard_digits,
            "notifications": [
                {"code": note.code, "message": note.message, "url": note.request_url}
                for note in call.notifications
            ],
        }


def checked(handle: Callable[[Json], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that `handle` gets the JSON of; what it has against it (BadRequest) is replied with 400."""

    async def endpoint(request: Request) -> Response:
        # A page in a browser can't send JSON to another origin without asking first, and we never say yes.
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return JSONResponse({"error": "send application/json"}, 415)
        try:
            body = decode(await read_body(request, MAX_BODY_BYTES))
            if not isinstance(body, dict):
                raise BadRequest("send a JSON object")
            return await handle(body)
        except TooLarge:
            return JSONResponse({"error": "too large"}, 413)
        except NotJson:
            return JSONResponse({"error": "not JSON"}, 400)
        except BadRequest as exc:
            return JSONResponse({"error": str(exc)}, 400)

    return endpoint


def fault_of(body: Json) -> Fault:
    """The fault a request describes. Raises BadRequest."""
    unknown = set(body) - FAULT_FIELDS
    if unknown:
        raise BadRequest(f"unknown fields: {', '.join(sorted(unknown))}")
    try:
        kind = FaultKind(_text(body, "kind"))
    except ValueError:
        raise BadRequest(f"kind: one of {', '.join(FaultKind)}") from None
    callbacks = body.get("callbacks", [])
    if not isinstance(callbacks, list) or not all(isinstance(name, str) for name in callbacks):
        raise BadRequest("callbacks: a list of names")
    try:
        return Fault(
            kind=kind,
            number=_text(body, "number") or None,
            account=_text(body, "account") or None,
            callbacks=frozenset(callbacks),
            count=int(body["count"]) if body.get("count") is not None else None,
            probability=float(body.get("probability", 1.0)),
            delay_s=float(body.get("delay_s", 1.0)),
            after_ms=int(body.get("after_ms", 1000)),
            model=_text(body, "model") or None,
            rule=_text(body, "rule") or None,
            tool=_text(body, "tool") or None,
            after_tokens=int(body.get("after_tokens", 3)),
            status=int(body.get("status", 503)),
        )
    except (TypeError, ValueError, OverflowError) as exc:
        raise BadRequest(str(exc)) from exc


def _fault_json(fault: Fault) -> Json:
    return {
        "id": fault.id,
        "kind": fault.kind,
        "number": fault.number,
        "account": fault.account,
        "callbacks": sorted(fault.callbacks),
        "count": fault.count,
        "probability": fault.probability,
        "delay_s": fault.delay_s,
        "after_ms": fault.after_ms,
        "model": fault.model,
        "rule": fault.rule,
        "tool": fault.tool,
        "after_tokens": fault.after_tokens,
        "status": fault.status,
    }


def _text(body: Json, name: str, default: str = "") -> str:
    value = body.get(name) or default
    if not isinstance(value, str):
        raise BadRequest(f"{name}: must be text")
    return value
