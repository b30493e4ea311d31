"""A warm transfer under way, on the books and a carrier in memory: somebody is being asked."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from dispatch.silence import PAST, ago
from outdial.calls.consultations import Answer, note_answer
from outdial.calls.records import lock_attempt
from outdial.carriers.callbacks import Callback
from outdial.carriers.errors import CarrierRefused
from outdial.conversation.verb_results import TransferFailed
from outdial.conversation.warm import Warm
from outdial.db.consultation_tables import consultations
from outdial.dispatch.second_legs import SecondLegs
from outdial.dispatch.transfers import Transfers
from outdial.live.carrier_control import ControlOfAttempt
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import CallState, Progress
from workspace import CALLER, until

DESK = "+15551230009"
WARM = Warm(brief="Jane would like another day.", wait_s=15)
FIRST, SECOND = "CA1", "CA2"  # as the carrier calls the two
REFUSED = CarrierRefused(FailureCode.CARRIER_REFUSED, "The carrier refused.")


async def talking_call(workspace):
    """A call whose agent talks with the callee."""
    claim = await workspace.dialed()
    workspace.carrier.now_is(FIRST, CallState.IN_PROGRESS)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.set_attempt(claim.attempt_id, stream_opened_at=ago(20), audio_started_at=ago(20))
    return claim


class Asking:
    """Somebody is being asked."""

    def __init__(self, workspace, claim):
        self.workspace, self.claim = workspace, claim
        self.joining = False
        self.control = ControlOfAttempt(
            workspace.engine, workspace.settings, workspace.open_carrier, claim.attempt_id, CALLER
        )
        self.task = asyncio.create_task(self.control.consult(DESK, WARM, self._joins))

    def _joins(self):
        self.joining = True

    async def leg(self):
        async with self.workspace.engine.connect() as conn:
            return (await conn.execute(select(consultations))).one()

    async def is_dialled(self):
        await until(self._knows_its_call)
        return (await self.leg()).transfer_id

    async def _knows_its_call(self):
        async with self.workspace.engine.connect() as conn:
            return await conn.scalar(select(consultations.c.carrier_call_id)) is not None

    async def transfer(self):
        [record] = await self.workspace.transfers(self.claim.call_id)
        return record

    async def fails(self):
        with pytest.raises(TransferFailed) as failed:
            await self.task
        return failed.value

    async def tells(self, state, end_reason=None, *, price=None):
        """The carrier, of the second leg."""
        at = datetime.now(UTC)
        event = Progress(state=state, at=at, end_reason=end_reason, carrier_call=CarrierCall(id=SECOND))
        told = Callback(kind="status", dedupe_key="1", event=event, call=event.carrier_call, price=price)
        legs, leg = SecondLegs(self.workspace.engine, self.workspace.open_carrier), await self.leg()
        async with self.workspace.engine.begin() as conn:
            held = await lock_attempt(conn, self.claim.attempt_id)
            work = await legs.told(conn, held, leg.transfer_id, told)
        if work is not None:
            await work

    async def hung_up(self, *calls):
        async def are_gone():
            return set(self.workspace.carrier.hung_up) >= set(calls)

        await until(are_gone)
        assert self.workspace.carrier.hung_up == list(calls)

    async def aclose(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def connected(self):
        """It is taken, and the agent's part is over."""
        transfer_id = await self.is_dialled()
        await note_answer(self.workspace.engine, transfer_id, Answer.ACCEPTED, by="key")
        await self.task
        await self.workspace.set_attempt(self.claim.attempt_id, owner=None)


async def sweep(workspace, **columns):
    await workspace.set_transfers(**{"check_at": PAST} | columns)
    await Transfers(workspace.engine, workspace.settings, workspace.open_carrier).look_after(at_most=10)
