"""Who may dial now: lines, seats, pace and order, decided in one transaction that also writes the intent to dial.

The attempt is committed before a carrier hears of it, so a death leaves a trace and never a second dial.

A claim waits for nobody longer than a moment (PATIENCE_MS), so that what one workspace has locked keeps no other's
calls waiting. How many lines are free is read without a lock to begin with; the pool's row is locked last, by the
statement that writes the intent, and what it turns out to have no line for is left waiting. Locks are taken in the
order list → calls → accounts → seats → pool; calls and seats that are locked are passed over.

The gate (`policy/gate.py`) is asked again here, about each call: nobody is dialled by a claim that ends after the
number came onto the do-not-call list (`policy/do_not_call.py` says how the two keep out of each other's way).
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Integer, Select, func, literal, literal_column, select, true
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.calls.due import BATCH, FURTHER, SOON, Due, due_calls, next_look
from outdial.calls.intent import Intent, write_intent
from outdial.calls.pace import AHEAD_S, MOST_OF_ACCOUNT, accounts_in_turn, full_accounts
from outdial.calls.records import DetectionWanted
from outdial.calls.refused import end_waiting, expired, put_off, refused_by
from outdial.db import hot
from outdial.db.engine import is_lock_timeout, lock_timeout, reading
from outdial.db.hot import Hot
from outdial.db.tables import QUEUED, calls, numbers, pools
from outdial.ids import new_id, new_secret
from outdial.lines.pool import Pool, pool_of, reading_pool
from outdial.lines.seats import Seat, a_seat_is_free
from outdial.policy.do_not_call import await_additions, list_at_rest
from outdial.policy.gate import Gate, Never, NotBefore, decide
from outdial.policy.pauses import is_paused
from outdial.telephony.state import Ending

PATIENCE_MS = 100    # with whatever is locked: the list, an account, the pool
LOOK_AT_MOST = 1000  # calls in one claim, where they are held back,
FEW = 200            # and fewer where some were found that are dialled: the others can wait for the next look
AHEAD = timedelta(seconds=AHEAD_S)
NOT_YET = Seat(worker_id="", stream_url="")  # of a call that is being claimed


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A call whose line and seat are taken and whose attempt is on record: it must be dialled now, once, by `owner` (a
    worker). `seat` is where its audio is to be opened.

    Right before that the database is asked once more (`calls/departure.py`).
    """

    attempt_id: str
    attempt_number: int
    call_id: str
    workspace_id: str
    carrier: str
    carrier_account_id: str
    to: str
    from_: str
    ring_timeout_s: int
    max_duration_s: int
    detection: DetectionWanted | None
    agent_id: str | None
    agent_version: int | None
    stream_token: str
    owner: str
    seat: Seat = NOT_YET
    was_put_off: bool = False  # dials of the call before this one were never sent, put off or never placed


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """`look_again_in_s`: when something more may become due in this workspace (None: only at a notification);
    `without_seat`: calls wait for a seat, at whatever worker."""

    claims: list[Claim]
    look_again_in_s: float | None
    without_seat: bool = False


# Somebody has the list, an account or the pool for longer than a moment; nothing was changed.
BUSY = Claimed(claims=[], look_again_in_s=0.1)


async def claim_due_calls(
    engine: AsyncEngine,
    workspace_id: str,
    *,
    owner: str,
    lease_s: float,
    batch: int = BATCH,
    gate: Gate = decide,
    under_way: Mapping[str, int] | None = None,
) -> Claimed:
    """Take lines and seats for the due calls of a workspace, in order, as far as there are any and carrier pace allows,
    and as far as the caller, who has so many dials `under_way` for each carrier account, can send them.

    The database's clock decides what is due: pace holds between hosts whose clocks differ. Calls that the gate holds
    back take no line and no place of others: further ones are looked at instead, LOOK_AT_MOST in one claim.
    """
    picking = _Picking(owner=owner, batch=batch, gate=gate, under_way=Counter(under_way))
    try:
        async with hot.begin(engine) as conn:
            return await _claim_in(conn, workspace_id, picking, lease_s=lease_s)
    except OperationalError as error:
        if is_lock_timeout(error):
            return BUSY
        raise


async def workspaces_with_queued_calls(engine: AsyncEngine) -> list[str]:
    async with reading(engine) as conn:
        return list((await conn.execute(_WITH_QUEUED)).scalars())


def stream_token_hash(token: str) -> bytes:
    """Stream tokens are stored hashed, like API keys: reading the database doesn't open a media socket."""
    return hashlib.sha256(token.encode()).digest()


