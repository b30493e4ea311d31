"""What a conversation asks of its carrier (conversation.call_facts.CarrierControl)."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.clients import OpenCarrier
from outdial.calls.call_back import call_back, may_call_back
from outdial.calls.noted import keep
from outdial.calls.records import read_attempt
from outdial.calls.transfer_gate import admit_transfer
from outdial.calls.transfers import begin_transfer, refuse_transfer
from outdial.carriers.errors import CarrierError
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.conversation.verb_results import CallBackRefused, TransferFailed
from outdial.conversation.warm import Warm
from outdial.db.trouble import tell_trouble
from outdial.live.consulting import Consulting
from outdial.refusals import Refusal
from outdial.settings import Settings
from outdial.telephony.failures import CallError, FailureCode

logger = logging.getLogger(__name__)

NOT_REACHABLE = CallError(
    code=FailureCode.WRONG_CALL_STATE, message="The carrier has not yet told how to reach this call."
)

ARRANGED_WITHIN_S = 2.5
NOT_NOW = "It can't be arranged now."
CAUSES = {
    "called_back_already": "A call back was promised in this call already.",
    "too_many_call_backs": "There were too many calls back in a row already.",
    "do_not_call": "The callee wants no more calls.",
    "destination_not_allowed": "Calls to the callee's number aren't allowed.",
    "daily_limit": "There can be no more calls today.",
    "spend_limit": "There can be no more calls today.",
}


class ControlOfAttempt:
    """Of one attempt. `caller_id`: the number that the other end of a transfer sees."""

    def __init__(
        self, engine: AsyncEngine, settings: Settings, open_carrier: OpenCarrier, attempt_id: str, caller_id: str
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._open_carrier = open_carrier
        self._attempt_id = attempt_id
        self._caller_id = caller_id
        self._consulting = Consulting(engine, settings, open_carrier, attempt_id, caller_id)

    async def transfer(self, to: str, *, failed: str | None) -> None:
        """Connect the other party to `to`. `failed`: where the agent goes on should nobody come, where the carrier can
        give the call back. Raises TransferFailed, also where a rule of the workspace's is against it."""
        attempt = await read_attempt(self._engine, self._attempt_id)
        if attempt.carrier_call is None or attempt.carrier_account_id is None:
            raise TransferFailed(NOT_REACHABLE)  # talking before the carrier told the id: no reply, no callback yet
        returns = CARRIERS[CarrierName(attempt.carrier)].capabilities.agent_returns
        transfer_id = await begin_transfer(
            self._engine, attempt.id, attempt.call_id, to, failed_step=failed if returns else None
        )
        against = await admit_transfer(self._engine, attempt.call_id, to)
        if against is not None:
            await self._refused(transfer_id, against)
            raise TransferFailed(against)
        callback_url = self._settings.callback_url(attempt.carrier, self._attempt_id)
        try:
            carrier = await self._open_carrier(attempt.carrier_account_id)
            await carrier.transfer(attempt.carrier_call, to, self._caller_id, callback_url)
        except CarrierError as error:
            await self._refused(transfer_id, error.as_call_error())
            raise TransferFailed(error.as_call_error()) from error

    async def can_consult(self) -> bool:
        attempt = await read_attempt(self._engine, self._attempt_id)
        return CARRIERS[CarrierName(attempt.carrier)].capabilities.warm_transfer

    async def consult(self, to: str, warm: Warm, joining: Callable[[], None]) -> None:
        attempt = await read_attempt(self._engine, self._attempt_id)
        if attempt.carrier_call is None or attempt.carrier_account_id is None:
            raise TransferFailed(NOT_REACHABLE)
        await self._consulting.consult(attempt, to, warm, joining)

    async def aclose(self) -> None:
        """Finish what its conversation has left to be done."""
        await self._consulting.aclose()

    async def call_back(self, at: datetime, noted: Mapping[str, Any], *, promised: bool) -> None:
        """Raises CallBackRefused, also while the database is away or slow: what isn't stored is not promised, and
        nobody waits in silence for it. Who hangs up meanwhile has heard the promise, and it is kept."""
        arranging = asyncio.create_task(self._arrange(at, noted, promised=promised), name="call back arranged")
        await asyncio.wait({arranging}, timeout=ARRANGED_WITHIN_S)
        if not arranging.done():
            arranging.cancel()
            raise CallBackRefused(NOT_NOW)
        arranging.result()

    async def _arrange(self, at: datetime, noted: Mapping[str, Any], *, promised: bool) -> None:
        try:
            attempt = await read_attempt(self._engine, self._attempt_id)
            if promised:
                kept = keep(noted).values
                await call_back(self._engine, self._settings, attempt.call_id, at, kept)
            else:
                await may_call_back(self._engine, attempt.call_id, at)
        except Refusal as refusal:
            raise CallBackRefused(CAUSES.get(refusal.code, NOT_NOW)) from refusal
        except Exception as error:
            sentence = "Call back not arranged"
            tell_trouble(self._engine, logger, sentence, error, attempt_id=self._attempt_id)
            raise CallBackRefused(NOT_NOW) from error

    async def _refused(self, transfer_id: int, error: CallError) -> None:
        try:
            await refuse_transfer(self._engine, self._attempt_id, transfer_id, error)
        except Exception as failure:  # the agent is to hear of the carrier's no all the same; the sweep enters it later
            sentence = "Refused transfer not recorded"
            tell_trouble(self._engine, logger, sentence, failure, attempt_id=self._attempt_id)
