"""What a conversation asks of its carrier (conversation.call_facts.CarrierControl)."""

import logging

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.clients import OpenCarrier
from outdial.calls.records import read_attempt
from outdial.calls.transfer_gate import admit_transfer
from outdial.calls.transfers import begin_transfer, refuse_transfer
from outdial.carriers.errors import CarrierError
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.conversation.live_call import TransferFailed
from outdial.db.trouble import tell_trouble
from outdial.settings import Settings
from outdial.telephony.failures import CallError, FailureCode

logger = logging.getLogger(__name__)

NOT_REACHABLE = CallError(
    code=FailureCode.WRONG_CALL_STATE, message="The carrier has not yet told how to reach this call."
)


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

    async def _refused(self, transfer_id: int, error: CallError) -> None:
        try:
            await refuse_transfer(self._engine, self._attempt_id, transfer_id, error)
        except Exception as failure:  # the agent is to hear of the carrier's no all the same; the sweep enters it later
            sentence = "Refused transfer not recorded"
            tell_trouble(self._engine, logger, sentence, failure, attempt_id=self._attempt_id)
