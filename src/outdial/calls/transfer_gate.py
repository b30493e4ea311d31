"""Whether a call may be transferred to a number: by the rules that a call there would meet, but for the do-not-call
list, whose numbers ask for no calls of ours, not for those of the other party."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, Text, bindparam, case, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial import clock
from outdial.db.tables import attempts, calls
from outdial.policy.daily_limit import count_call, is_used_up
from outdial.policy.destinations import destinations_of
from outdial.policy.gate import ERRORS, Facts, Never, Rule, decide, refusal
from outdial.telephony.failures import CallError
from outdial.telephony.state import CallDirection


@dataclass(frozen=True, slots=True, kw_only=True)
class _Transfer:
    workspace_id: str
    facts: Facts

    @property
    def rule(self) -> Rule | None:
        """What is against it."""
        match decide(self.facts):
            case Never(rule=rule):
                return rule
            case _:
                return None


async def admit_transfer(engine: AsyncEngine, call_id: str, to: str) -> CallError | None:
    """Why a transfer to `to` must not be made; None: it may, and counts as one of today's calls."""
    async with engine.begin() as conn:
        transfer = await _read(conn, call_id, to)
        rule = transfer.rule
        if rule is None and not await count_call(conn, transfer.workspace_id):
            rule = Rule.DAILY_LIMIT
    return None if rule is None else ERRORS[rule]


async def require_transferable(conn: AsyncConnection, call_id: str, to: str) -> None:
    """The same, for somebody who asks before anything is tried. Raises Denied (the destination isn't allowed) and
    LimitReached (too many calls today)."""
    transfer = await _read(conn, call_id, to)
    if transfer.rule is not None:
        raise refusal(transfer.rule, to, transfer.facts.from_, clock.now())


async def _read(conn: AsyncConnection, call_id: str, to: str) -> _Transfer:
    row = (await conn.execute(_FACTS, {"the_call": call_id})).one()
    facts = Facts(
        to=to, from_=row.own_number, listed=False, destinations=row.destinations, day_used_up=row.day_used_up
    )
    return _Transfer(workspace_id=row.workspace_id, facts=facts)


def _facts() -> Select[Any]:
    return (
        select(
            calls.c.workspace_id,
            case((calls.c.direction == CallDirection.OUTBOUND, calls.c.from_), else_=calls.c.to).label("own_number"),
            destinations_of(calls.c.workspace_id, attempts.c.carrier_account_id).label("destinations"),
            is_used_up(calls.c.workspace_id).label("day_used_up"),
        )
        .join(attempts, attempts.c.call_id == calls.c.id)
        .where(calls.c.id == bindparam("the_call", type_=Text))
        .order_by(attempts.c.number.desc())
        .limit(1)
    )


_FACTS = _facts()
