"""From a claim to a ringing phone: one REST request, and what its reply (or the lack of one) means."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, update
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.agents.book import AgentBook, ReadyAgent
from outdial.calls.admission import Claim, claim_due_calls, workspaces_with_queued_calls
from outdial.calls.feed import add_event, notify
from outdial.calls.state import CallDirection, CallError, CallState, CarrierCall, EndReason, Progress
from outdial.calls.transitions import apply_event, release_line
from outdial.carriers.base import (
    Carrier,
    CarrierRefused,
    CarrierThrottled,
    CarrierUncertain,
    CarrierUnreachable,
    Detection,
    NotSupported,
    PlaceCall,
)
from outdial.db.notify import Notifications
from outdial.db.tables import attempts, calls
from outdial.settings import Settings

logger = logging.getLogger(__name__)

MAX_DEFERRALS = 10  # with the growing delay, about ten minutes of an unreachable carrier
OpenCarrier = Callable[[str], Awaitable[Carrier]]  # carrier account id → a client for it


async def dial(
    engine: AsyncEngine, settings: Settings, carrier: Carrier, claim: Claim, detection: Detection
) -> None:
    """Ask the carrier to dial and record what it said. Never raises for anything a carrier does."""
    url = f"{settings.base_url}/callbacks/{claim.carrier}/{claim.attempt_id}"
    stream = f"{settings.stream_base_url}/media/{claim.carrier}/{claim.attempt_id}/{claim.stream_token}"
    request = PlaceCall(
        ref=claim.attempt_id,
        to=claim.to,
        from_=claim.from_,
        callback_url=url,
        stream_url=stream,
        ring_timeout_s=claim.ring_timeout_s,
        max_duration_s=claim.max_duration_s,
        detection=detection,
        detection_timeout_s=(claim.detection or {}).get("max_wait_s") or 30,
    )
    fields = {"call_id": claim.call_id, "attempt_id": claim.attempt_id}
    try:
        call = await carrier.place_call(request)
    except (CarrierRefused, NotSupported) as error:
        logger.info("Carrier refused the call", extra={**fields, "code": error.code})
        reason = CallError(code=error.code, message=error.message)
        event = Progress(
            state=CallState.ENDED, at=datetime.now(UTC), end_reason=EndReason.FAILED, error=reason
        )
        await apply_event(engine, claim.attempt_id, event)
    except (CarrierThrottled, CarrierUnreachable) as error:
        logger.warning("Dial deferred", extra={**fields, "code": error.code})
        wait_s = error.retry_after_s if isinstance(error, CarrierThrottled) else 0.0
        await _defer(engine, claim, CallError(code=error.code, message=error.message), wait_s)
    except CarrierUncertain as error:
        logger.warning("Dial with unknown outcome", extra={**fields, "code": error.code})
        await _mark_unknown(engine, claim, settings)
    else:
        await _accept(engine, claim, call, settings.silent_after_s)


async def _accept(engine: AsyncEngine, claim: Claim, call: CarrierCall, check_in_s: float) -> None:
    now = datetime.now(UTC)
    async with engine.begin() as conn:
        await conn.execute(
            update(attempts)
            .where(attempts.c.id == claim.attempt_id)
            .values(
                carrier_call_id=func.coalesce(attempts.c.carrier_call_id, call.id),
                carrier_refs=attempts.c.carrier_refs.concat(dict(call.refs)),
                accepted_at=now,
                check_at=func.greatest(attempts.c.check_at, now + timedelta(seconds=check_in_s)),
            )
        )
        query = update(calls).where(calls.c.id == claim.call_id).values(deferrals=0)
        hang_up_at = (await conn.execute(query.returning(calls.c.hang_up_requested_at))).scalar_one()
        if hang_up_at is not None:  # asked for while the request was under way
            await notify(conn, "outdial_control", claim.call_id)


async def _defer(engine: AsyncEngine, claim: Claim, error: CallError, wait_s: float) -> None:
    """Nothing was sent: the attempt never was. The call waits and gives its line back, or fails at last."""
    now = datetime.now(UTC)
    async with engine.begin() as conn:
        query = update(calls).where(calls.c.id == claim.call_id).values(deferrals=calls.c.deferrals + 1)
        deferrals = (await conn.execute(query.returning(calls.c.deferrals))).scalar_one()
        if deferrals <= MAX_DEFERRALS:
            due_at = now + timedelta(seconds=max(wait_s, min(60, 2 ** (deferrals - 1))))
            await conn.execute(delete(attempts).where(attempts.c.id == claim.attempt_id))
            await conn.execute(
                update(calls)
                .where(calls.c.id == claim.call_id)
                .values(state=CallState.QUEUED, holds_line=False, due_at=due_at)
            )
            await release_line(conn, claim.workspace_id, CallDirection.OUTBOUND)
            data = {
                "state": CallState.QUEUED,
                "error": {"code": error.code, "message": error.message},
                "next_attempt_at": due_at.isoformat(),
            }
            await add_event(conn, claim.call_id, "state", data)
            await notify(conn, "outdial_queue", claim.workspace_id)
            return
    event = Progress(state=CallState.ENDED, at=now, end_reason=EndReason.FAILED, error=error)
    await apply_event(engine, claim.attempt_id, event)


async def _mark_unknown(engine: AsyncEngine, claim: Claim, settings: Settings) -> None:
    """The phone may be ringing. The line stays taken until a callback, the carrier's record or an operator tells."""
    now = datetime.now(UTC)
    async with engine.begin() as conn:
        marked = await conn.execute(
            update(attempts)
            .where(
                attempts.c.id == claim.attempt_id,
                attempts.c.carrier_call_id.is_(None),  # a callback may have overtaken us
                attempts.c.state == CallState.DIALING,
            )
            .values(unknown_since=now, check_at=now + timedelta(seconds=min(5.0, settings.settle_s)))
        )
        if marked.rowcount:
            await add_event(conn, claim.call_id, "unknown", {"attempt": claim.attempt_number})


