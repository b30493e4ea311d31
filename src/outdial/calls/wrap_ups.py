"""The wrap-up of a call, in the books: taken up by a job, put off, written with its event, wanted again.

A process that is at it has a lease, so no two ask a model for the same one at once; what it brings is written once, in
the transaction that tells of it and decides the outcome anew. The transactions lock the call first, then its wrap-up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, bindparam, case, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.calls.events import add_event
from outdial.calls.outcomes import reconsider
from outdial.calls.wrap_up_wanted import add_wrap_up_job
from outdial.db.tables import agent_versions, attempts, calls, turns
from outdial.db.wrap_up_tables import wrap_ups
from outdial.refusals import Conflict, NotFound
from outdial.repeating import Pauses
from outdial.telephony.state import CallState, EndReason
from outdial.workspaces.audit import Actor, record

LEASE_S = 180.0      # longer than any model is waited for
PAUSES = Pauses(first_s=10.0, longest_s=600.0, tries=5)
RESULTS_WITHIN_S = 120.0  # after the end; then it is made of what is there
MONEY_AFTER_S = 600.0  # a limit may be raised at any time
LATE_S = 60.0        # a job that should have begun so long ago is lost
MAX_READ = 2500      # turns of a call, the newest
MAX_TURN_CHARS = 1000


class WrapUpState(StrEnum):
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class WrapUpError(StrEnum):
    MODEL_FAILED = "model_failed"
    MODEL_NOT_USABLE = "model_not_usable"
    AGENT_GONE = "agent_gone"
    INTERRUPTED = "interrupted"
    SPEND_LIMIT = "spend_limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    code: WrapUpError
    message: str

    def to_json(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A turn. `number`: its seq."""

    number: int
    speaker: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenUp:
    """A wrap-up that is this process's to make, until its lease is over. `begun`: how often it was, with this time."""

    call_id: str
    round: int
    begun: int
    agent_id: str
    agent_version: int
    turns: Sequence[Spoken]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """`dollars`: None where nobody knows the price."""

    tokens: int = 0
    dollars: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Plain data. `facts`: each with name, value and evidence (the seq of turns)."""

    summary: str | None = None
    facts: Sequence[Mapping[str, Any]] = ()
    outcome: str | None = None
    outcome_evidence: Sequence[int] = ()
    unproved: Sequence[str] = ()
    model: str | None = None


async def take_up(engine: AsyncEngine, call_id: str, round_: int) -> TakenUp | None:
    """None where there is nothing to do (now): it is made, or wanted anew since, or another process is at it, or what
    the conversation brought isn't here yet; then a job is added for later."""
    async with engine.begin() as conn:
        await conn.scalar(_LOCK_CALL, {"the_call": call_id})
        row = (await conn.execute(_FOR_JOB, {"the_call": call_id})).mappings().one_or_none()
        if row is None or row["state"] != WrapUpState.PENDING or row["round"] != round_:
            return None
        if (wait_s := _wait_s(row)) is not None:
            await _add_later(conn, call_id, round_, wait_s)
            return None
        begun = row["begun"] + 1
        if PAUSES.are_over(row["begun"]):
            stopped = Failure(code=WrapUpError.INTERRUPTED, message="Its processes ended before it was made.")
            await _fail(conn, call_id, stopped, Cost())
            return None
        leased = func.now() + timedelta(seconds=LEASE_S)
        taken = {"begun": begun, "leased_until": leased, "due_at": leased}
        await conn.execute(update(wrap_ups).where(wrap_ups.c.call_id == call_id).values(taken))
        said = (await conn.execute(_NEWEST_TURNS, {"the_call": call_id})).mappings().all()
    return TakenUp(
        call_id=call_id,
        round=round_,
        begun=begun,
        agent_id=row["agent_id"],
        agent_version=row["agent_version"],
        turns=[Spoken(number=one["seq"], speaker=one["speaker"], text=one["text"]) for one in reversed(said)],
    )


async def write_wrap_up(engine: AsyncEngine, taken: TakenUp, made: Made, cost: Cost) -> bool:
    """False where it was made already, or is wanted anew: then nothing is written."""
    async with engine.begin() as conn:
        if not await _is_still_mine(conn, taken):
            return False
        values = {
            "state": WrapUpState.DONE,
            "leased_until": None,
            "finished_at": func.now(),
            "summary": made.summary,
            "facts": [dict(fact) for fact in made.facts],
            "outcome": made.outcome,
            "outcome_evidence": list(made.outcome_evidence),
            "unproved": list(made.unproved),
            "error": None,
            "model": made.model,
            **_costs(cost),
        }
        await conn.execute(update(wrap_ups).where(wrap_ups.c.call_id == taken.call_id).values(values))
        await reconsider(conn, taken.call_id)
        await add_event(conn, taken.call_id, "wrapped_up", {"result": WrapUpState.DONE})
    return True


