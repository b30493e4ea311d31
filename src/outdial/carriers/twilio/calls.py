"""Calls at Twilio, by REST: the verbs of carriers.calls.CallControl.

Nothing here repeats a request by itself: Twilio has no idempotency key for creating a call, so a repeated
POST dials a person twice. Source: twilio.com/docs/voice/api/call-resource.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from outdial import clock
from outdial.carriers.callbacks import BackToAgent, CallbackReply, IncomingCall
from outdial.carriers.calls import CarrierRecord, Detection, HungUp, PlaceCall
from outdial.carriers.errors import CarrierRefused
from outdial.carriers.twilio import answer, errors, mapping
from outdial.carriers.twilio.account import TwilioAccount, text_in, text_or_none
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.state import transfer_result
from outdial.telephony.transfer import TransferResult

MAX_RING_TIMEOUT_S = 600
STATUS_EVENTS = ("initiated", "ringing", "answered", "completed")
DETECTION = {Detection.FAST: "Enable", Detection.MESSAGE_END: "DetectMessageEnd"}
DETECTION_TIMEOUT_S = (3, 59)  # least and most
TRANSFER_RING_TIMEOUT_S = 25
TWIML = "application/xml"


class TwilioCalls:
    """The calls of one Twilio account (see carriers.calls.CallControl for the verbs and what they raise)."""

    def __init__(self, account: TwilioAccount) -> None:
        self._account = account

    async def place_call(self, request: PlaceCall) -> CarrierCall:
        form: dict[str, str | Sequence[str]] = {
            "To": request.to,
            "From": request.from_,
            # Inline TwiML instead of a URL: one request less between the answer and the first word.
            "Twiml": answer.stream_answer(
                request.stream_url, {"ref": request.ref}, f"{request.callback_url}/stream"
            ),
            "StatusCallback": f"{request.callback_url}/status",
            "StatusCallbackEvent": STATUS_EVENTS,
            "Timeout": str(min(request.ring_timeout_s, MAX_RING_TIMEOUT_S)),
            "TimeLimit": str(request.max_duration_s),
        }
        if request.detection is not Detection.OFF:
            least, most = DETECTION_TIMEOUT_S
            form["MachineDetection"] = DETECTION[request.detection]
            form["MachineDetectionTimeout"] = str(min(max(request.detection_timeout_s, least), most))
            form["AsyncAmd"] = "true"  # else the callee hears silence until the result is in
            form["AsyncAmdStatusCallback"] = f"{request.callback_url}/amd"
        call = await self._account.post("Calls", form)
        return CarrierCall(id=text_in(call, "sid"))

    async def hang_up(self, call: CarrierCall) -> HungUp:
        try:
            await self._account.post(_path(call), {"Status": "completed"}, repeatable=True)
        except CarrierRefused as error:
            if error.carrier_code == errors.NOT_KNOWN:
                return HungUp.NOT_KNOWN
            if error.carrier_code == errors.HAS_ENDED:
                return HungUp.ENDED
            raise
        return HungUp.TAKEN

    async def look_up(self, call: CarrierCall) -> CarrierRecord:
        return _record(await self._account.get(_path(call)))

    async def find(self, *, ref: str, to: str, from_: str, since: datetime) -> list[CarrierRecord]:
        """Calls with these numbers, newest first. Those without a creation date are in it: they may be new.

        Twilio's own StartTime filter is not used: it knows days only, and a call that still waits to be
        dialled has no start time, so that it would be missing from the list that says whether to redial.
        """
        calls = await self._account.all("Calls", "calls", {"To": to, "From": from_})
        records = [_record(call) for call in calls if not call.get("parent_call_sid")]  # those are transfers
        since = since.replace(microsecond=0)  # Twilio's dates have whole seconds, rounded down
        recent = [record for record in records if record.created_at is None or record.created_at >= since]
        latest = datetime.max.replace(tzinfo=UTC)
        return sorted(recent, key=lambda record: record.created_at or latest, reverse=True)

    async def transfer(self, call: CarrierCall, to: str, caller_id: str, callback_url: str) -> None:
        twiml = answer.transfer_answer(
            to, caller_id, TRANSFER_RING_TIMEOUT_S, f"{callback_url}/transfer", f"{callback_url}/transfer_leg"
        )
        await self._account.post(_path(call), {"Twiml": twiml})

    async def look_up_transfer(
        self, call: CarrierCall, *, to: str, leg: str | None, since: datetime
    ) -> TransferResult | None:
        """The legs that were dialled from a call are listed as its children, newest first."""
        children = await self._account.all("Calls", "calls", {"ParentCallSid": call.id})
        records = [_record(child) for child in children if child.get("to") == to]
        since = since.replace(microsecond=0)  # as in `find`
        for record in records:
            is_ours = record.call.id == leg if leg else record.created_at is None or record.created_at >= since
            if is_ours:
                return transfer_result(record.progress, to=to, of=call)
        return None

    async def join(self, call: CarrierCall, other: CarrierCall, *, room: str) -> None:
        """Who waits for the callee goes first: a call that is refused leaves the callee with its agent."""
        for each in (other, call):
            await self._account.post(_path(each), {"Twiml": answer.room_answer(room)})

    async def resume(self, call: CarrierCall, back: BackToAgent) -> None:
        twiml = answer.stream_answer(back.stream_url, {"ref": back.ref}, f"{back.callback_url}/stream")
        await self._account.post(_path(call), {"Twiml": twiml})

    async def say_and_hang_up(self, call: CarrierCall, sentence: str) -> None:
        await self._account.post(_path(call), {"Twiml": answer.say_and_hang_up(sentence)})

    async def accept(
        self, incoming: IncomingCall, *, ref: str, callback_url: str, stream_url: str, max_duration_s: int
    ) -> CallbackReply:
        """Twilio has no length limit for a call that comes in; its progress is told to the number's own callback."""
        twiml = answer.stream_answer(stream_url, {"ref": ref}, f"{callback_url}/stream")
        return CallbackReply(media_type=TWIML, body=twiml)

    async def refuse(self, incoming: IncomingCall, *, sentence: str | None) -> CallbackReply:
        twiml = answer.reject() if sentence is None else answer.say_and_hang_up(sentence)
        return CallbackReply(media_type=TWIML, body=twiml)

    async def aclose(self) -> None:
        await self._account.aclose()


def _path(call: CarrierCall) -> str:
    return f"Calls/{quote(call.id, safe='')}"


# -- replies -------------------------------------------------------------------------------------------------


def _record(reply: Mapping[str, Any]) -> CarrierRecord:
    call, status = CarrierCall(id=text_in(reply, "sid")), text_in(reply, "status")
    created_at, started_at = mapping.instant(reply.get("date_created")), mapping.instant(reply.get("start_time"))
    updated_at, ended_at = mapping.instant(reply.get("date_updated")), mapping.instant(reply.get("end_time"))
    now = clock.now()
    progress = mapping.progress(
        status,
        # start_time of a call in progress is when it was answered, as far as billing goes
        at=ended_at or (started_at if status == "in-progress" else None) or updated_at or created_at or now,
        carrier_call=call,
        final=ended_at is not None,
        duration_s=mapping.whole(reply.get("duration")),
    ) or mapping.progress("initiated", at=created_at or now, carrier_call=call, final=False)
    assert progress is not None
    answered_by = text_or_none(reply, "answered_by")
    return CarrierRecord(
        call=call,
        progress=progress,
        created_at=created_at,
        verdict=mapping.verdict(answered_by, at=progress.at, carrier_call=call) if answered_by else None,
        price=mapping.price(reply.get("price"), reply.get("price_unit")),
    )
