"""What a conversation asks of its carrier (conversation.call_facts.Control)."""

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.clients import OpenCarrier
from outdial.calls.records import read_attempt
from outdial.carriers.errors import CarrierUnreachable
from outdial.settings import Settings
from outdial.telephony.failures import FailureCode


class CarrierControl:
    """Of one attempt. `caller_id`: the number that the other end of a transfer sees."""

    def __init__(
        self, engine: AsyncEngine, settings: Settings, open_carrier: OpenCarrier, attempt_id: str, caller_id: str
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._open_carrier = open_carrier
        self._attempt_id = attempt_id
        self._caller_id = caller_id

    async def transfer(self, to: str) -> None:
        """Connect the other party to `to`. Raises a CarrierError."""
        attempt = await read_attempt(self._engine, self._attempt_id)
        if attempt.carrier_call is None or attempt.carrier_account_id is None:
            # Talking before the carrier told the id: no reply, no callback yet.
            raise CarrierUnreachable(
                FailureCode.WRONG_CALL_STATE, "The carrier has not yet told how to reach this call."
            )
        carrier = await self._open_carrier(attempt.carrier_account_id)
        callback_url = f"{self._settings.base_url}/callbacks/{attempt.carrier}/{self._attempt_id}"
        await carrier.transfer(attempt.carrier_call, to, self._caller_id, callback_url)
