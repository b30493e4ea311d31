"""From a claim to a ringing phone: one REST request, and what its reply (or the lack of one) means."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.clients import OpenCarrier
from outdial.agents.book import AgentBook, ReadyAgent
from outdial.calls.advance import apply_event, end_call, locked, progress, queue_again
from outdial.calls.claim import Claim, claim_due_calls, workspaces_with_queued_calls
from outdial.calls.events import add_event
from outdial.carriers.calls import Carrier, Detection, PlaceCall
from outdial.carriers.errors import (
    CarrierError,
    CarrierRefused,
    CarrierThrottled,
    CarrierUncertain,
    CarrierUnreachable,
    NotSupported,
)
from outdial.db.notify import Notifications, notify
from outdial.db.tables import attempts, calls
from outdial.settings import Settings
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallState, EndReason, Progress

logger = logging.getLogger(__name__)

MAX_DEFERRALS = 10  # with the growing delay, about ten minutes of an unreachable carrier
FINISH_S = 20.0     # longer than a carrier's slowest reply


async def dial(
    engine: AsyncEngine, settings: Settings, carrier: Carrier, claim: Claim, detection: Detection
) -> None:
    """Ask the carrier to dial and write down what it said. Never raises for anything a carrier does."""
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
    outcome: CarrierCall | CarrierError
    if time.time() >= claim.dial_before:  # we were frozen: by now somebody else may see to this call
        outcome = CarrierUnreachable(FailureCode.TOO_LATE, "Outdial was held up before it could dial.")
    else:
        try:
            outcome = await carrier.place_call(request)
        except CarrierError as error:
            outcome = error
        except Exception:
            logger.exception("Carrier failed in an unknown way", extra={"attempt_id": claim.attempt_id})
            outcome = CarrierUncertain(FailureCode.INTERNAL_ERROR, "Outdial could not tell what the carrier did.")
    await _write_down(engine, settings, claim, outcome)


async def _write_down(
    engine: AsyncEngine, settings: Settings, claim: Claim, outcome: CarrierCall | CarrierError
) -> None:
    """Until the database takes it: nobody else knows. (One that stays away ends the process, see Worker.watch.)"""
    wait_s = 0.1
    while True:
        try:
            return await _record(engine, settings, claim, outcome)
        except IntegrityError:
            logger.exception("Carrier call of another attempt", extra={"attempt_id": claim.attempt_id})
            outcome = CarrierUncertain(
                FailureCode.CARRIER_ERROR, "The carrier's reply named a call that is another one."
            )
        except Exception:
            logger.exception("Outcome of a dial not written; trying again", extra={"attempt_id": claim.attempt_id})
            await asyncio.sleep(wait_s)
            wait_s = min(5.0, wait_s * 2)


async def _record(engine: AsyncEngine, settings: Settings, claim: Claim, outcome: CarrierCall | CarrierError) -> None:
    fields: dict[str, str | None] = {"call_id": claim.call_id, "attempt_id": claim.attempt_id}
    if isinstance(outcome, CarrierCall):
        await _accept(engine, claim, outcome, settings.silent_after_s)
        return
    fields |= outcome.codes
    error = outcome.as_call_error()
    match outcome:
        case CarrierRefused() | NotSupported():
            logger.info("Carrier refused the call", extra=fields)
            await apply_event(engine, claim.attempt_id, _failed(error))
        case CarrierThrottled() | CarrierUnreachable():
            logger.warning("Dial deferred", extra=fields)
            wait_s = outcome.retry_after_s if isinstance(outcome, CarrierThrottled) else 0.0
            await _defer(engine, claim, error, wait_s)
        case _:
            logger.warning("Dial with unknown outcome", extra=fields)
            await _mark_unknown(engine, claim, settings)


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
                unknown_since=None,
                check_at=func.greatest(attempts.c.check_at, now + timedelta(seconds=check_in_s)),
            )
        )
        query = update(calls).where(calls.c.id == claim.call_id).values(deferrals=0)
        hang_up_at = (await conn.execute(query.returning(calls.c.hang_up_requested_at))).scalar_one_or_none()
        if hang_up_at is not None:  # asked for while the request was under way
            await notify(conn, "outdial_control", claim.call_id)


async def _defer(engine: AsyncEngine, claim: Claim, error: CallError, wait_s: float) -> None:
    """Nothing was sent: the attempt never was. The call waits and gives its line back, or fails at last."""
    now = datetime.now(UTC)
    async with engine.begin() as conn:
        row = await locked(conn, claim.attempt_id)
        if row is None or row.state != CallState.DIALING or row.carrier_call_id is not None:
            return  # written down already, or somebody else has seen to it
        if row.hang_up_requested_at is None and row.deferrals >= MAX_DEFERRALS:
            await progress(conn, row, _failed(error))
            return
        await conn.execute(delete(attempts).where(attempts.c.id == row.id))
        await conn.execute(update(calls).where(calls.c.id == row.call_id).values(deferrals=row.deferrals + 1))
        if row.hang_up_requested_at is not None:
            await end_call(conn, row, EndReason.CANCELED, None, ended_at=now)
            return
        due_at = now + timedelta(seconds=max(wait_s, min(60, 2**row.deferrals)))
        await queue_again(conn, row, due_at, {"error": error.to_json()})


def _failed(error: CallError) -> Progress:
    return Progress(state=CallState.ENDED, at=datetime.now(UTC), end_reason=EndReason.FAILED, error=error)


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
            .values(unknown_since=func.now(), check_at=now + timedelta(seconds=min(5.0, settings.settle_s)))
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
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # admissions and dials under way

    def wake(self, workspace_id: str = "") -> None:
        """Look at this workspace's queue now ("": at all of them)."""
        self._woken.add(workspace_id)
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled; dials under way are finished (their replies must not be lost)."""
        unsubscribe = self._notifications.subscribe("outdial_queue", self.wake)
        self.wake()
        try:
            while True:
                try:
                    async with asyncio.timeout(self._settings.sweep_every_s):
                        await self._wake.wait()
                except TimeoutError:
                    self.wake()  # a row was locked when we looked, a notification was lost
                self._wake.clear()
                woken, self._woken = self._woken, set()
                # Cancelled in the middle of an admission, we would forget what was claimed.
                await asyncio.shield(self._begin(self._admit_all(woken)))
        finally:
            unsubscribe()
            await self._finish()

    async def _finish(self) -> None:
        deadline = asyncio.get_running_loop().time() + FINISH_S
        while self._tasks and (left_s := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(self._tasks, timeout=left_s)
        for task in self._tasks:
            task.cancel()  # its attempt is on record: whoever takes over asks the carrier
        for timer in self._timers.values():
            timer.cancel()

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _admit_all(self, workspace_ids: set[str]) -> None:
        if "" in workspace_ids:
            try:
                workspace_ids = set(await workspaces_with_queued_calls(self._engine))
            except Exception:
                logger.exception("Queues can't be read; trying again")
                return  # at the next turn of the loop
        for workspace_id in workspace_ids:
            look_again_in_s = await self._admit(workspace_id)
            if (timer := self._timers.pop(workspace_id, None)) is not None:
                timer.cancel()
            if look_again_in_s is not None:
                loop = asyncio.get_running_loop()
                self._timers[workspace_id] = loop.call_later(look_again_in_s, self.wake, workspace_id)

    async def _admit(self, workspace_id: str) -> float | None:
        try:
            admitted = await claim_due_calls(
                self._engine, workspace_id, owner=self._owner, lease_s=self._settings.lease_s
            )
        except Exception:
            logger.exception("Queue can't be read; trying again")
            return 1.0
        for claim in admitted.claims:
            self._begin(self._dial(claim))
        return admitted.look_again_in_s

    async def _dial(self, claim: Claim) -> None:
        try:
            carrier = await self._open_carrier(claim.carrier_account_id)
            agent = await self._agents.agent(claim.agent_id, claim.agent_version)
        except CarrierError as error:
            await _write_down(self._engine, self._settings, claim, error)
        except Exception:
            logger.exception("Call can't be prepared", extra={"call_id": claim.call_id})
            nothing_sent = CarrierUnreachable(
                FailureCode.NOT_PREPARED, "Outdial could not prepare this call; its log says why."
            )
            await _write_down(self._engine, self._settings, claim, nothing_sent)
        else:
            await dial(self._engine, self._settings, carrier, claim, detection_for(claim.detection, agent))
