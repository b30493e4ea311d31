"""Calls at Vonage, by REST: the verbs of carriers.calls.CallControl.

Creating a call is not idempotent, so nothing here repeats one. A number that doesn't exist is no error of the
request: the call is accepted, and a `rejected` or `failed` event follows. Source: developer.vonage.com/en/api/voice.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from outdial import clock
from outdial.carriers.callbacks import BackToAgent, CallbackReply, IncomingCall
from outdial.carriers.calls import CarrierRecord, Detection, HungUp, PlaceCall
from outdial.carriers.errors import CarrierRefused, CarrierUncertain
from outdial.carriers.vonage import answer, mapping
from outdial.carriers.vonage.account import VonageAccount
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import transfer_result
from outdial.telephony.transfer import TransferResult

MAX_RING_TIMEOUT_S = 120
MAX_LENGTH_S = 86400
BEEP_TIMEOUT_S = (45, 120)  # least and most
TRANSFER_RING_TIMEOUT_S = 25
PAGE_SIZE, MAX_PAGES = 100, 10
LIVE = ("started", "ringing", "answered", "machine")


class VonageCalls:
    """The calls of one Vonage account (see carriers.calls.CallControl for the verbs and what they raise)."""

    def __init__(self, account: VonageAccount) -> None:
        self._account = account

    async def place_call(self, request: PlaceCall) -> CarrierCall:
        from_ = mapping.to_vonage(request.from_)
        call: dict[str, Any] = {
            "to": [{"type": "phone", "number": mapping.to_vonage(request.to)}],
            "from": {"type": "phone", "number": from_},
            # Inline instead of an answer URL: one request less between the answer and the first word.
            "ncco": answer.stream_answer(
                request.stream_url,
                ref=request.ref,
                from_=from_,
                callback_url=request.callback_url,
                max_duration_s=request.max_duration_s,
            ),
            "event_url": [f"{request.callback_url}/event"],
            "event_method": "POST",
            "ringing_timer": min(request.ring_timeout_s, MAX_RING_TIMEOUT_S),
            "length_timer": min(request.max_duration_s, MAX_LENGTH_S),
        }
        if request.detection is not Detection.OFF:
            least, most = BEEP_TIMEOUT_S
            # Mode "default" is the one that runs beside the conversation; it tells the beep as well.
            call["advanced_machine_detection"] = {
                "behavior": "continue",
                "mode": "default",
                "beep_timeout": min(max(request.detection_timeout_s, least), most),
            }
        reply = await self._account.voice("POST", "/v1/calls", json=call)
        return _call(reply)

    async def hang_up(self, call: CarrierCall) -> HungUp:
        """Vonage answers the same of a call that has ended and of one that never was."""
        try:
            await self._account.voice("PUT", _path(call), call=call, json={"action": "hangup"}, repeatable=True)
        except CarrierRefused as error:
            if error.code is not FailureCode.NOT_KNOWN_THERE:
                raise
            return HungUp.NOT_KNOWN
        return HungUp.TAKEN

    async def look_up(self, call: CarrierCall) -> CarrierRecord:
        return _record(await self._account.voice("GET", _path(call), call=call, repeatable=True))

    async def find(self, *, ref: str, to: str, from_: str, since: datetime) -> list[CarrierRecord]:
        """Calls with these numbers. Vonage filters neither by number nor, as far as documented, by creation date.

        What `date_start` means for a call nobody has answered yet is documented nowhere; those still under way
        are asked for by their status, too.
        """
        start = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        calls = await self._all({"date_start": start})
        for status in LIVE:
            calls += await self._all({"status": status})
        wanted = (mapping.to_vonage(to), mapping.to_vonage(from_))
        ours = [call for call in calls if (_number(call.get("to")), _number(call.get("from"))) == wanted]
        records = {record.call.id: record for record in map(_record, ours)}
        latest = datetime.max.replace(tzinfo=UTC)
        return sorted(records.values(), key=lambda record: record.created_at or latest, reverse=True)

    async def transfer(self, call: CarrierCall, to: str, caller_id: str, callback_url: str) -> None:
        ncco = answer.transfer_answer(
            mapping.to_vonage(to), mapping.to_vonage(caller_id), TRANSFER_RING_TIMEOUT_S, f"{callback_url}/transfer"
        )
        await self._run(call, ncco)

    async def look_up_transfer(
        self, call: CarrierCall, *, to: str, leg: str | None, since: datetime
    ) -> TransferResult | None:
        """The other party is a leg of the conversation that the call was moved to."""
        if leg is not None:
            record = await self.look_up(CarrierCall(id=leg, refs=call.refs))
            return transfer_result(record.progress, to=to)
        first = await self._account.voice("GET", _path(call), call=call, repeatable=True)
        legs = await self._all({"conversation_uuid": str(first.get("conversation_uuid") or "")})
        records = [_record(each) for each in legs if _number(each.get("to")) == mapping.to_vonage(to)]
        others = [record for record in records if record.call.id != call.id]
        newest = max(others, key=lambda record: record.created_at or datetime.max.replace(tzinfo=UTC), default=None)
        return None if newest is None else transfer_result(newest.progress, to=to)

    async def join(self, call: CarrierCall, other: CarrierCall, *, room: str) -> None:
        """Who waits for the callee goes first: a call that is refused leaves the callee with its agent."""
        for each in (other, call):
            await self._run(each, answer.room_answer(room))

    async def resume(self, call: CarrierCall, back: BackToAgent) -> None:
        await self._run(call, answer.back_to_agent(back))

    async def say_and_hang_up(self, call: CarrierCall, sentence: str) -> None:
        await self._run(call, answer.talk(sentence))

    async def accept(
        self, incoming: IncomingCall, *, ref: str, callback_url: str, stream_url: str, max_duration_s: int
    ) -> CallbackReply:
        """The progress of a call that comes in is told to the application's event URL."""
        ncco = answer.stream_answer(
            stream_url,
            ref=ref,
            from_=mapping.to_vonage(incoming.to),
            callback_url=callback_url,
            max_duration_s=max_duration_s,
        )
        return answer.reply(ncco)

    async def refuse(self, incoming: IncomingCall, *, sentence: str | None) -> CallbackReply:
        return answer.reply(answer.reject() if sentence is None else answer.talk(sentence))

    async def aclose(self) -> None:
        await self._account.aclose()

    # -- requests

    async def _run(self, call: CarrierCall, ncco: answer.Ncco) -> None:
        """Have a call go on with other actions; our websocket is left behind and ends."""
        body = {"action": "transfer", "destination": {"type": "ncco", "ncco": ncco}}
        await self._account.voice("PUT", _path(call), call=call, json=body)

    async def _all(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """All pages. A list that is not complete is an error: what is missing must not pass for absent."""
        items: list[dict[str, Any]] = []
        for number in range(MAX_PAGES):
            paging = {"page_size": str(PAGE_SIZE), "record_index": str(number * PAGE_SIZE), "order": "desc"}
            page = await self._account.voice("GET", "/v1/calls", query={**query, **paging}, repeatable=True)
            embedded = page.get("_embedded")
            found = embedded.get("calls") if isinstance(embedded, dict) else None
            if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
                raise self._account.unreadable()
            items += found
            if len(found) < PAGE_SIZE:
                return items
        raise CarrierUncertain(FailureCode.CARRIER_ERROR, "Vonage's list is too long to be read to its end.")


# -- replies -------------------------------------------------------------------------------------------------


def _path(call: CarrierCall) -> str:
    return f"/v1/calls/{quote(call.id, safe='')}"


def _call(reply: Mapping[str, Any]) -> CarrierCall:
    """It was an accepted request, so a reply without the call's uuid leaves us uncertain."""
    uuid, conversation = reply.get("uuid"), reply.get("conversation_uuid")
    if not isinstance(uuid, str) or not uuid:
        raise CarrierUncertain(FailureCode.CARRIER_ERROR, "Vonage's reply could not be read.")
    return CarrierCall(id=uuid, refs={"conversation_uuid": conversation} if isinstance(conversation, str) else {})


def _record(reply: Mapping[str, Any]) -> CarrierRecord:
    call, status = _call(reply), reply.get("status")
    started_at, ended_at = mapping.instant(reply.get("start_time")), mapping.instant(reply.get("end_time"))
    at = ended_at or started_at or clock.now()
    progress = mapping.progress(
        status if isinstance(status, str) else "",
        at=at,
        carrier_call=call,
        final=ended_at is not None,
        duration_s=mapping.seconds(reply.get("duration")),
    ) or mapping.progress("started", at=at, carrier_call=call, final=False)
    assert progress is not None
    detected = status if isinstance(status, str) and status in mapping.ANSWERED_BY else None
    verdict = mapping.verdict(detected, at=at, carrier_call=call) if detected else None
    return CarrierRecord(
        call=call,
        progress=progress,
        created_at=started_at,
        verdict=verdict,
        price=mapping.price(reply.get("price")),
    )


def _number(endpoint: object) -> str:
    """The number of a leg's `to` or `from`; that of another kind of leg is empty."""
    if isinstance(endpoint, list) and len(endpoint) == 1:
        endpoint = endpoint[0]
    number = endpoint.get("number") if isinstance(endpoint, dict) else None
    return number.removeprefix("+") if isinstance(number, str) else ""
