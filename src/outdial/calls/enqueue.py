"""A request becomes a call: checked, stored `queued` with its idempotency key and announced, in one transaction.

Nothing is dialled here. Once `create_call` returns, the call survives whatever happens to this process.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import DateTime, Executable, Select, Text, bindparam, func, insert, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial import clock
from outdial.agents.in_use import talks_with_model, version_in_use
from outdial.calls.agent_choice import chosen_agent
from outdial.calls.idempotency import Accepted, earlier_answer, fingerprint
from outdial.calls.request import OutboundRequest
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.db import hot
from outdial.db.call_back_tables import call_backs
from outdial.db.engine import is_lock_timeout
from outdial.db.hot import Hot
from outdial.db.storing import storing
from outdial.db.tables import QUEUED, agents, call_events, calls, carrier_accounts, idempotency_keys, numbers
from outdial.ids import is_id, new_id
from outdial.lines.pool import Pool, lock_pool, read_pool
from outdial.lines.seats import a_seat_is_free
from outdial.policy.daily_limit import counting, is_used_up
from outdial.policy.destinations import destinations_of
from outdial.policy.do_not_call import is_listed
from outdial.policy.erased_entries import is_hashed, sealed_key
from outdial.policy.gate import Facts, Never, Rule, decide, refusal
from outdial.policy.pauses import refuse_while_paused
from outdial.policy.spending import is_spent
from outdial.refusals import Conflict, Invalid, LimitReached, NotFound, NotYours
from outdial.settings import Settings
from outdial.telephony.state import CallDirection, CallState
from outdial.tracing.context import arrived
from outdial.workspaces.secrets import SecretBox

_RETRY_POOL_FULL_S = 5
_RETRY_QUEUE_FULL_S = 30

# How many more calls this process takes for a workspace before it counts the queue again. Counting 100,000
# rows for every call of a burst would cost more than the calls; near the limit every call is counted.
_headroom: dict[str, int] = {}


async def create_call(
    engine: AsyncEngine,
    settings: Settings,
    *,
    workspace_id: str,
    number_id: str,
    request: OutboundRequest,
    idempotency_key: str | None = None,
    same_within_s: float | None = None,
    call_back_of: str | None = None,
) -> Accepted:
    """Store one outbound call and tell the dispatcher. `same_within_s`: how long the idempotency key is of this call
    (None: for good). `call_back_of`: it was promised in that call.

    Raises NotFound and NotYours (the number), Conflict (it can't dial out, has no agent; the callee wants no calls;
    idempotency), Denied (the destination isn't allowed), LimitReached (no free line, or paused, and on_limit is reject;
    the queue is full; too many calls today) and Invalid. Database errors pass.
    """
    async with storing(engine), hot.begin(engine) as conn:
        if idempotency_key is not None:
            asked = fingerprint(number_id, request)
            earlier = await earlier_answer(conn, workspace_id, idempotency_key, asked, within_s=same_within_s)
            if earlier is not None:
                return earlier
        if request.expires_at is not None and request.expires_at <= clock.now():
            raise Invalid("expires_at", "has passed already")
        request.check_webhook_url(settings.allowed_private)
        number = await _number_that_dials(conn, settings, workspace_id, number_id, request)
        match decide(number.facts):
            case Never(rule=rule):
                raise refusal(rule, request.to, number.e164, clock.now())
            case _:  # what is to wait is stored: the claim asks again
                pass
        ring_timeout_s = _ring_timeout_s(request, number, settings)
        if request.on_limit == "reject":
            await refuse_while_paused(conn, workspace_id, number_id)
            await _refuse_without_free_line(conn, workspace_id, await read_pool(conn, workspace_id))
        await _refuse_when_queue_is_full(conn, workspace_id, settings.max_queued_calls)
        call_id = new_id("call")
        if idempotency_key is not None:
            await conn.execute(
                insert(idempotency_keys).values(
                    workspace_id=workspace_id,
                    key=idempotency_key,
                    request_hash=asked,
                    response={"call_id": call_id, "status": CallState.QUEUED},
                )
            )
        if call_back_of is not None:
            promised = {"call_id": call_back_of, "new_call_id": call_id, "promised_for": request.not_before}
            await conn.execute(insert(call_backs).values(promised))
        if request.on_limit == "reject":
            await _promise_line(conn, workspace_id)
        # The last statement: from here on other requests of the workspace wait for its daily count.
        if not await _insert(conn, call_id, number, request, ring_timeout_s, settings):
            raise refusal(Rule.DAILY_LIMIT, request.to, number.e164, clock.now())
    return Accepted(call_id=call_id, status=CallState.QUEUED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Number:
    """A number that can dial out, the agent and its version that will talk, and what the gate has to know."""

    id: str
    workspace_id: str
    e164: str
    carrier: CarrierName
    agent_id: str
    version: int
    facts: Facts


async def _number_that_dials(
    conn: AsyncConnection, settings: Settings, workspace_id: str, number_id: str, request: OutboundRequest
) -> _Number:
    row = None
    if is_id(number_id, "num"):
        row = (await hot.execute(conn, _NUMBER, {"number": number_id, "callee": request.to})).one_or_none()
    if row is None:
        raise NotFound("number_not_found", "There is no phone number with this id.")
    if row.workspace_id != workspace_id:
        raise NotYours("number_of_another_workspace", "This API key belongs to another workspace than the number.")
    if row.direction == "inbound":
        raise Conflict("number_cannot_dial_out", "This phone number is set up for inbound calls only.")
    agent_id, version = row.agent_id, row.version
    if request.agent is not None:
        agent_id, version = await chosen_agent(conn, workspace_id, request.agent, of_number=agent_id)
    if agent_id is None:
        raise Conflict("number_has_no_agent", "This phone number has no agent; assign one first.")
    if version is None:
        raise Conflict(
            "agent_not_published", "The agent of this phone number has no published version; publish one first."
        )
    listed = row.callee_is_listed
    if not listed and row.hash_key is not None:
        box = SecretBox.shared(settings)
        listed = await is_hashed(conn, box, row.hash_key, workspace_id, request.to)
    return _Number(
        id=row.id,
        workspace_id=row.workspace_id,
        e164=row.e164,
        carrier=CarrierName(row.carrier),
        agent_id=agent_id,
        version=version,
        facts=Facts(
            to=request.to,
            from_=row.e164,
            listed=listed,
            destinations=row.destinations,
            day_used_up=row.day_used_up,
            money_used_up=row.money_used_up and await talks_with_model(conn, agent_id, version),
        ),
    )


def _ring_timeout_s(request: OutboundRequest, number: _Number, settings: Settings) -> int:
    """How long the carrier is asked to let it ring. Raises Invalid for longer than it can; the server's own default is
    cut down to that, and the call says so."""
    kind = CARRIERS[number.carrier]
    longest_s = kind.capabilities.max_ring_timeout_s
    if request.ring_timeout_s is None:
        return min(settings.default_ring_timeout_s, longest_s)
    if request.ring_timeout_s > longest_s:
        raise Invalid("ring_timeout_s", f"is at most {longest_s} at {kind.label}, the carrier of this number")
    return request.ring_timeout_s


async def _promise_line(conn: AsyncConnection, workspace_id: str) -> None:
    """The last thing before the call is stored: the pool is locked, so that two requests can't be promised the same
    line. Raises LimitReached, also where somebody else has the pool for long."""
    try:
        pool = await lock_pool(conn, workspace_id)
    except OperationalError as error:
        if not is_lock_timeout(error):
            raise
        raise LimitReached(
            "pool_full", "Whether a line of this workspace is free can't be told now.", _RETRY_POOL_FULL_S
        ) from None
    await _refuse_without_free_line(conn, workspace_id, pool)


async def _refuse_without_free_line(conn: AsyncConnection, workspace_id: str, pool: Pool | None) -> None:
    free = 0 if pool is None else pool.free_outbound
    if free > 0:
        free -= await _count_queued(conn, workspace_id, at_most=free, due=True)
    if free <= 0:
        raise LimitReached("pool_full", "Every line of this workspace is taken.", _RETRY_POOL_FULL_S)
    if not await conn.scalar(_A_SEAT_IS_FREE):
        raise LimitReached("no_seat", "No worker has a seat for one more conversation.", _RETRY_POOL_FULL_S)


async def _refuse_when_queue_is_full(conn: AsyncConnection, workspace_id: str, limit: int) -> None:
    """Exact near the limit but for requests in the same instant; a guard against floods, not an account."""
    headroom = _headroom.get(workspace_id, 0)
    if headroom <= 0:
        queued = await _count_queued(conn, workspace_id, at_most=limit)
        if queued >= limit:
            raise LimitReached(
                "queue_full", f"{limit} calls of this workspace are waiting already.", _RETRY_QUEUE_FULL_S
            )
        headroom = min((limit - queued) // 4, 1000)
    _headroom[workspace_id] = headroom - 1


async def _count_queued(
    conn: AsyncConnection, workspace_id: str, *, at_most: int, due: bool = False
) -> int:
    queued = (
        select(calls.c.id)
        .join(numbers, numbers.c.id == calls.c.number_id)
        .where(numbers.c.workspace_id == workspace_id, QUEUED)
    )
    if due:
        # Not now(), the start of this transaction: calls stored while it waited for a lock are due, too.
        queued = queued.where(calls.c.due_at <= func.clock_timestamp())
    return await conn.scalar(select(func.count()).select_from(queued.limit(at_most).subquery())) or 0


async def _insert(
    conn: AsyncConnection,
    call_id: str,
    number: _Number,
    request: OutboundRequest,
    ring_timeout_s: int,
    settings: Settings,
) -> bool:
    """False where it is one call too many for today: then nothing must be stored."""
    values = {
        "id": call_id,
        "workspace_id": number.workspace_id,
        "number_id": number.id,
        "from_": number.e164,
        "to": request.to,
        "agent_id": number.agent_id,
        "agent_version": number.version,
        "variables": request.variables or {},
        "metadata": request.metadata,
        "detection": request.detection(settings.amd_by),
        "retry": None if request.retry is None else request.retry.model_dump(),
        "ring_timeout_s": ring_timeout_s,
        "max_duration_s": request.max_duration_s or settings.default_max_duration_s,
        "expires_at": request.expires_at,
        "webhook_url": request.webhook_url,
        "traceparent": arrived.get(),
    }
    parameters = {f"new_{name}": values[name] for name in _GIVEN}
    stored = await hot.execute(conn, _NEW_CALL, parameters | {"not_before": request.not_before})
    return bool(stored.one().is_within_limit)


# -- statements, built once: for a single call, putting them together takes as long as running them -----------


def _number_with_version() -> Select[Any]:
    return (
        select(
            numbers.c.id,
            numbers.c.workspace_id,
            numbers.c.e164,
            numbers.c.direction,
            numbers.c.agent_id,
            carrier_accounts.c.carrier,
            version_in_use.label("version"),
            is_listed(numbers.c.workspace_id, bindparam("callee", type_=Text)).label("callee_is_listed"),
            sealed_key(numbers.c.workspace_id).label("hash_key"),
            destinations_of(numbers.c.workspace_id, numbers.c.carrier_account_id).label("destinations"),
            is_used_up(numbers.c.workspace_id).label("day_used_up"),
            is_spent(numbers.c.workspace_id).label("money_used_up"),
        )
        .join(carrier_accounts, carrier_accounts.c.id == numbers.c.carrier_account_id)
        .outerjoin(agents, agents.c.id == numbers.c.agent_id)
        .where(numbers.c.id == bindparam("number"))
        .with_for_update(read=True, key_share=True, of=numbers)  # it can't be removed before we commit
    )


def _new_call() -> Executable:
    """The call, its first event, both announcements and the daily count in one statement: one round trip."""
    not_before = bindparam("not_before", type_=DateTime(timezone=True))
    call = insert(calls).values(
        {name: bindparam(f"new_{name}") for name in _GIVEN}
        | {
            "direction": CallDirection.OUTBOUND,
            "state": CallState.QUEUED,
            "due_at": func.greatest(func.now(), not_before),
        }
    )
    call_id, workspace_id = bindparam("new_id", type_=Text), bindparam("new_workspace_id", type_=Text)
    event = insert(call_events).values(call_id=call_id, type="state", data={"state": CallState.QUEUED})
    announced = select(
        func.pg_notify("outdial_queue", workspace_id),
        func.pg_notify("outdial_call", call_id),
        counting(workspace_id).label("is_within_limit"),
    )
    return announced.add_cte(call.cte("new_call"), event.cte("first_event"))


_GIVEN = (
    "id", "workspace_id", "number_id", "from_", "to", "agent_id", "agent_version", "variables", "metadata", "detection",
    "retry", "ring_timeout_s", "max_duration_s", "expires_at", "webhook_url", "traceparent",
)  # fmt: skip
_NUMBER = Hot(_number_with_version())
_A_SEAT_IS_FREE = select(a_seat_is_free())
_NEW_CALL = Hot(_new_call())
