"""Numbers of a toy account: whose they are, what answers them, and making that us (carriers.numbers.NumberControl)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from carriers.toy.account import ToyAccount
from outdial.carriers.errors import CarrierRefused
from outdial.carriers.numbers import LISTED, Connected, NumberConnection, NumberRecord, OwnedNumbers
from outdial.telephony.failures import FailureCode

NOT_OWNED = (FailureCode.NUMBER_NOT_OWNED, "This number does not belong to the toy account.")


class ToyNumbers:
    def __init__(self, account: ToyAccount) -> None:
        self._account = account

    async def check(self) -> None:
        await self._account.get("/account")

    async def owns(self, number: str) -> NumberRecord | None:
        try:
            found = await self._account.get(_path(number))
        except CarrierRefused as error:
            if error.code is FailureCode.NOT_KNOWN_THERE:
                return None
            raise
        return _record(found)

    async def owned(self, digits: str = "") -> OwnedNumbers:
        found = (await self._account.get("/numbers"))["numbers"]
        fitting = [each for each in map(_record, found) if digits in each.number]
        return OwnedNumbers(numbers=tuple(fitting[:LISTED]), more=len(fitting) > LISTED)

    async def connection(self, number: str, *, inbound_url: str, callback_url: str) -> NumberConnection:
        found = await self._found(number)
        now = found.get("answer") or "nothing"
        changes = () if now == inbound_url else (f"Calls will be announced at {inbound_url} instead of {now}.",)
        return NumberConnection(number=_record(found), answered_by=now, changes=changes)

    async def connect(self, number: str, *, inbound_url: str, callback_url: str) -> Connected:
        before = (await self._found(number)).get("answer")
        await self._account.post(_path(number), {"answer": inbound_url}, repeatable=True)
        return Connected(undo={"set": inbound_url, "before": None if before == inbound_url else before}, credentials={})

    async def disconnect(self, number: str, undo: Mapping[str, Any], *, is_last: bool) -> None:
        if (await self._found(number)).get("answer") == undo["set"]:
            await self._account.post(_path(number), {"answer": undo["before"]}, repeatable=True)

    async def aclose(self) -> None:
        await self._account.aclose()

    async def _found(self, number: str) -> Mapping[str, Any]:
        if await self.owns(number) is None:
            raise CarrierRefused(*NOT_OWNED)
        return await self._account.get(_path(number))


def _path(number: str) -> str:
    return f"/numbers/{quote(number, safe='')}"


def _record(found: Mapping[str, Any]) -> NumberRecord:
    number = str(found.get("number"))
    return NumberRecord(number=number, carrier_number_id=number, name="", can_call=True, rented=True)