def detection_for(requested: dict[str, Any] | None, agent: ReadyAgent) -> Detection:
    """How the carrier should look for a machine, so that what the user wants done with one can be done."""
    if requested is None:
        return Detection.OFF
    action = requested.get("on_machine") or agent.machine_action
    return Detection.MESSAGE_END if action == "leave_message" else Detection.FAST


class Dispatcher:
    """Keeps the queue moving: woken by a notification, a due time or a freed line, it claims and dials."""

    def __init__(
        self,
        engine: AsyncEngine,
        settings: Settings,
        notifications: Notifications,
        open_carrier: OpenCarrier,
        agents: AgentBook,
        *,
        owner: str,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._notifications = notifications
        self._open_carrier = open_carrier
        self._agents = agents
        self._owner = owner
        self._woken: set[str] = set()
        self._wake = asyncio.Event()
        self._dials: set[asyncio.Task[None]] = set()

    def wake(self, workspace_id: str = "") -> None:
        """Look at this workspace's queue now ("": at all of them)."""
        self._woken.add(workspace_id)
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled; dials under way are finished (their replies must not be lost)."""
        unsubscribe = self._notifications.subscribe("outdial_queue", self.wake)
        timers: dict[str, asyncio.TimerHandle] = {}
        loop = asyncio.get_running_loop()
        self.wake()
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                woken, self._woken = self._woken, set()
                if "" in woken:
                    woken = set(await workspaces_with_queued_calls(self._engine))
                for workspace_id in woken:
                    next_look_at = await self._admit(workspace_id)
                    if (timer := timers.pop(workspace_id, None)) is not None:
                        timer.cancel()
                    if next_look_at is not None:
                        delay_s = (next_look_at - datetime.now(UTC)).total_seconds()
                        timers[workspace_id] = loop.call_later(max(0.0, delay_s), self.wake, workspace_id)
        finally:
            unsubscribe()
            for timer in timers.values():
                timer.cancel()
            await asyncio.gather(*self._dials, return_exceptions=True)

    async def _admit(self, workspace_id: str) -> datetime | None:
        try:
            admitted = await claim_due_calls(
                self._engine, workspace_id, owner=self._owner, lease_s=self._settings.lease_s
            )
        except Exception:
            logger.exception("Queue can't be read; trying again")
            return datetime.now(UTC) + timedelta(seconds=1)
        for claim in admitted.claims:
            task = asyncio.create_task(self._dial(claim))
            self._dials.add(task)
            task.add_done_callback(self._dials.discard)
        return admitted.next_look_at

    async def _dial(self, claim: Claim) -> None:
        try:
            carrier = await self._open_carrier(claim.carrier_account_id)
            agent = await self._agents.agent(claim.agent_id, claim.agent_version)
            await dial(self._engine, self._settings, carrier, claim, detection_for(claim.detection, agent))
        except Exception:
            # The attempt is on record with a lease: the sweep takes it from here.
            logger.exception("Dial stopped", extra={"call_id": claim.call_id})
