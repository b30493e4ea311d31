"""A call as the world sees it: rows of calls, attempts and turns → the JSON of the API, the CLI and the webhooks."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.db.tables import attempts, calls, turns
from outdial.history.search import CallFilter, find_page
from outdial.ids import is_id
from outdial.instants import to_json
from outdial.refusals import NotFound
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import CallDirection, CallState, EndReason
from outdial.telephony.verdict import AnsweredBy


class ErrorView(TypedDict):
    """Why a call failed: a word that is the same for every carrier, a sentence, and what the carrier calls it
    (`sip_404` where it passes the telephone network's code on), null where it wasn't the carrier who said so."""

    code: FailureCode
    message: str
    carrier_code: str | None


class AgentRef(TypedDict):
    id: str
    version: int | None


class AnsweredByView(TypedDict):
    """Who answered, what speaks for it, and how sure the carrier is (0 to 1), where it says so. Without a result in
    time the category is `unknown`, the evidence `deadline`."""

    category: AnsweredBy
    confidence: float | None
    evidence: list[str]
    after_answer_ms: int | None


class AttemptView(TypedDict):
    """One dial. `state` is a call state, or `unknown` while it can't be known whether the carrier dialled."""

    number: int
    carrier: str
    carrier_call_id: str | None
    state: str
    end_reason: EndReason | None
    error: ErrorView | None
    created_at: str
    ringing_at: str | None
    answered_at: str | None
    ended_at: str | None
    price: str | None
    price_currency: str | None


class TurnView(TypedDict):
    """What one side said. Times count from the start of the audio; `end_ms` is null while it is being said.

    `recorded`: whether they are also times of the recording. Of a call that was answered more than once, the recording
    is of the last time.
    """

    speaker: str
    text: str
    start_ms: int
    end_ms: int | None
    interrupted: bool
    recorded: bool
    latency: dict[str, Any] | None


_Parties = TypedDict("_Parties", {"from": str, "to": str})


class CallSummary(_Parties):
    """A call as it stands in a list: everything but the transcript."""

    id: str
    direction: CallDirection
    state: CallState
    end_reason: EndReason | None
    error: ErrorView | None
    number_id: str | None
    agent: AgentRef | None
    variables: dict[str, Any]
    metadata: dict[str, Any] | None
    amd: dict[str, Any] | None
    retry: dict[str, Any] | None
    answered_by: AnsweredByView | None
    message_delivered: bool | None
    created_at: str
    due_at: str
    expires_at: str | None
    answered_at: str | None
    ended_at: str | None
    duration_s: float | None
    hang_up_requested_at: str | None
    attempts: list[AttemptView]
    recording_url: str | None


class CallView(CallSummary):
    """A call, whole. `variables` are as its agent left them, `sent_variables` as the call was asked for."""

    sent_variables: dict[str, Any]
    transcript: list[TurnView]


class CallPage(TypedDict):
    """Newest first. `next_cursor` gets the page of older calls, null on the last one; `previous_cursor` that of newer
    ones, null on the first."""

    calls: list[CallSummary]
    next_cursor: str | None
    previous_cursor: str | None


async def get_call(conn: AsyncConnection, workspace_id: str, call_id: str, *, base_url: str) -> CallView:
    """Raises NotFound, also for a call of another workspace."""
    row = await _call_row(conn, workspace_id, call_id)
    dials = (await _attempts(conn, [call_id])).get(call_id, [])
    heard = (turns.c.call_id == call_id, turns.c.text != "")  # "": cut off before its first word
    spoken = await conn.execute(select(turns).where(*heard).order_by(turns.c.seq))
    return CallView(
        **_summary(row, dials, base_url),
        sent_variables=row.variables if row.sent_variables is None else row.sent_variables,
        transcript=[_turn(turn, row.recording) for turn in spoken],
    )


async def list_calls(
    conn: AsyncConnection, workspace_id: str, wanted: CallFilter, *, base_url: str
) -> CallPage:
    """Raises Invalid for a cursor that isn't one of ours."""
    page = await find_page(conn, workspace_id, wanted)
    return CallPage(
        calls=await _summaries(conn, page.rows, base_url), next_cursor=page.older, previous_cursor=page.newer
    )


async def calls_by_id(
    conn: AsyncConnection, workspace_id: str, call_ids: Iterable[str], *, base_url: str
) -> list[CallSummary]:
    """Newest first. Calls that aren't there, or of another workspace, are left out."""
    query = (
        select(calls)
        .where(calls.c.workspace_id == workspace_id, calls.c.id.in_(list(call_ids)))
        .order_by(calls.c.created_at.desc(), calls.c.id.desc())
    )
    return await _summaries(conn, (await conn.execute(query)).all(), base_url)


async def recording_path(conn: AsyncConnection, workspace_id: str, call_id: str) -> str:
    """Where the recording lies under the data directory. Raises NotFound."""
    row = await _call_row(conn, workspace_id, call_id)
    if row.recording is None:
        raise NotFound("no_recording", "This call has no recording (yet).")
    return str(row.recording)


async def call_state(conn: AsyncConnection, workspace_id: str, call_id: str) -> tuple[CallState, datetime | None]:
    """The state, and when the call ended. Raises NotFound."""
    row = await _call_row(conn, workspace_id, call_id)
    return CallState(row.state), row.ended_at


async def _call_row(conn: AsyncConnection, workspace_id: str, call_id: str) -> Row[Any]:
    row = None
    if is_id(call_id, "call"):
        query = select(calls).where(calls.c.id == call_id, calls.c.workspace_id == workspace_id)
        row = (await conn.execute(query)).one_or_none()
    if row is None:
        raise NotFound("call_not_found", "There is no such call.")
    return row


async def _summaries(conn: AsyncConnection, rows: Sequence[Row[Any]], base_url: str) -> list[CallSummary]:
    dials = await _attempts(conn, [row.id for row in rows])
    return [_summary(row, dials.get(row.id, []), base_url) for row in rows]


async def _attempts(conn: AsyncConnection, call_ids: Iterable[str]) -> dict[str, list[AttemptView]]:
    """By call id, each call's in order."""
    rows = await conn.execute(
        select(attempts).where(attempts.c.call_id.in_(list(call_ids))).order_by(attempts.c.number)
    )
    by_call: dict[str, list[AttemptView]] = {}
    for row in rows:
        by_call.setdefault(row.call_id, []).append(_attempt(row))
    return by_call


def _summary(row: Row[Any], dials: list[AttemptView], base_url: str) -> CallSummary:
    duration_s = None
    if row.answered_at is not None and row.ended_at is not None:
        duration_s = round(max(0.0, (row.ended_at - row.answered_at).total_seconds()), 3)
    return {
        "id": row.id,
        "direction": CallDirection(row.direction),
        "state": CallState(row.state),
        "end_reason": _end_reason(row.end_reason),
        "error": row.error,
        "number_id": row.number_id,
        "from": row.from_,
        "to": row.to,
        "agent": None if row.agent_id is None else AgentRef(id=row.agent_id, version=row.agent_version),
        "variables": row.variables,
        "metadata": row.metadata,
        "amd": row.detection,
        "retry": row.retry,
        "answered_by": _answered_by(row.answered_by),
        "message_delivered": row.message_delivered,
        "created_at": to_json(row.created_at),
        "due_at": to_json(row.due_at),
        "expires_at": to_json(row.expires_at),
        "answered_at": to_json(row.answered_at),
        "ended_at": to_json(row.ended_at),
        "duration_s": duration_s,
        "hang_up_requested_at": to_json(row.hang_up_requested_at),
        "attempts": dials,
        "recording_url": f"{base_url}/v1/calls/{row.id}/recording" if row.recording else None,
    }


def _attempt(row: Row[Any]) -> AttemptView:
    unknown = row.unknown_since is not None and row.state != CallState.ENDED
    return AttemptView(
        number=row.number,
        carrier=row.carrier,
        carrier_call_id=row.carrier_call_id,
        state="unknown" if unknown else row.state,
        end_reason=_end_reason(row.end_reason),
        error=row.error,
        created_at=to_json(row.created_at),
        ringing_at=to_json(row.ringing_at),
        answered_at=to_json(row.answered_at),
        ended_at=to_json(row.ended_at),
        price=None if row.price is None else str(row.price),
        price_currency=row.price_currency,
    )


def _turn(row: Row[Any], recording: str | None) -> TurnView:
    return TurnView(
        speaker=row.speaker,
        text=row.text,
        start_ms=row.start_ms,
        end_ms=row.end_ms,
        interrupted=row.interrupted,
        recorded=recording is not None and row.seq > _turns_before(recording),
        latency=row.latency,
    )


def _turns_before(recording: str) -> int:
    """The `seq` at which a recording begins; live.conversations writes it into its name."""
    seq = PurePath(recording).stem.partition("-")[2]
    return int(seq) if seq.isdecimal() else 0


def _answered_by(stored: dict[str, Any] | None) -> AnsweredByView | None:
    if stored is None:
        return None
    return AnsweredByView(
        category=AnsweredBy(stored["category"]),
        confidence=stored.get("confidence"),
        evidence=stored.get("evidence", []),
        after_answer_ms=stored.get("after_answer_ms"),
    )


def _end_reason(stored: str | None) -> EndReason | None:
    return None if stored is None else EndReason(stored)
