"""POST /v1/phone-number/<id>/outbound: place a call. The whole contract with callers is this page."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Path, Request
from fastapi.responses import JSONResponse
from typing_extensions import TypedDict

from outdial.api.auth import ApiRoute, Caller
from outdial.api.docs import CONSENT, errors, example
from outdial.api.problems import invalid
from outdial.api.services import Use
from outdial.calls.enqueue import create_call
from outdial.calls.request import OutboundRequest
from outdial.policy.gate import Rule, refusal
from outdial.policy.pauses import would_wait
from outdial.tracing.context import HEADER, arrived, given

router = APIRouter(route_class=ApiRoute)

_MAX_IDEMPOTENCY_KEY_CHARS = 255


class OutboundAnswer(TypedDict):
    """The call is stored and will be dialled; `status_url` tells how it goes."""

    call_id: str
    status: str
    status_url: str


_EXAMPLES: dict[str, Any] = {
    "simple": {
        "summary": "A number, and what the agent should know",
        "value": {
            "to": "+15551234567",
            "variables": {"user_name": "Jane", "account_type": "Premium"},
            "amd": True,
        },
    },
    "everything": {
        "summary": "Leave a message on machines, try three times, not before nine",
        "value": {
            "to": "+15551234567",
            "variables": {"user_name": "Jane", "appointment": {"day": "Monday", "time": "09:30"}},
            "amd": {"on_machine": "leave_message", "message": "Hello {user_name}, please call us back."},
            "on_limit": "queue",
            "not_before": "2030-01-31T09:00:00Z",
            "expires_at": "2030-01-31T18:00:00Z",
            "retry": {"max_attempts": 3, "on": ["busy", "no_answer"], "delays_s": [1800, 3600]},
            "ring_timeout_s": 25,
            "max_duration_s": 600,
            "metadata": {"crm_id": "4711"},
        },
    },
    "draft": {
        "summary": "Try the draft of the number's agent, on this call alone",
        "value": {"to": "+15551234567", "agent": {"version": "draft"}},
    },
    "agent": {
        "summary": "Another agent of the workspace",
        "value": {"to": "+15551234567", "agent": {"id": "agent_7k2v5x8z1q4m0t3w6y9r", "version": 3}},
    },
}
_ANSWER = {
    "call_id": "call_8r5v1kz3m0q4t7w2x9y6",
    "status": "queued",
    "status_url": "https://voice.example/v1/calls/call_8r5v1kz3m0q4t7w2x9y6",
}
_EVENING = datetime(2026, 1, 31, 18, tzinfo=UTC)


def refused_example(rule: Rule, to: str = "+15551234567") -> str:
    return refusal(rule, to, "+15551230002", _EVENING).message


_RESPONSES = example(_ANSWER, "Stored; the call will be dialled once, whatever happens to this server") | errors(
    413,
    415,
    422,
    s403_number_of_another_workspace="This API key belongs to another workspace than the number.",
    s403_destination_not_allowed=refused_example(Rule.DESTINATION, "+18765551234"),
    s404_number_not_found="There is no phone number with this id.",
    s409_number_cannot_dial_out="This phone number is set up for inbound calls only.",
    s409_number_has_no_agent="This phone number has no agent; assign one first.",
    s409_agent_not_published="The agent of this phone number has no published version; publish one first.",
    s409_do_not_call=refused_example(Rule.DO_NOT_CALL),
    s409_idempotency_conflict="This Idempotency-Key was used before with another number or body.",
    s409_idempotency_in_progress="A request with this Idempotency-Key is being handled; ask again shortly.",
    s429_daily_limit=refused_example(Rule.DAILY_LIMIT),
    s429_spend_limit=refused_example(Rule.SPEND_LIMIT),
    s429_paused=would_wait().message,
    s429_pool_full="Every line of this workspace is taken.",
    s429_no_seat="No worker has a seat for one more conversation.",
    s429_queue_full="100000 calls of this workspace are waiting already.",
)
_RESPONSES[200]["headers"] = {
    "Idempotent-Replayed": {
        "schema": {"type": "string", "enum": ["true"]},
        "description": "Present when this is the answer to an earlier request with the same key",
    }
}


@router.post(
    "/v1/phone-number/{number_id}/outbound",
    tags=["Outbound calls"],
    summary="Place a call",
    description=(
        "Stores one call and answers at once; the call is dialled as soon as a line is free. While dialling is paused "
        f"it waits. {CONSENT}"
    ),
    operation_id="place_call",
    response_model=OutboundAnswer,
    responses=_RESPONSES,
)
@router.post(
    "/v1alpha1/phone-number/{number_id}/outbound",
    tags=["v1alpha1"],
    summary="Place a call (same as under /v1)",
    description=f"The same endpoint under the path that existing clients use. {CONSENT}",
    operation_id="place_call_v1alpha1",
    response_model=OutboundAnswer,
    responses=_RESPONSES,
)
async def place_call(
    request: Request,
    services: Use,
    caller: Caller,
    number_id: Annotated[str, Path(description="The phone number to call from")],
    body: Annotated[OutboundRequest, Body(openapi_examples=_EXAMPLES)],
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Any text of yours, up to 255 characters. The same key and body never dial twice: a repeat has "
            "the first answer, for 30 days (`OUTDIAL_KEEP_IDEMPOTENCY_KEYS_DAYS`) and as long as the call goes on"
        ),
    ] = None,
    traceparent: Annotated[
        str | None,
        Header(
            description="W3C Trace Context: the call's trace goes on from this span, and so do those who are asked by "
            "its tools and told by webhooks. Counts where the server traces; one that is malformed counts as none"
        ),
    ] = None,
) -> JSONResponse:
    arrived.set(given(request.headers.getlist(HEADER)))
    accepted = await create_call(
        services.engine,
        services.settings,
        workspace_id=caller.workspace_id,
        number_id=number_id,
        request=body,
        idempotency_key=_checked(request.headers.getlist("idempotency-key")),
    )
    answer = OutboundAnswer(
        call_id=accepted.call_id,
        status=accepted.status,
        status_url=f"{services.settings.base_url}/v1/calls/{accepted.call_id}",
    )
    return JSONResponse(answer, headers={"Idempotent-Replayed": "true"} if accepted.replayed else None)


def _checked(values: list[str]) -> str | None:
    if not values:
        return None
    key = values[0]
    if len(values) > 1 or not 0 < len(key) <= _MAX_IDEMPOTENCY_KEY_CHARS or not (key.isascii() and key.isprintable()):
        why = f"must be one value of 1 to {_MAX_IDEMPOTENCY_KEY_CHARS} printable ASCII characters"
        raise invalid([{"field": "Idempotency-Key", "message": why}])
    return key
