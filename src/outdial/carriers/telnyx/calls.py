"""Calls at Telnyx, by its Call Control API: the verbs of carriers.calls.CallControl.

A dial is idempotent by `command_id` for a minute: sent again after an uncertain reply it rings once. Source:
developers.telnyx.com, docs/voice/programmable-voice/{sending-commands, command-retries}.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from outdial import clock
from outdial.carriers.callbacks import BackToAgent, IncomingCall
from outdial.carriers.calls import CarrierRecord, HungUp, PlaceCall
from outdial.carriers.errors import CarrierError, CarrierRefused, CarrierUncertain
from outdial.carriers.telnyx import answer, errors, history, mapping
from outdial.carriers.telnyx.account import STANDARD, TelnyxAccount
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import transfer_result
from outdial.telephony.transfer import TransferResult

TRANSFER_RING_TIMEOUT_S = 25
ANSWER_TRIES, ANSWER_PAUSE_S = 20, 0.25  # an incoming call is answered within moments of our command
SPEAK_BEFORE_S, SPEAK_S_PER_CHAR = 1.5, 0.08

NO_CONNECTION = (
    FailureCode.ACCOUNT_NOT_SET_UP,
    "There is no Call Control application for calls yet: connect a number, or give the application's id.",
)


class TelnyxCalls:
    """The calls of one Telnyx account (see carriers.calls.CallControl for the verbs and what they raise).

    `sleep` waits, here while a sentence is spoken.
    """

    def __init__(
        self, account: TelnyxAccount, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._account = account
        self._credentials = account.credentials
        self._sleep = sleep

    async def place_call(self, request: PlaceCall) -> CarrierCall:
        """An uncertain dial is sent once more, with the same command id: Telnyx takes it for the same. Not when it
        wants to be left alone.

        What it answers to the second when the first was heard is documented nowhere. Only a call in that
        answer is believed; a refusal says nothing about the first, so the outcome stays uncertain.
        """
        if not self._credentials.connection_id:
            raise CarrierRefused(*NO_CONNECTION)
        command = answer.dial(
            request, self._credentials.connection_id, standard_detection=self._credentials.detection == STANDARD
        )
        try:
            return _call(await self._account.post("/calls", command))
        except CarrierUncertain as first:
            if first.retry_after_s is not None:
                raise
            try:
                return _call(await self._account.post("/calls", command))
            except CarrierError:
                raise first from None

    async def hang_up(self, call: CarrierCall) -> HungUp:
        try:
            await self._command(call, "hangup", {}, repeatable=True)
        except CarrierRefused as error:
            if error.carrier_code in errors.NOT_KNOWN:
                return HungUp.NOT_KNOWN
            if error.carrier_code == errors.HAS_ENDED:
                return HungUp.ENDED
            raise
        return HungUp.TAKEN

    async def look_up(self, call: CarrierCall) -> CarrierRecord:
        """The call's record tells whether it is over (for ten minutes after), its log how far it had come and why.

        A call without a record is over where the log says so; else it is one that Telnyx doesn't know, or not yet.
        """
        at = clock.now()
        unknown: CarrierRefused | None = None
        is_over = False
        started_at = None
        leg_id = call.refs.get("call_leg_id", "")
        try:
            record = await self._account.get(_path(call))
        except CarrierRefused as error:
            if error.carrier_code not in errors.CALL_IS_OVER or not leg_id:
                raise
            if error.carrier_code in errors.NOT_KNOWN:
                unknown = error
            is_over = True
        else:
            ended_at = mapping.instant(record.get("end_time"))
            started_at = mapping.instant(record.get("start_time"))
            is_over, at = ended_at is not None, ended_at or started_at or at
            call = call.with_refs_of(_call(record))
            leg_id = call.refs.get("call_leg_id", "")
        events = await self._account.all("/call_events", {"filter[leg_id]": leg_id}) if leg_id else []
        log = history.of_leg(events, leg_id)
        if unknown is not None and not history.has_ended(log):
            raise unknown
        progress = history.progress(log, call=call, is_over=is_over, at=at)
        return CarrierRecord(call=call, progress=progress, created_at=started_at, price=history.price(log))

    async def find(self, *, ref: str, to: str, from_: str, since: datetime) -> list[CarrierRecord]:
        """Calls that are up are known by our ref in their client state; those that have ended, by the log.

        An ended call has no call control id any more that would be of use, so its leg id stands for it where
        the log doesn't have it.
        """
        connection = quote(self._credentials.connection_id, safe="")
        active = await self._account.all(f"/connections/{connection}/active_calls")
        ours = [each for each in active if mapping.read_client_state(each.get("client_state")) == ref]
        found = [await self.look_up(_call(each)) for each in ours]
        known = {record.call.refs.get("call_leg_id") for record in found}
        query = {
            "filter[connection_id]": self._credentials.connection_id,
            "filter[to]": to,
            "filter[from]": from_,
            "filter[occurred_at][gte]": since.astimezone(UTC).isoformat(),
        }
        events = await self._account.all("/call_events", query)
        for leg_id in history.legs(events):
            log = history.of_leg(events, leg_id)
            if leg_id not in known and history.may_be(log, ref=ref, to=to):
                record = _from_log(log, leg_id)
                if record is not None:
                    found.append(record)
        latest = datetime.max.replace(tzinfo=UTC)
        return sorted(found, key=lambda record: record.created_at or latest, reverse=True)

    async def transfer(self, call: CarrierCall, to: str, caller_id: str, callback_url: str) -> None:
        await self._command(
            call, "transfer", answer.transfer(call.id, to, caller_id, TRANSFER_RING_TIMEOUT_S, callback_url)
        )

    async def look_up_transfer(
        self, call: CarrierCall, *, to: str, leg: str | None, since: datetime
    ) -> TransferResult | None:
        """The legs of a transfer share a session, which the log can be asked for."""
        session_id = call.refs.get("call_session_id", "")
        if not leg and not session_id:
            raise CarrierRefused(FailureCode.NOT_KNOWN_THERE, "Telnyx has not told the session of this call.")
        query = {"filter[leg_id]": leg} if leg else {"filter[application_session_id]": session_id}
        events = await self._account.all("/call_events", query)
        for leg_id in reversed(history.legs(events)):
            log = history.of_leg(events, leg_id)
            if leg_id != leg and not history.is_transfer(log, of=call, to=to):
                continue
            progress = history.progress(log, call=CarrierCall(id=leg_id), is_over=False, at=since)
            if leg or progress.at >= since:
                return transfer_result(progress, to=to, of=call)
        return None

    async def join(self, call: CarrierCall, other: CarrierCall, *, room: str) -> None:
        """Telnyx knows no room: the one is bridged with the other. Their streams go on, until we close them."""
        await self._command(call, "bridge", answer.bridge(other.id))

    async def resume(self, call: CarrierCall, back: BackToAgent) -> None:
        """The call is Telnyx's as before; only its stream ended with our part in it."""
        await self._command(call, "streaming_start", answer.resume(back.stream_url))

    async def say_and_hang_up(self, call: CarrierCall, sentence: str) -> None:
        """Telnyx knows no "then": the sentence is given the time it takes. Unsaid, too, the call is ended."""
        try:
            await self._speak(call, sentence)
        except CarrierRefused as error:
            if error.carrier_code in errors.CALL_IS_OVER:
                return
            await self.hang_up(call)
            raise
        except CarrierUncertain:
            pass  # perhaps it is being said
        except CarrierError:
            await self.hang_up(call)
            raise
        await self._sleep(SPEAK_BEFORE_S + SPEAK_S_PER_CHAR * len(sentence))
        await self.hang_up(call)

    async def _speak(self, call: CarrierCall, sentence: str) -> None:
        """As soon as the call is answered."""
        for tries_left in reversed(range(ANSWER_TRIES)):
            try:
                await self._command(call, "speak", answer.speak(sentence))
                return
            except CarrierRefused as error:
                if error.carrier_code != errors.NOT_ANSWERED_YET or not tries_left:
                    raise
            await self._sleep(ANSWER_PAUSE_S)

    async def accept(
        self, incoming: IncomingCall, *, ref: str, callback_url: str, stream_url: str, max_duration_s: int
    ) -> None:
        """Telnyx has no length limit for a call that comes in."""
        await self._command(incoming.call, "answer", answer.accept(ref, callback_url, stream_url))

    async def refuse(self, incoming: IncomingCall, *, sentence: str | None) -> None:
        command = ("reject", answer.reject()) if sentence is None else ("answer", {})
        try:
            await self._command(incoming.call, *command, repeatable=sentence is None)
        except CarrierRefused as error:
            if error.carrier_code in errors.CALL_IS_OVER:
                return
            raise
        except CarrierUncertain:
            pass  # perhaps it is answered, and then nobody else would end it
        if sentence is not None:
            await self.say_and_hang_up(incoming.call, sentence)

    async def aclose(self) -> None:
        await self._account.aclose()

    async def _command(
        self, call: CarrierCall, action: str, command: answer.Command, *, repeatable: bool = False
    ) -> None:
        await self._account.post(f"{_path(call)}/actions/{action}", command, repeatable=repeatable)