@dataclass(slots=True, kw_only=True)
class _Picking:
    """A claim on its way through the queue."""

    owner: str
    batch: int
    gate: Gate
    under_way: Counter[str]  # dials, by carrier account
    claims: list[Claim] = field(default_factory=list)
    slots: list[datetime] = field(default_factory=list)  # of each claim: when its account may dial once more
    next_dial_at: dict[str, datetime] = field(default_factory=dict)  # of carrier accounts that there are claims for

    async def pick(self, conn: AsyncConnection, due: Sequence[Due], limit: int, now: datetime) -> bool:
        """Go through calls that are due until there are `limit` claims; whether some of them were held back."""
        ended: dict[Ending, list[str]] = {}
        later: dict[str, datetime] = {}
        for each in due:
            if len(self.claims) == limit:
                break
            if each.call.expires_at is not None and each.call.expires_at <= now:
                ended.setdefault(expired(), []).append(each.call.id)
                continue
            match self.gate(each.facts):
                case Never(rule=rule):
                    ended.setdefault(refused_by(rule), []).append(each.call.id)
                case NotBefore(at=at) if at > now:
                    later[each.call.id] = at
                case _:
                    self._take(each, now)
        for ending, call_ids in ended.items():
            await end_waiting(conn, call_ids, ending)
        if later:
            await put_off(conn, later)
        return bool(ended or later)

    def _take(self, due: Due, now: datetime) -> None:
        account_id = due.carrier_account_id
        slot = self.next_dial_at.get(account_id) or max(now, due.next_dial_at)
        if slot < now + AHEAD and self.under_way[account_id] < MOST_OF_ACCOUNT:
            slot += timedelta(seconds=due.apart_s)
            self.next_dial_at[account_id] = slot
            self.under_way[account_id] += 1
            self.slots.append(slot)
            self.claims.append(_claim(due, self.owner))

    def behind(self, now: datetime) -> list[str]:
        """The accounts that may dial no more calls of this claim."""
        behind = [account_id for account_id, slot in self.next_dial_at.items() if slot >= now + AHEAD]
        return behind + full_accounts(self.under_way)