async def put_off(engine: AsyncEngine, taken: TakenUp, failure: Failure, cost: Cost, *, for_good: bool) -> None:
    """It came to nothing this time: it is tried again later, unless it failed often enough, or `for_good`."""
    async with engine.begin() as conn:
        if not await _is_still_mine(conn, taken):
            return
        if for_good or PAUSES.are_over(taken.begun):
            await _fail(conn, taken.call_id, failure, cost)
            return
        values = {"leased_until": None, "error": failure.to_json(), **_costs(cost)}
        await conn.execute(update(wrap_ups).where(wrap_ups.c.call_id == taken.call_id).values(values))
        await _add_later(conn, taken.call_id, taken.round, PAUSES.after(taken.begun))


async def wait_for_money(engine: AsyncEngine, taken: TakenUp, limit: Failure, cost: Cost) -> None:
    """No model may be asked for now, by the workspace's limit: that is no try, and one may be some time."""
    async with engine.begin() as conn:
        if await _is_still_mine(conn, taken):
            values = {"leased_until": None, "begun": taken.begun - 1, "error": limit.to_json(), **_costs(cost)}
            await conn.execute(update(wrap_ups).where(wrap_ups.c.call_id == taken.call_id).values(values))
            await _add_later(conn, taken.call_id, taken.round, MONEY_AFTER_S)


async def give_back(engine: AsyncEngine, taken: TakenUp) -> None:
    """This process ends before it is made: another one may begin at once."""
    async with engine.begin() as conn:
        if await _is_still_mine(conn, taken):
            values = {"leased_until": None, "begun": taken.begun - 1, "due_at": func.now()}
            await conn.execute(update(wrap_ups).where(wrap_ups.c.call_id == taken.call_id).values(values))


async def add_lost(engine: AsyncEngine, *, at_most: int = 200) -> int:
    """Jobs for wrap-ups whose own one is gone: its process died too often, or it was removed. How many."""
    async with engine.begin() as conn:
        lost = (await conn.execute(_LOST, {"late_s": LATE_S, "at_most": at_most})).all()
        for call_id, round_ in lost:
            await _add_later(conn, call_id, round_, 0.0)
    return len(lost)


async def want_again(engine: AsyncEngine, workspace_id: str, call_id: str, *, by: Actor) -> bool:
    """Have it made (again), from the beginning. False where one is on its way: asking twice is harmless.

    What was made before stays until the new one is there. Raises NotFound, and Conflict: `call_not_ended`,
    `no_wrap_up`.
    """
    async with engine.begin() as conn:
        found = {"the_call": call_id, "the_workspace": workspace_id}
        row = (await conn.execute(_CALL, found)).mappings().one_or_none()
        if row is None:
            raise NotFound("call_not_found", "There is no such call.")
        if row["state"] != CallState.ENDED:
            raise Conflict("call_not_ended", "The call goes on; its wrap-up is made when it has ended.")
        if not row["asks"] or not row["answered"]:
            raise Conflict(
                "no_wrap_up",
                "There is no wrap-up of this call: it wasn't answered, what was said is erased, or its agent's version "
                "asks for none (after).",
            )
        anew = {"state": WrapUpState.PENDING, "begun": 0, "leased_until": None, "error": None}
        anew |= {"wanted_at": func.now(), "due_at": func.now()}
        wanted = insert(wrap_ups).values(call_id=call_id, state=WrapUpState.PENDING)
        wanted = wanted.on_conflict_do_update(
            index_elements=["call_id"],
            set_=anew | {"round": wrap_ups.c.round + 1},
            where=wrap_ups.c.state != WrapUpState.PENDING,
        )
        round_ = await conn.scalar(wanted.returning(wrap_ups.c.round))
        if round_ is None:
            return False
        await add_wrap_up_job(conn, call_id, round_=round_)
        await add_event(conn, call_id, "wrap_up_wanted", {})
        await record(conn, workspace_id, by, "wrap_up.wanted", subject_id=call_id, subject_name=call_id, details={})
    return True


async def _is_still_mine(conn: AsyncConnection, taken: TakenUp) -> bool:
    """The call is locked, and its wrap-up."""
    the_call = {"the_call": taken.call_id}
    if await conn.scalar(_LOCK_CALL, the_call) is None:
        return False
    row = (await conn.execute(_LOCK, the_call)).mappings().one_or_none()
    return row is not None and (row["state"], row["round"], row["begun"]) == (
        WrapUpState.PENDING,
        taken.round,
        taken.begun,
    )


