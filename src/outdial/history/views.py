"""A call as the world sees it: rows of calls, attempts and turns → the JSON of the API and the CLI."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.db.tables import attempts, calls
from outdial.history.call_backs import CallBacks, call_backs_of
from outdial.history.call_filter import CallFilter
from outdial.history.disclosure_views import CallDisclosure, disclosure_view
from outdial.history.search import find_page
from outdial.history.stored_call import STORED_CALL, ErrorView, StoredCall
from outdial.history.transcripts import TurnView, transcripts_of
from outdial.history.transfer_views import TransferView, transfer_views
from outdial.history.usage import CallUsage, usage_of
from outdial.history.waiting import WaitingFor, waiting_for
from outdial.history.wrap_up_views import OutcomeFrom, WrapUpView, facts_in, outcome_from, wrap_ups_of
from outdial.ids import is_id
from outdial.instants import to_json
from outdial.refusals import NotFound
from outdial.telephony.advice import advice
from outdial.telephony.state import CallDirection, CallState, EndedBy, EndReason
from outdial.telephony.verdict import AnsweredBy, WhoAnswered


class AgentRef(TypedDict):
    id: str
    version: int | None


class AnsweredByView(TypedDict):
    """Who answered, what speaks for it, and how sure the carrier or our own detector is (0 to 1), where it says so. A
    carrier's evidence is in its own words, our detector's in plain ones (`said 'leave a message'`, `beep at 6.2 s,
    1000 Hz`). Without a result in time (evidence: `deadline`), or before the callee answered the agent (`reply`), the
    category is `unknown`; what finds a machine later than that only adds its evidence. What the callee's side says
    gives a voicemail, a screening service or a menu away, with detection or without (`words`)."""

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


_Parties = TypedDict("_Parties", {"from": str, "to": str})


class CallSummary(_Parties, CallBacks):
    """A call as it stands in a list: everything but the transcript.

    `end_reason` is the telephone's word for how the call ended, `ended_by` who ended it; `outcome` is what came of the
    conversation in one word: `do_not_call`, `silent`, `transfer_failed`, the agent's own, `call_back`, `transferred`,
    `left_message` or `hung_up_early`, the first of these that holds. `outcome_from` says who decided it. `summary`,
    `facts` and `wrap_up` are what the agent's model made of the call afterwards, where the agent asks for it. `advice`
    says what to do next about a call that came to nothing, null where nothing is to be done. `variables` are what was
    sent with it, `noted` is what was written down in it. `waiting_for` is what a call waits for that isn't dialled yet;
    null where it is about to be, and once it is dialled. `call_back_of`: the call in which this one was promised;
    `call_back`: the one promised here. `disclosure` is null where the agent has nothing to disclose.
    `recording_erased_at`, `transcript_erased_at` (with what was noted and the summary) and `erased_at` (all that is
    personal: the other party's number is `erased`) say what is gone, and since when, because somebody wanted that or it
    was kept long enough.
    """

    id: str
    direction: CallDirection
    state: CallState
    end_reason: EndReason | None
    ended_by: EndedBy | None
    outcome: str | None
    outcome_from: OutcomeFrom | None
    summary: str | None
    facts: dict[str, Any]
    wrap_up: WrapUpView | None
    error: ErrorView | None
    advice: str | None
    number_id: str | None
    agent: AgentRef | None
    variables: dict[str, Any]
    noted: dict[str, Any]
    metadata: dict[str, Any] | None
    amd: dict[str, Any] | None
    retry: dict[str, Any] | None
    ring_timeout_s: int
    max_duration_s: int
    answered_by: AnsweredByView | None
    message_delivered: bool | None
    created_at: str
    due_at: str
    expires_at: str | None
    answered_at: str | None
    ended_at: str | None
    duration_s: float | None
    hang_up_requested_at: str | None
    waiting_for: WaitingFor | None
    attempts: list[AttemptView]
    transfers: list[TransferView]
    recording_url: str | None
    disclosure: CallDisclosure | None
    recording_erased_at: str | None
    transcript_erased_at: str | None
    erased_at: str | None


class CallView(CallSummary):
    """A call, whole. `usage`: what its models and vendors of speech were used for, beside what the carrier charges."""

    usage: CallUsage
    transcript: list[TurnView]


class CallPage(TypedDict):
    """Newest first. `next_cursor` gets the page of older calls, null on the last one; `previous_cursor` that of newer
    ones, null on the first."""

    calls: list[CallSummary]
    next_cursor: str | None
    previous_cursor: str | None


async def get_call(conn: AsyncConnection, workspace_id: str, call_id: str, *, base_url: str) -> CallView:
    """Raises NotFound, also for a call of another workspace."""
    call = await _stored(conn, workspace_id, call_id)
    [summary] = await _summaries(conn, workspace_id, [call], base_url)
    said, used = await transcripts_of(conn, {call_id: call.recording}), await usage_of(conn, [call_id])
    return CallView(**summary, usage=used[call_id], transcript=said[call_id])


async def list_calls(conn: AsyncConnection, workspace_id: str, wanted: CallFilter, *, base_url: str) -> CallPage:
    """Raises Invalid for a cursor that isn't one of ours."""
    page = await find_page(conn, workspace_id, wanted)
    found = await _summaries(conn, workspace_id, page.calls, base_url)
    return CallPage(calls=found, next_cursor=page.older, previous_cursor=page.newer)


async def calls_by_id(
    conn: AsyncConnection, workspace_id: str, call_ids: Iterable[str], *, base_url: str
) -> list[CallSummary]:
    """Newest first. Calls that aren't there, or of another workspace, are left out."""
    query = (
        select(*STORED_CALL)
        .where(calls.c.workspace_id == workspace_id, calls.c.id.in_(list(call_ids)))
        .order_by(calls.c.created_at.desc(), calls.c.id.desc())
    )
    found = [StoredCall.of(row) for row in (await conn.execute(query)).mappings()]
    return await _summaries(conn, workspace_id, found, base_url)


async def whole_calls(
    conn: AsyncConnection, workspace_id: str, call_ids: Sequence[str], *, base_url: str
) -> dict[str, CallView]:
    """By id, with what was said. Calls that aren't there, or of another workspace, are left out."""
    query = select(*STORED_CALL).where(calls.c.workspace_id == workspace_id, calls.c.id.in_(call_ids))
    found = {row[calls.c.id]: StoredCall.of(row) for row in (await conn.execute(query)).mappings()}
    summaries = await _summaries(conn, workspace_id, list(found.values()), base_url)
    said = await transcripts_of(conn, {call.id: call.recording for call in found.values()})
    used = await usage_of(conn, found)
    return {
        summary["id"]: CallView(**summary, usage=used[summary["id"]], transcript=said[summary["id"]])
        for summary in summaries
    }


async def recording_path(conn: AsyncConnection, workspace_id: str, call_id: str) -> str:
    """Where the recording lies under the data directory. Raises NotFound."""
    recording = (await _stored(conn, workspace_id, call_id)).recording
    if recording is None:
        raise NotFound("no_recording", "This call has no recording (yet).")
    return recording


async def call_state(conn: AsyncConnection, workspace_id: str, call_id: str) -> CallState:
    """Raises NotFound, also for a call of another workspace."""
    return (await _stored(conn, workspace_id, call_id)).state


async def _stored(conn: AsyncConnection, workspace_id: str, call_id: str) -> StoredCall:
    row = None
    if is_id(call_id, "call"):
        query = select(*STORED_CALL).where(calls.c.id == call_id, calls.c.workspace_id == workspace_id)
        row = (await conn.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFound("call_not_found", "There is no such call.")
    return StoredCall.of(row)


async def _summaries(
    conn: AsyncConnection, workspace_id: str, found: Sequence[StoredCall], base_url: str
) -> list[CallSummary]:
    ids = [call.id for call in found]
    dials, connected = await _attempts(conn, ids), await transfer_views(conn, ids)
    waits, made = await waiting_for(conn, workspace_id, found), await wrap_ups_of(conn, ids)
    promised = await call_backs_of(conn, ids)
    return [
        _summary(
            one,
            dials.get(one.id, []),
            connected.get(one.id, []),
            waits.get(one.id),
            made.get(one.id),
            promised[one.id],
            base_url,
        )
        for one in found
    ]


async def _attempts(conn: AsyncConnection, call_ids: Iterable[str]) -> dict[str, list[AttemptView]]:
    """By call id, each call's in order."""
    rows = await conn.execute(
        select(attempts).where(attempts.c.call_id.in_(list(call_ids))).order_by(attempts.c.number)
    )
    by_call: dict[str, list[AttemptView]] = {}
    for row in rows:
        unknown = row.unknown_since is not None and row.state != CallState.ENDED
        view = AttemptView(
            number=row.number,
            carrier=row.carrier,
            carrier_call_id=row.carrier_call_id,
            state="unknown" if unknown else row.state,
            end_reason=None if row.end_reason is None else EndReason(row.end_reason),
            error=row.error,
            created_at=to_json(row.created_at),
            ringing_at=to_json(row.ringing_at),
            answered_at=to_json(row.answered_at),
            ended_at=to_json(row.ended_at),
            price=None if row.price is None else str(row.price),
            price_currency=row.price_currency,
        )
        by_call.setdefault(row.call_id, []).append(view)
    return by_call


def _summary(
    call: StoredCall,
    dials: list[AttemptView],
    connected: list[TransferView],
    waits: WaitingFor | None,
    made: WrapUpView | None,
    promised: CallBacks,
    base_url: str,
) -> CallSummary:
    return {
        "id": call.id,
        "direction": call.direction,
        "state": call.state,
        "end_reason": call.end_reason,
        "ended_by": call.ended_by,
        "outcome": call.outcome,
        "outcome_from": outcome_from(call, made),
        "summary": None if made is None else made["summary"],
        "facts": facts_in(made),
        "wrap_up": made,
        "error": cast(ErrorView | None, call.error),
        "advice": advice(call.end_reason, (call.error or {}).get("code"), call.outcome),
        "number_id": call.number_id,
        "from": call.from_,
        "to": call.to,
        "agent": None if call.agent_id is None else AgentRef(id=call.agent_id, version=call.agent_version),
        "variables": call.variables,
        "noted": call.noted,
        "metadata": call.metadata,
        "amd": call.detection,
        "retry": call.retry,
        "ring_timeout_s": call.ring_timeout_s,
        "max_duration_s": call.max_duration_s,
        "answered_by": None if call.answered_by is None else answered_by_view(call.answered_by),
        "message_delivered": call.message_delivered,
        "created_at": to_json(call.created_at),
        "due_at": to_json(call.due_at),
        "expires_at": to_json(call.expires_at),
        "answered_at": to_json(call.answered_at),
        "ended_at": to_json(call.ended_at),
        "duration_s": call.duration_s,
        "hang_up_requested_at": to_json(call.hang_up_requested_at),
        "waiting_for": waits,
        **promised,
        "attempts": dials,
        "transfers": connected,
        "recording_url": f"{base_url}/v1/calls/{call.id}/recording" if call.recording else None,
        "disclosure": disclosure_view(call.disclosure),
        "recording_erased_at": to_json(call.recording_erased_at),
        "transcript_erased_at": to_json(call.transcript_erased_at),
        "erased_at": to_json(call.erased_at),
    }


def answered_by_view(who: WhoAnswered) -> AnsweredByView:
    return AnsweredByView(
        category=who.category,
        confidence=who.confidence,
        evidence=list(who.evidence),
        after_answer_ms=who.after_answer_ms,
    )
