"""Listening in: the live audio of a call for people in a browser, and whether its callee is told."""

import logging
import struct
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import Field
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Receive, Scope, Send

from outdial.api.auth import ApiRoute, Caller, signed_in
from outdial.api.bodies import StrictBody
from outdial.api.calls import NO_CALL, CallId
from outdial.api.docs import errors, example
from outdial.api.listening_elsewhere import OtherProcesses
from outdial.api.services import Use
from outdial.calls.request import CleanText
from outdial.db.engine import reading
from outdial.live.listening_in.joining import MEDIA_ELSEWHERE, MOST_OF_A_CALL, Joined, ListeningIn
from outdial.live.listening_in.tap import Block
from outdial.refusals import Conflict
from outdial.workspaces.access import LISTEN_IN, Principal
from outdial.workspaces.listening import (
    MAX_CHARS,
    Announce,
    ListeningNotice,
    ListeningNoticeView,
    change_listening_notice,
    get_listening_notice,
    view,
)

logger = logging.getLogger(__name__)

router = APIRouter(route_class=ApiRoute, tags=["Listening in"])

STILL_ALLOWED_S = 1.0  # how often is looked whether the person still may; sign-ins are remembered 3 s
# Before each block: its first millisecond on the call clock, and how many bytes each side has; big-endian.
HEAD = struct.Struct(">IH")

_AUDIO: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The audio, as it is spoken, until the call ends",
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}, "example": "…audio…"},
        },
    }
}
_NOTICE = {"announce": "on_join", "text": None}


class NewListeningNotice(StrictBody):
    announce: Annotated[Announce, Field(strict=False)]
    """`never`; `on_join`: when somebody begins to listen, at the next pause, before they hear anything; `at_start`: on
    every call, before the agent's first words."""
    text: Annotated[CleanText, Field(min_length=1, max_length=MAX_CHARS)] | None = None
    """What the callee hears; null: a sentence in the agent's language."""


@router.post(
    "/v1/calls/{call_id}/listen",
    summary="Listen to a live call",
    operation_id="listen_to_call",
    description=(
        "For people who are signed in, in a browser: an API key gets 403. Both sides of the call as they are spoken, "
        "in blocks: four bytes, when the block begins on the call clock (ms); two bytes, how many bytes n each side "
        "has; n bytes of the other party; n bytes of the agent. Numbers are big-endian, audio is µ-law, 8000 Hz. "
        f"Whoever reads too slowly misses blocks. At most {MOST_OF_A_CALL} people listen to a call at once. Who "
        "listened, from when to when, is in the audit log, and that somebody did in the call's events "
        "(`listener_joined`, `listener_left`). The callee is told as the workspace wants it (see the notice below): "
        "until it was, nothing comes, and where it can't be told the stream ends."
    ),
    response_class=StreamingResponse,
    responses=_AUDIO
    | errors(
        **NO_CALL,
        s409_call_not_in_progress="Nobody has answered this call yet.",
        s409_call_transferred="The other party was transferred; the agent has left the call.",
        s409_call_ended="The call has ended already.",
        s409_media_elsewhere="The audio of this call is at another process of this Outdial, which can't be reached "
        "from here.",
        s429_too_many_listeners=f"At most {MOST_OF_A_CALL} people may listen to a call at once.",
    ),
)
async def listen(request: Request, caller: Caller, call_id: CallId) -> Response:
    listening: ListeningIn = request.app.state.listening_in
    try:
        joined = await listening.join(caller.workspace_id, call_id, caller.actor)
    except Conflict as conflict:
        others: OtherProcesses = request.app.state.other_processes
        answer = await others.listen(request, call_id) if conflict.code == MEDIA_ELSEWHERE else None
        if answer is None:
            raise
        return answer
    return LiveAudio(request, caller, listening, joined)


LISTEN = tuple(router.routes)  # this alone, also of a process that serves no API


class LiveAudio(StreamingResponse):
    """What one person hears; they have left when it is over, however it ends."""

    def __init__(self, request: Request, person: Principal, listening: ListeningIn, joined: Joined) -> None:
        # Proxies pass it on as it comes (nginx), and change nothing of it.
        headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store, no-transform"}
        super().__init__(self._pieces(), media_type="application/octet-stream", headers=headers)
        self._request, self._person = request, person
        self._listening, self._joined = listening, joined

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._listening.leave(self._joined)

    async def _pieces(self) -> AsyncIterator[bytes]:
        loop_time = self._joined.now
        check_at = loop_time() + STILL_ALLOWED_S
        while not self._joined.is_over:
            blocks = await self._joined.take(STILL_ALLOWED_S)
            if loop_time() >= check_at:
                if not await self._still_allowed():
                    return
                check_at = loop_time() + STILL_ALLOWED_S
            if blocks:
                yield b"".join(map(on_the_wire, blocks))

    async def _still_allowed(self) -> bool:
        """Whether the person is signed in as before, in the same workspace, with a role that may. Not while nobody can
        say."""
        try:
            person = await signed_in(self._request)
        except SQLAlchemyError as error:
            logger.warning("Listening in cut off: database unreachable", extra={"error": type(error).__name__})
            return False
        return (
            person is not None
            and person.workspace_id == self._person.workspace_id
            and person.person_id == self._person.actor.id
            and person.principal.may(LISTEN_IN)
        )


def on_the_wire(block: Block) -> bytes:
    return HEAD.pack(block.at_ms, len(block.callee)) + block.callee + block.agent


@router.get(
    "/v1/listening-notice",
    summary="Get the notice of listening in",
    operation_id="get_listening_notice",
    description="Whether callees are told that people may listen to their calls, when, and in which words.",
    response_model=ListeningNoticeView,
    responses=example(_NOTICE) | errors(),
)
async def get_notice(services: Use, caller: Caller) -> JSONResponse:
    async with reading(services.engine) as conn:
        return JSONResponse(view(await get_listening_notice(conn, caller.workspace_id)))


@router.put(
    "/v1/listening-notice",
    summary="Change the notice of listening in",
    operation_id="change_listening_notice",
    description=(
        "Holds within seconds, for calls that are answered and for whoever begins to listen from then on. `on_join` is "
        "what holds when nobody has said anything. People only: an API key gets 403."
    ),
    response_model=ListeningNoticeView,
    responses=example(_NOTICE) | errors(413, 415, 422),
)
async def put_notice(
    services: Use,
    caller: Caller,
    body: Annotated[
        NewListeningNotice,
        Body(openapi_examples={"start": {"summary": "On every call", "value": {"announce": "at_start"}}}),
    ],
) -> JSONResponse:
    notice = ListeningNotice(announce=body.announce, text=body.text)
    changed = await change_listening_notice(services.engine, caller.workspace_id, notice, by=caller.actor)
    return JSONResponse(view(changed))
