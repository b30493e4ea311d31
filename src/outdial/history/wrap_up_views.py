"""What an agent's model made of a call afterwards, as the API shows it, and who decided what came of the call."""

from collections.abc import Iterable
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.calls.wrap_ups import WrapUpError, WrapUpState
from outdial.db.wrap_up_tables import wrap_ups
from outdial.history.stored_call import StoredCall
from outdial.instants import to_json
from outdial.telephony.outcome import DecidedBy, decided_by


class OutcomeFrom(TypedDict):
    """Who decided the outcome: a `rule` of Outdial's, the `agent` in the call, or its `model` after it; and by which
    turns (`seq`), where a model has shown that."""

    by: DecidedBy
    evidence: list[int]


class FactView(TypedDict):
    """`evidence`: the turns (`seq`) that it rests on; the callee's words are in at least one of them."""

    name: str
    value: Any
    evidence: list[int]


class WrapUpErrorView(TypedDict):
    """Why it failed, or why the last try did while it is `pending`. `message` has the vendor's word."""

    code: WrapUpError
    message: str


class WrapUpView(TypedDict):
    """`pending` until the model has answered, then `done`, or `failed` (`error`). `facts` is what it found with words
    that bear it out, `outcome` its word (the call's, unless a rule or the agent decided otherwise); `unproved` names
    what it told without such words. `finished_at` is when these were made, null while there are none. `dollars` is null
    where nobody knows the model's price."""

    state: WrapUpState
    error: WrapUpErrorView | None
    wanted_at: str
    finished_at: str | None
    model: str | None
    tokens: int
    dollars: str | None
    summary: str | None
    facts: list[FactView]
    outcome: str | None
    outcome_evidence: list[int]
    unproved: list[str]


async def wrap_ups_of(conn: AsyncConnection, call_ids: Iterable[str]) -> dict[str, WrapUpView]:
    """By call id; calls without one are left out."""
    rows = await conn.execute(select(wrap_ups).where(wrap_ups.c.call_id.in_(list(call_ids))))
    return {
        row.call_id: WrapUpView(
            state=WrapUpState(row.state),
            error=cast(WrapUpErrorView | None, row.error),
            wanted_at=to_json(row.wanted_at),
            finished_at=to_json(row.finished_at),
            model=row.model,
            tokens=row.tokens,
            dollars=None if row.dollars is None else f"{row.dollars:f}",
            summary=row.summary,
            facts=row.facts,
            outcome=row.outcome,
            outcome_evidence=row.outcome_evidence,
            unproved=row.unproved,
        )
        for row in rows
    }


def facts_in(made: WrapUpView | None) -> dict[str, Any]:
    return {} if made is None else {fact["name"]: fact["value"] for fact in made["facts"]}


def outcome_from(call: StoredCall, made: WrapUpView | None) -> OutcomeFrom | None:
    judged = None if made is None else made["outcome"]
    by = decided_by(call.outcome, call.noted, judged)
    if by is None:
        return None
    borne_out = made is not None and judged == call.outcome
    return OutcomeFrom(by=by, evidence=made["outcome_evidence"] if made is not None and borne_out else [])
