"""What we send to webhook endpoints, in the API's document: a body and an example of each event."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, FastAPI
from fastapi.responses import Response
from pydantic import ConfigDict, Field, create_model
from typing_extensions import TypedDict

from outdial.alerts.views import AlertView
from outdial.history.number_health import NumberHealth
from outdial.policy.do_not_call import EntryView
from outdial.webhooks.event_type import EventType
from outdial.webhooks.samples import payload_of
from outdial.webhooks.told import CallAnsweredBy, CallEnded, CallProgress, CallTranscript, CallUpdated


class NumberUnhealthy(TypedDict):
    """A call has failed for a reason that comes again with every call from this number, until somebody does something
    about it. Told once, when it begins."""

    number: NumberHealth


class DoNotCallAdded(TypedDict):
    entry: EntryView


class AlertRaised(TypedDict):
    """A rule has found something. Once, until it is cleared."""

    alert: AlertView


class AlertCleared(TypedDict):
    """What `alert.raised` told is over; the alert as it is then. It may be taken before that where a try had failed."""

    alert: AlertView


DATA: Mapping[EventType, Any] = {
    EventType.QUEUED: CallProgress,
    EventType.DIALING: CallProgress,
    EventType.RINGING: CallProgress,
    EventType.ANSWERED: CallProgress,
    EventType.ANSWERED_BY: CallAnsweredBy,
    EventType.TRANSCRIPT: CallTranscript,
    EventType.ENDED: CallEnded,
    EventType.UPDATED: CallUpdated,
    EventType.NUMBER_UNHEALTHY: NumberUnhealthy,
    EventType.DO_NOT_CALL_ADDED: DoNotCallAdded,
    EventType.ALERT_RAISED: AlertRaised,
    EventType.ALERT_CLEARED: AlertCleared,
}
_SUMMARIES = {
    EventType.QUEUED: "A call waits: it was accepted, or its next attempt is due later",
    EventType.DIALING: "A carrier is asked to dial",
    EventType.RINGING: "The phone rings; also: a call comes in",
    EventType.ANSWERED: "The call was answered",
    EventType.ANSWERED_BY: "It is known (better) who answered",
    EventType.TRANSCRIPT: "One side has said something",
    EventType.ENDED: "The call is over, and all that came of it is known",
    EventType.UPDATED: "More is known of a call that is over: its wrap-up, or what came late",
    EventType.NUMBER_UNHEALTHY: "A phone number of yours doesn't work any more",
    EventType.DO_NOT_CALL_ADDED: "A number came onto the do-not-call list",
    EventType.ALERT_RAISED: "An alert was raised",
    EventType.ALERT_CLEARED: "An alert is over",
}
_HOW = (
    "Signed as Standard Webhooks has it: `webhook-id` (the same whenever it is sent again), `webhook-timestamp`, "
    "`webhook-signature`. Answer 2xx at once."
)


def describe(app: FastAPI) -> None:
    """Enter them under `webhooks` of the document."""
    app.webhooks.routes.extend(_router().routes)


@cache
def _router() -> APIRouter:
    router = APIRouter()
    for type_ in EventType:
        router.add_api_route(
            type_,
            _handler(model_of(type_), payload_of(type_)),
            methods=["POST"],
            tags=["Webhooks"],
            summary=_SUMMARIES[type_],
            description=_HOW,
            operation_id="on_" + type_.replace(".", "_"),
            status_code=204,
            response_class=Response,
            responses={204: {"description": "Taken. Any 2xx will do; anything else is tried again for three days"}},
        )
    return router


def model_of(type_: EventType) -> Any:
    """The whole body."""
    name = "".join(part.title() for part in type_.replace(".", "_").split("_")) + "Payload"
    fields: dict[str, Any] = {
        "type": (Literal[type_.value], ...),
        "timestamp": (str, Field(description="When it happened; ISO 8601")),
        "id": (str, Field(description="As in the header `webhook-id`")),
        "api_version": (str, Field(description="Fields may be added without a new one")),
    }
    if type_.startswith("call."):
        told = "Within the call, of what this endpoint is told: 1, 2, … One that is missing was given up"
        fields["sequence"] = (int | None, Field(None, description=told))
    return create_model(name, __config__=ConfigDict(title=name), **fields, data=(DATA[type_], ...))


def _handler(model: Any, sample: Mapping[str, Any]) -> Any:
    async def told(body: Any) -> None: ...

    told.__annotations__["body"] = Annotated[model, Body(openapi_examples={"example": {"value": dict(sample)}})]
    return told