async def _fail(conn: AsyncConnection, call_id: str, failure: Failure, cost: Cost) -> None:
    values = {"state": WrapUpState.FAILED, "leased_until": None, "error": failure.to_json(), **_costs(cost)}
    await conn.execute(update(wrap_ups).where(wrap_ups.c.call_id == call_id).values(values))
    await add_event(conn, call_id, "wrapped_up", {"result": WrapUpState.FAILED, "error": failure.to_json()})


def _costs(cost: Cost) -> dict[str, Any]:
    """Added to those of the tries before. A sum is known where each part of it is."""
    if not cost.tokens:
        return {}
    known = None
    if cost.dollars is not None:
        dollars = Decimal(f"{cost.dollars:.6f}")
        known = case((wrap_ups.c.tokens == 0, dollars), else_=wrap_ups.c.dollars + dollars)
    return {"tokens": wrap_ups.c.tokens + cost.tokens, "dollars": known}


async def _add_later(conn: AsyncConnection, call_id: str, round_: int, in_s: float) -> None:
    due = func.now() + timedelta(seconds=in_s)
    await conn.execute(update(wrap_ups).where(wrap_ups.c.call_id == call_id).values(due_at=due))
    await add_wrap_up_job(conn, call_id, round_=round_, in_s=in_s)


def _wait_s(row: Mapping[str, Any]) -> float | None:
    if row["leased_s"] is not None and row["leased_s"] > 0:
        return float(row["leased_s"]) + 1.0
    age_s = float(row["age_s"] or 0.0)
    if row["unwritten"] and age_s < RESULTS_WITHIN_S:
        return max(1.0, age_s / 4)
    return None


# -- statements, built once ------------------------------------------------------------------------------------

_THE_CALL = bindparam("the_call", type_=Text)


def _last_attempt() -> ColumnElement[bool]:
    every = attempts.alias("every").c
    newest = select(func.max(every.number)).where(every.call_id == calls.c.id).correlate(calls).scalar_subquery()
    return and_(attempts.c.call_id == calls.c.id, attempts.c.number == newest)


def _for_job() -> Select[Any]:
    """Its row, locked; how long its lease lasts, how long ago the call has ended, and whether more is to come of it."""
    return (
        select(
            wrap_ups.c.state,
            wrap_ups.c.round,
            wrap_ups.c.begun,
            calls.c.agent_id,
            calls.c.agent_version,
            func.extract("epoch", wrap_ups.c.leased_until - func.now()).label("leased_s"),
            func.extract("epoch", func.now() - calls.c.ended_at).label("age_s"),
            and_(attempts.c.stream_opened_at.is_not(None), attempts.c.result_at.is_(None)).label("unwritten"),
        )
        .join(calls, calls.c.id == wrap_ups.c.call_id)
        .join(attempts, _last_attempt())
        .where(wrap_ups.c.call_id == _THE_CALL, calls.c.state == CallState.ENDED)
        .with_for_update(of=wrap_ups)
    )


def _the_call() -> Select[Any]:
    """A call, locked; whether it was answered and its transcript isn't erased, and whether its version asks for one."""
    version = agent_versions.c
    asks = select(version.after).where(
        version.agent_id == calls.c.agent_id, version.version == calls.c.agent_version
    )
    answered = select(attempts.c.answered_at.is_not(None)).where(_last_attempt()).correlate(calls)
    completed = func.coalesce(calls.c.end_reason == EndReason.COMPLETED, False)
    return (
        select(
            calls.c.state,
            func.coalesce(asks.scalar_subquery(), False).label("asks"),
            (
                (completed | func.coalesce(answered.scalar_subquery(), False)) & calls.c.transcript_erased_at.is_(None)
            ).label("answered"),
        )
        .where(calls.c.id == _THE_CALL, calls.c.workspace_id == bindparam("the_workspace", type_=Text))
        .with_for_update(of=calls)
    )


_FOR_JOB, _CALL = _for_job(), _the_call()
_LOCK_CALL = select(calls.c.id).where(calls.c.id == _THE_CALL).with_for_update()
_LOCK = (
    select(wrap_ups.c.state, wrap_ups.c.round, wrap_ups.c.begun)
    .where(wrap_ups.c.call_id == _THE_CALL)
    .with_for_update()
)
_NEWEST_TURNS = (
    select(turns.c.seq, turns.c.speaker, func.left(turns.c.text, MAX_TURN_CHARS).label("text"))
    .where(turns.c.call_id == _THE_CALL, turns.c.text != "")
    .order_by(turns.c.seq.desc())
    .limit(MAX_READ)
)
_LOST = text("""
    SELECT call_id, round FROM wrap_ups
    WHERE state = 'pending' AND due_at < now() - make_interval(secs => :late_s)
    ORDER BY due_at LIMIT :at_most FOR UPDATE SKIP LOCKED
""")