# -- replies -------------------------------------------------------------------------------------------------


def _path(call: CarrierCall) -> str:
    return f"/calls/{quote(call.id, safe='')}"


def _call(data: Mapping[str, Any]) -> CarrierCall:
    """It was an accepted request, so a reply without the call's id leaves us uncertain."""
    control_id = data.get("call_control_id")
    if not isinstance(control_id, str) or not control_id:
        raise CarrierUncertain(FailureCode.CARRIER_ERROR, "Telnyx's reply could not be read.")
    refs = {name: data.get(name) for name in ("call_leg_id", "call_session_id")}
    return CarrierCall(id=control_id, refs={name: value for name, value in refs.items() if isinstance(value, str)})


def _from_log(events: history.Events, leg_id: str) -> CarrierRecord | None:
    """A call of which only the log knows; None for a list without a readable time (commands alone)."""
    times = [at for each in events if (at := mapping.instant(each.get("event_timestamp"))) is not None]
    if not times:
        return None
    control_id = history.found([each.get("metadata") for each in events], "call_control_id") or leg_id
    call = CarrierCall(id=control_id, refs={"call_leg_id": leg_id})
    progress = history.progress(events, call=call, is_over=False, at=times[0])
    return CarrierRecord(call=call, progress=progress, created_at=times[0])