async def _claim_in(conn: AsyncConnection, workspace_id: str, picking: _Picking, *, lease_s: float) -> Claimed:
    """The claim within its transaction. Raises what `is_lock_timeout` knows."""
    full = full_accounts(picking.under_way)
    queue = await _look_at_queue(conn, workspace_id, full)
    free = 0 if queue is None else queue.pool.free_outbound
    if queue is None or free == 0:
        return Claimed(claims=[], look_again_in_s=None)  # a released line notifies, and so does who resumes
    if not queue.a_seat_is_free:
        return Claimed(claims=[], look_again_in_s=None, without_seat=True)  # a released seat notifies
    now, limit = queue.pool.now, min(picking.batch, free)
    # With a long queue and a slow carrier, looking for what can't be dialled yet would be most of the work.
    there_is_more = queue.an_account_may_dial and await _pick(conn, workspace_id, picking, limit, now)
    claims: list[Claim] = []
    if picking.claims:
        claims, intent = await _write_intent(conn, picking, now, lease_s)
        if intent.free == 0:
            return Claimed(claims=claims, look_again_in_s=None)
        if intent.without_seat:  # the last ones were just taken, or are being taken by others who may yet leave one
            return Claimed(claims=claims, look_again_in_s=BUSY.look_again_in_s, without_seat=True)
    if there_is_more:
        return Claimed(claims=claims, look_again_in_s=0.0)
    look_at = await next_look(conn, workspace_id, now, accounts_but_for=full)
    in_s = None if look_at is None else (look_at - now).total_seconds()
    return Claimed(claims=claims, look_again_in_s=in_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Queue:
    """What a claim begins with: the pool as it was a moment ago, whether any account's pace lets it dial, and whether
    any worker has a seat."""

    pool: Pool
    an_account_may_dial: bool
    a_seat_is_free: bool


async def _look_at_queue(conn: AsyncConnection, workspace_id: str, full: Sequence[str]) -> _Queue | None:
    """None where there is no such workspace, or it is paused. The do-not-call list is at rest for the rest of the
    transaction."""
    values = {"workspace": workspace_id, "accounts": full}
    row = (await hot.execute(conn, _QUEUE, values)).mappings().one_or_none()
    if row is not None and not row["list_at_rest"]:
        await await_additions(conn, workspace_id)
        row = (await hot.execute(conn, _QUEUE, values)).mappings().one_or_none()
    if row is None:
        return None
    return _Queue(
        pool=pool_of(row),
        an_account_may_dial=row["an_account_may_dial"],
        a_seat_is_free=row["a_seat_is_free"],
    )


async def _pick(conn: AsyncConnection, workspace_id: str, picking: _Picking, limit: int, now: datetime) -> bool:
    """Find `limit` calls to dial; whether there may be more."""
    due = await due_calls(conn, workspace_id, limit, now, accounts_but_for=picking.behind(now))
    there_is_more = len(due) == limit
    looked_at, held_back = len(due), await picking.pick(conn, due, limit, now)
    if held_back and there_is_more and not picking.claims:
        # However many such calls a number has, they hold up no other number's.
        aside = {each.call.number_id or "" for each in due}
        others = await due_calls(
            conn, workspace_id, limit, now, numbers_but_for=aside, accounts_but_for=picking.behind(now)
        )
        looked_at += len(others)
        await picking.pick(conn, others, limit, now)
        if picking.claims:
            return True  # these don't wait for the rest
    while held_back and there_is_more and len(picking.claims) < limit:
        if looked_at >= (FEW if picking.claims else LOOK_AT_MOST):
            break
        size = limit - len(picking.claims) if picking.claims else FURTHER
        found = [claim.call_id for claim in picking.claims]
        due = await due_calls(
            conn, workspace_id, size, now, but_for=found, accounts_but_for=picking.behind(now)
        )
        there_is_more = len(due) == size
        looked_at, held_back = looked_at + len(due), await picking.pick(conn, due, limit, now)
    return there_is_more


def _claim(due: Due, owner: str) -> Claim:
    call = due.call
    return Claim(
        attempt_id=new_id("att"),
        attempt_number=due.last_attempt + 1,
        call_id=call.id,
        workspace_id=call.workspace_id,
        carrier=due.carrier,
        carrier_account_id=due.carrier_account_id,
        to=call.to,
        from_=call.from_,
        ring_timeout_s=call.ring_timeout_s,
        max_duration_s=call.max_duration_s,
        detection=call.detection,
        agent_id=call.agent_id,
        agent_version=call.agent_version,
        stream_token=new_secret(),
        owner=owner,
        was_put_off=(call.deferrals, call.never_placed, call.throttled_since) != (0, 0, None),
    )


async def _write_intent(
    conn: AsyncConnection, picking: _Picking, now: datetime, lease_s: float
) -> tuple[list[Claim], Intent]:
    """The claims that there were lines and seats for."""
    claims, lease_until = picking.claims, now + timedelta(seconds=lease_s)
    values = {
        "workspace": claims[0].workspace_id,
        "soon": now + SOON,
        "owner": picking.owner,
        "lease_until": lease_until,
        "attempt_ids": [claim.attempt_id for claim in claims],
        "call_ids": [claim.call_id for claim in claims],
        "attempt_numbers": [claim.attempt_number for claim in claims],
        "carriers": [claim.carrier for claim in claims],
        "account_ids": [claim.carrier_account_id for claim in claims],
        "token_hashes": [stream_token_hash(claim.stream_token) for claim in claims],
        "slots": picking.slots,
    }
    intent = await write_intent(conn, values)
    return [replace(claim, seat=seat) for claim in claims if (seat := intent.seats.get(claim.call_id))], intent


# -- statements, built once: building them takes longer than running them --------------------------------------


def _queue() -> Select[Any]:
    accounts = accounts_in_turn()
    ready = select(accounts.c.id).where(accounts.c.next_dial_at <= func.clock_timestamp() + SOON)
    more = (
        ready.exists().label("an_account_may_dial"),
        list_at_rest(pools.c.workspace_id).label("list_at_rest"),
        a_seat_is_free().label("a_seat_is_free"),
    )
    return reading_pool(*more).where(lock_timeout(literal(PATIENCE_MS, Integer)), ~is_paused(pools.c.workspace_id))


def _with_queued() -> Select[Any]:
    """Number by number: a look at the first that waits for each, however many wait."""
    # The first that is due, in the order of ix_calls_waiting: as EXISTS, or without an order, all rows may be read.
    queued = select(calls.c.due_at).where(calls.c.number_id == numbers.c.id, QUEUED)
    first = queued.order_by(calls.c.due_at).limit(literal_column("1")).lateral("first")
    return select(numbers.c.workspace_id).join(first, true()).distinct()


_QUEUE, _WITH_QUEUED = Hot(_queue()), _with_queued()
