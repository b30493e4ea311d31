"""GET /v1/calls/<id>/events: what happens to a call, as it happens (server-sent events)."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.exc import SQLAlchemyError

from outdial.api.auth import ApiRoute, Caller
from outdial.api.calls import NO_CALL, CallId
from outdial.api.docs import errors
from outdial.api.problems import invalid
from outdial.api.services import Services, Use
from outdial.db.engine import reading
from outdial.history.views import Event, call_state, events_after
from outdial.instants import to_json
from outdial.telephony.state import CallState

logger = logging.getLogger(__name__)

router = APIRouter(route_class=ApiRoute, tags=["Calls"])

HEARTBEAT_S = 15.0
POLL_S = 3.0                    # should a notification be lost
LATE = timedelta(seconds=10)    # within this, an event may turn up after one with a higher id
LINGER = timedelta(seconds=1)   # the last words are written beside the end, and may come just after it

_STREAM = """id: 101
event: state
data: {"state": "queued", "at": "2026-01-31T09:00:00.120000Z"}

id: 108
event: transcript
data: {"seq": 421, "speaker": "agent", "text": "Hello Jane.", "start_ms": 420, "end_ms": 1300, "interrupted": false, \
"latency": null, "at": "2026-01-31T09:00:09.900000Z"}

id: 131
event: state
data: {"state": "ended", "end_reason": "completed", "at": "2026-01-31T09:00:39.600000Z"}

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
        "Server-sent events: everything that happened so far, then what happens, until the call has ended. "
        "Types are `state`, `transcript` (a turn, sent again as it grows: same `seq`), `answered_by` and smaller "
        "ones; ignore those you don't know. `data` is a JSON object with `at`, when it was stored. Send the last id "
        "you saw as `Last-Event-ID` to go on from there; 204 means that nothing is left to tell."
    ),
    response_class=StreamingResponse,
    responses=_RESPONSES | errors(422, **NO_CALL),
)
async def follow_call(
    services: Use,
    caller: Caller,
    call_id: CallId,
    last_event_id: Annotated[str | None, Header(description="Go on after this event")] = None,
) -> Response:
    after = _event_id(last_event_id)
    async with reading(services.engine) as conn:
        state, _ = await call_state(conn, caller.workspace_id, call_id)
        if state is CallState.ENDED and after and not await events_after(conn, call_id, after, limit=1):
            return Response(status_code=204)
    return StreamingResponse(
        _stream(services, caller.workspace_id, call_id, after),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(services: Services, workspace_id: str, call_id: str, after: int) -> AsyncIterator[str]:
    sent: dict[int, datetime] = {}  # those younger than LATE, which are read again for the sake of late ones
    silent_s = 0.0
    with _wake_ups(services, call_id) as woken:
        while True:
            woken.clear()
            try:
                state, ended_at, events = await _read(services, workspace_id, call_id, after)
            except SQLAlchemyError as error:
                logger.warning("Event stream cut: database can't be used", extra={"error": type(error).__name__})
                return  # the follower comes back with its last id
            now = datetime.now(UTC)
            for event in events:
                if event.id not in sent:
                    yield _text(event)
                    sent[event.id] = event.at
                    silent_s = 0.0
            after = max([after, *(event_id for event_id, at in sent.items() if at < now - LATE)])
            sent = {event_id: at for event_id, at in sent.items() if event_id > after}
            wait_s = POLL_S
            if state is CallState.ENDED:
                if ended_at is None or ended_at < now - LINGER:
                    return
                wait_s = LINGER.total_seconds()
            try:
                await asyncio.wait_for(woken.wait(), wait_s)
            except TimeoutError:
                silent_s += wait_s
            if silent_s >= HEARTBEAT_S:
                yield ": still here\n\n"
                silent_s = 0.0


async def _read(
    services: Services, workspace_id: str, call_id: str, after: int
) -> tuple[CallState, datetime | None, Sequence[Event]]:
    async with reading(services.engine) as conn:
        state, ended_at = await call_state(conn, workspace_id, call_id)
        # After the state: when that is the end, the event that says so is among these.
        return state, ended_at, await events_after(conn, call_id, after)


@contextmanager
def _wake_ups(services: Services, call_id: str) -> Iterator[asyncio.Event]:
    """An event that is set when something was stored about this call (or may have been)."""
    woken = asyncio.Event()

    def heard(payload: str) -> None:
        if payload in (call_id, ""):
            woken.set()

    unsubscribe = services.notifications.subscribe("outdial_call", heard)
    try:
        yield woken
    finally:
        unsubscribe()


def _text(event: Event) -> str:
    data = json.dumps(event.data | {"at": event.data.get("at") or to_json(event.at)})
    return f"id: {event.id}\nevent: {event.type}\ndata: {data}\n\n"


def _event_id(text: str | None) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise invalid([{"field": "Last-Event-ID", "message": "must be the id of an event of this stream"}])
    return int(text)
