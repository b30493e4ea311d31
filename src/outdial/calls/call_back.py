"""A call back that was promised in a call: a new call to whoever was on the phone, stored at once, once.

It goes the way of any call that is asked for, through the gate when it is stored and again before it is dialled. What
it needs is asked before it is promised (`may_call_back`), so that nobody is promised what a rule is against.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from sqlalchemy import RowMapping, Select, Text, bindparam, case, func, literal, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial import clock
from outdial.agents.in_use import needs_model
from outdial.calls.enqueue import create_call
from outdial.calls.request import AgentChoice, MachineDetection, OutboundRequest
from outdial.db.call_back_tables import call_backs
from outdial.db.engine import reading
from outdial.db.tables import calls, numbers
from outdial.policy.daily_limit import is_used_up
from outdial.policy.destinations import destinations_of
from outdial.policy.do_not_call import is_listed
from outdial.policy.gate import Facts, Never, decide, refusal
from outdial.policy.spending import is_spent
from outdial.refusals import Conflict, Invalid, NotFound
from outdial.settings import Settings
from outdial.telephony.e164 import normal_e164
from outdial.telephony.outcome import CALL_BACK, NAMED, WISH
from outdial.telephony.state import CallDirection

LATEST = timedelta(days=30)  # ahead
MOST_IN_A_ROW = 3            # calls back of calls back


async def may_call_back(engine: AsyncEngine, call_id: str, at: datetime) -> None:
    """Whether the other party of a call may be called back then. Raises what `call_back` raises."""
    async with reading(engine) as conn:
        await _admitted(conn, call_id, at)


async def call_back(
    engine: AsyncEngine, settings: Settings, call_id: str, at: datetime, noted: Mapping[str, Any]
) -> str:
    """The id of the new call: from the same number, with the same agent, with what was sent and what was noted. Again
    for the same instant, it is the same call.

    Raises Conflict (a rule, one was promised already, too many in a row), Denied, LimitReached, Invalid (the instant,
    the other party's number) and NotFound (our number is gone). Database errors pass.
    """
    async with reading(engine) as conn:
        if (known := await _known(conn, call_id, at)) is not None:
            return known
        try:
            call = await _admitted(conn, call_id, at)
        except Conflict:
            if (known := await _known(conn, call_id, at)) is None:  # else somebody else has just done it
                raise
            return known
    request = _request(call, at, noted)
    try:
        accepted = await create_call(
            engine,
            settings,
            workspace_id=call[calls.c.workspace_id],
            number_id=call[calls.c.number_id],
            request=request,
            call_back_of=call_id,
        )
    except IntegrityError:  # somebody else has just done it, for this call
        async with reading(engine) as conn:
            if (known := await _known(conn, call_id, at)) is None:
                raise
            return known
    return accepted.call_id


async def _known(conn: AsyncConnection, call_id: str, at: datetime) -> str | None:
    query = select(call_backs).where(call_backs.c.call_id == call_id)
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        return None
    if row.promised_for != at:
        raise Conflict("called_back_already", "Another call back was promised in this call.")
    return str(row.new_call_id)


async def _admitted(conn: AsyncConnection, call_id: str, at: datetime) -> RowMapping:
    """The call, as `_CALL` has it."""
    now = clock.now()
    if not now < at <= now + LATEST:
        raise Invalid("at", f"must be within the next {LATEST.days} days")
    row: RowMapping | None = (await conn.execute(_CALL, {"the_call": call_id})).mappings().one_or_none()
    if row is None:
        raise NotFound("number_not_found", "The phone number of this call is gone.")
    if row["promised"]:
        raise Conflict("called_back_already", "A call back was promised in this call already.")
    if await conn.scalar(_IN_A_ROW, {"the_call": call_id}) >= MOST_IN_A_ROW:
        raise Conflict("too_many_call_backs", f"There were {MOST_IN_A_ROW} calls back in a row already.")
    try:
        normal_e164(row["other"])
    except ValueError:
        raise Invalid("to", "is no number that can be called") from None
    facts = Facts(
        to=row["other"],
        from_=row["own"],
        listed=row["listed"],
        destinations=row["destinations"],
        day_used_up=row["day_used_up"],
        money_used_up=row["money_used_up"],
    )
    match decide(facts):
        case Never(rule=rule):
            raise refusal(rule, facts.to, facts.from_, now)
        case _:
            return row


def _request(call: RowMapping, at: datetime, noted: Mapping[str, Any]) -> OutboundRequest:
    """What was noted goes along where there is room for it."""
    known = {name: value for name, value in noted.items() if name not in (NAMED, WISH, CALL_BACK)}
    detection = call[calls.c.detection]
    agent = None
    if call[calls.c.agent_id] != call["number_agent"]:
        agent = AgentChoice(id=call[calls.c.agent_id], version=call[calls.c.agent_version])
    rest = {
        "to": call["other"],
        "agent": agent,
        "amd": None if detection is None else MachineDetection(**detection),
        "not_before": at,
        "retry": call[calls.c.retry],
        "max_duration_s": call[calls.c.max_duration_s],
        "metadata": call[calls.c.metadata],
        "webhook_url": call[calls.c.webhook_url],
    }
    try:
        return OutboundRequest(variables={**call[calls.c.variables], **known}, **rest)
    except ValidationError:
        return OutboundRequest(variables=call[calls.c.variables], **rest)


# -- statements, built once ------------------------------------------------------------------------------------


def _call() -> Select[Any]:
    is_outbound = calls.c.direction == CallDirection.OUTBOUND
    other = case((is_outbound, calls.c.to), else_=calls.c.from_)
    workspace = calls.c.workspace_id
    return (
        select(
            workspace,
            calls.c.number_id,
            calls.c.agent_id,
            calls.c.agent_version,
            calls.c.variables,
            calls.c.metadata,
            calls.c.detection,
            calls.c.retry,
            calls.c.max_duration_s,
            calls.c.webhook_url,
            numbers.c.agent_id.label("number_agent"),
            numbers.c.e164.label("own"),
            other.label("other"),
            is_listed(workspace, other).label("listed"),
            destinations_of(workspace, numbers.c.carrier_account_id).label("destinations"),
            is_used_up(workspace).label("day_used_up"),
            (is_spent(workspace) & needs_model(calls.c.agent_id, calls.c.agent_version)).label("money_used_up"),
            select(call_backs.c.call_id).where(call_backs.c.call_id == calls.c.id).exists().label("promised"),
        )
        .join(numbers, numbers.c.id == calls.c.number_id)
        .where(calls.c.id == bindparam("the_call", type_=Text))
    )


def _in_a_row() -> Select[Any]:
    """How many calls back led to this call, up to as many as there may be."""
    first = select(call_backs.c.call_id, literal(1).label("number")).where(
        call_backs.c.new_call_id == bindparam("the_call", type_=Text)
    )
    chain = first.cte("chain", recursive=True)
    before = (
        select(call_backs.c.call_id, chain.c.number + 1)
        .join(chain, call_backs.c.new_call_id == chain.c.call_id)
        .where(chain.c.number < MOST_IN_A_ROW)
    )
    chain = chain.union_all(before)
    return select(func.count()).select_from(chain)


_CALL, _IN_A_ROW = _call(), _in_a_row()
