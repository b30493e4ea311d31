"""GET /v1/calls/<id>/events: what happens to a call, as it happens (server-sent events)."""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from sqlalchemy.exc import SQLAlchemyError
from sse_starlette.sse import EventSourceResponse

from outdial.api.auth import ApiRoute, Caller
from outdial.api.calls import NO_CALL, CallId
from outdial.api.docs import errors
from outdial.api.event_stream import event, event_streams
from outdial.api.problems import invalid
from outdial.api.services import Use
from outdial.db.engine import reading
from outdial.db.feed import Feeds, events_after
from outdial.history.views import call_state
from outdial.instants import to_json
from outdial.logs import Seldom
from outdial.telephony.state import CallState

logger = logging.getLogger(__name__)

_cut_off = Seldom(every_s=10.0)

router = APIRouter(route_class=ApiRoute, tags=["Calls"])

_STREAM = """id: 101
event: state
data: {"state": "queued", "at": "2026-01-31T09:00:00.120000Z"}

id: 108
event: transcript
data: {"seq": 421, "speaker": "agent", "text": "Hello Jane.", "start_ms": 420, "end_ms": 1300, "interrupted": false, \
"latency": null, "at": "2026-01-31T09:00:09.900000Z"}

id: 124
event: turn_times
data: {"seq": 5561, "ended_ms": 4620, "decided_ms": 5120, "text_ms": 5120, "first_token_ms": 5410, \
"first_sentence_ms": 5530, "first_audio_ms": 5560, "first_frame_ms": 5560, "played_ms": 7820, \
"at": "2026-01-31T09:00:17.100000Z"}

id: 130
event: noted
data: {"values": {"outcome": "confirmed"}, "at": "2026-01-31T09:00:39.500000Z"}

id: 131
event: state
data: {"state": "ended", "end_reason": "completed", "ended_by": "agent", "outcome": "confirmed", "attempt": 1, \
"error": null, "at": "2026-01-31T09:00:39.600000Z"}

"""

_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The events",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _STREAM}},
    },
    204: {"description": "The call has ended, and nothing happened after `Last-Event-ID`"},
}


@router.get(
    "/v1/calls/{call_id}/events",
    summary="Follow a call",
    operation_id="follow_call",
    description=(
        "Server-sent events: everything that happened so far, then what happens, until the call has ended. Types "
        "are `state`, `transcript` (a turn, sent again as it grows: same `seq`), `answered_by`, `verdict` (each one, "
        "with `amd.by` `both`: `by`, `category`, `evidence`), `noted` (all "
        "`values` noted, when a conversation is over), `noted_dropped` (what could not be kept of them, and why), "
        "`transfer` (`to` and `result`, null while it rings; again with `duration_s` when the other party has left; "
        "`warm` where the other party is asked first, and `accepted_by`: `key` or `words`, by which it took the call), "
        "`corrected` (why the call ended is known only now: `end_reason`, `ended_by`, `error`), `outcome` (what came "
        "of the call, where that is known only after its end), `wrapped_up` (summary, facts and outcome were made, or "
        "failed: `result`; mostly after the stream has ended), `turn_times` (of a turn that answers the callee, when "
        "what happened, in ms on the call clock: the callee's last word `ended_ms`, `decided_ms`, `text_ms`, a model's "
        "`first_token_ms` and `first_sentence_ms`, `first_audio_ms`, `first_frame_ms`, `played_ms`; null is what "
        "didn't), `model` (an answer of a model's: `first_word_ms`, `first_sentence_ms` and `total_ms` since it was "
        "asked for, `ahead_ms` before it was sure that the callee had finished, `tokens`) and smaller ones; ignore "
        "those you don't know. `data` is a JSON object with `at`, when it was stored. Send the last id you saw as "
        "`Last-Event-ID` to go on from there; 204 means that nothing is left to tell."
    ),
    response_class=EventSourceResponse,
    responses=_RESPONSES | errors(422, s429_too_many_streams="This key or person follows too many at once.", **NO_CALL),
)
async def follow_call(
    request: Request,
    services: Use,
    caller: Caller,
    call_id: CallId,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", description="Go on after this event")] = None,
) -> Response:
    after = _event_id(last_event_id)
    async with reading(services.engine) as conn:
        state = await call_state(conn, caller.workspace_id, call_id)
        if state is CallState.ENDED and after and not await events_after(conn, call_id, after, limit=1):
            return Response(status_code=204)
    feeds: Feeds = request.app.state.feeds
    return event_streams(request).respond(_messages(feeds, call_id, after), of=caller.actor)


async def _messages(feeds: Feeds, call_id: str, after: int) -> AsyncIterator[bytes]:
    try:
        async with aclosing(feeds.follow(call_id, after=after)) as events:
            async for told in events:
                data = told.data | {"at": told.data.get("at") or to_json(told.at)}
                yield event(told.type, json.dumps(data), id_=told.id)
    except SQLAlchemyError as error:  # the follower comes back with its last id
        if times := _cut_off.again():
            extra = {"error": type(error).__name__, "times": times}
            logger.warning("Event streams cut off: database unreachable", extra=extra)


def _event_id(text: str | None) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise invalid([{"field": "Last-Event-ID", "message": "must be the id of an event of this stream"}])
    return int(text)
