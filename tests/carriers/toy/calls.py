"""Calls at the toy, by REST: the verbs of carriers.calls.CallControl."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from carriers.toy import errors, mapping
from carriers.toy.account import ToyAccount
from outdial.carriers.callbacks import BackToAgent, CallbackReply, IncomingCall
from outdial.carriers.calls import CarrierRecord, Detection, HungUp, PlaceCall
from outdial.carriers.errors import CarrierRefused, CarrierUncertain
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import transfer_result
from outdial.telephony.transfer import TransferResult

MAX_RING_TIMEOUT_S = 60


class ToyCalls:
    def __init__(self, account: ToyAccount) -> None:
        self._account = account

    async def place_call(self, request: PlaceCall) -> CarrierCall:
        call = {
            "ref": request.ref,
            "to": request.to,
            "from": request.from_,
            "tell": f"{request.callback_url}/event",
            "audio": request.stream_url,
            "ring_s": min(request.ring_timeout_s, MAX_RING_TIMEOUT_S),
            "talk_s": request.max_duration_s,
            "who_answers": request.detection is not Detection.OFF,
        }
        return _call(await self._account.post("/calls", call))

    async def hang_up(self, call: CarrierCall) -> HungUp:
        try:
            await self._account.post(f"{_path(call)}/end", {}, repeatable=True)
        except CarrierRefused as error:
            if error.carrier_code != errors.OVER:
                raise
            return HungUp.ENDED
        return HungUp.TAKEN

    async def look_up(self, call: CarrierCall) -> CarrierRecord:
        return _record(await self._account.get(_path(call)))

    async def find(self, *, ref: str, to: str, from_: str, since: datetime) -> list[CarrierRecord]:
        """The toy keeps our ref, so there is no guessing by numbers and times."""
        found = (await self._account.get("/calls", {"ref": ref})).get("calls")
        if not isinstance(found, list):
            raise CarrierUncertain(FailureCode.CARRIER_ERROR, "Toy's reply could not be read.")
        return [_record(each) for each in reversed(found)]

    async def transfer(self, call: CarrierCall, to: str, caller_id: str, callback_url: str) -> None:
        body = {"to": to, "from": caller_id, "tell": f"{callback_url}/transfer"}
        await self._account.post(f"{_path(call)}/transfer", body)

    async def look_up_transfer(
        self, call: CarrierCall, *, to: str, leg: str | None, since: datetime
    ) -> TransferResult | None:
        told = await self._account.get(f"{_path(call)}/transfer")
        progress = mapping.progress(str(told.get("status")), at=datetime.now(UTC), carrier_call=None)
        return None if progress is None else transfer_result(progress, to=to, of=call)

    async def join(self, call: CarrierCall, other: CarrierCall, *, room: str) -> None:
        raise CarrierRefused(FailureCode.CARRIER_REFUSED, "Toy connects no calls.")

    async def resume(self, call: CarrierCall, back: BackToAgent) -> None:
        raise CarrierRefused(FailureCode.CARRIER_REFUSED, "Toy gives no call back.")

    async def say_and_hang_up(self, call: CarrierCall, sentence: str) -> None:
        await self._account.post(f"{_path(call)}/say", {"sentence": sentence, "then": "end"})

    async def accept(
        self, incoming: IncomingCall, *, ref: str, callback_url: str, stream_url: str, max_duration_s: int
    ) -> CallbackReply:
        told = {"ref": ref, "tell": f"{callback_url}/event", "audio": stream_url, "talk_s": max_duration_s}
        return CallbackReply(media_type="application/json", body=json.dumps(told))

    async def refuse(self, incoming: IncomingCall, *, sentence: str | None) -> CallbackReply:
        return CallbackReply(media_type="application/json", body=json.dumps({"sentence": sentence, "then": "end"}))

    async def aclose(self) -> None:
        await self._account.aclose()


def _path(call: CarrierCall) -> str:
    return f"/calls/{quote(call.id, safe='')}"


def _call(reply: Mapping[str, Any]) -> CarrierCall:
    """It was an accepted request, so a reply without the call's id leaves us uncertain."""
    call_id = reply.get("id")
    if not isinstance(call_id, str) or not call_id:
        raise CarrierUncertain(FailureCode.CARRIER_ERROR, "Toy's reply could not be read.")
    return CarrierCall(id=call_id)


def _record(reply: Mapping[str, Any]) -> CarrierRecord:
    call, at = _call(reply), mapping.instant(reply.get("at")) or datetime.now(UTC)
    progress = mapping.progress(str(reply.get("status")), at=at, carrier_call=call)
    progress = progress or mapping.progress("asked", at=at, carrier_call=call)
    assert progress is not None
    return CarrierRecord(call=call, progress=progress, created_at=mapping.instant(reply.get("asked_at")))
