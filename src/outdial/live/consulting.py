"""Asking somebody whether to take a callee, on a second leg: dialled once, waited for, connected, or let go.

Whoever holds the callee's conversation leads. The second leg may talk in another process (`live/consultations.py`); the
two meet in the database.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.clients import OpenCarrier, carrier_of
from outdial.background import Background
from outdial.calls.consultations import (
    Answer,
    Begun,
    Consultation,
    begin_consultation,
    begin_joining,
    drop,
    note_joined,
    note_placed,
    read_consultation,
)
from outdial.calls.records import AttemptRecord, read_held
from outdial.calls.transfer_gate import admit_transfer
from outdial.carriers.calls import PlaceCall
from outdial.carriers.errors import CarrierError
from outdial.conversation.stopping import retrieve
from outdial.conversation.verb_results import NOT_TAKEN, TransferFailed
from outdial.conversation.warm import Warm
from outdial.db.engine import reading
from outdial.db.trouble import tell_trouble
from outdial.db.workers_tables import an_older_lives
from outdial.dispatch.second_legs import callback_url, end_leg
from outdial.repeating import Pauses, repeat
from outdial.settings import Settings, media_url
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.transfer import TransferOutcome

logger = logging.getLogger(__name__)

RING_TIMEOUT_S = 25
LOOK_EVERY_S = 0.2
BRIEF_S = 90.0      # the longest that picking up, a brief and the question take
THANKED_WITHIN_S = 5.0  # who has declined hears a goodbye
FINISH_S = 10.0
GIVE_UP_S = 10.0    # more, for a carrier that tells nothing
WRITTEN_WITHIN = Pauses(first_s=0.2, longest_s=2.0, tries=20)

BESIDE_AN_OLDER = CallError(
    code=FailureCode.NOT_PREPARED,
    message="Outdial is being upgraded: nobody is asked to take a call until the last process of the older version has "
    "ended.",
)
LEFT = CallError(code=FailureCode.WRONG_CALL_STATE, message="Who had taken the call hung up before it was connected.")

_AN_OLDER_LIVES = select(an_older_lives())


class Consulting:
    """Of one attempt. `caller_id`: the number that the other party sees."""

    def __init__(
        self, engine: AsyncEngine, settings: Settings, open_carrier: OpenCarrier, attempt_id: str, caller_id: str
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._open_carrier = open_carrier
        self._attempt_id = attempt_id
        self._caller_id = caller_id
        self._background = Background()

    async def consult(self, attempt: AttemptRecord, to: str, warm: Warm, joining: Callable[[], None]) -> None:
        """See conversation.call_facts.CarrierControl."""
        begun = await begin_consultation(self._engine, attempt, to, brief=warm.brief, wait_s=warm.wait_s)
        try:
            against = await self._beside_an_older() or await admit_transfer(self._engine, attempt.call_id, to)
            if against is not None:
                raise TransferFailed(against)
            dialling = self._dial(attempt, begun, to)  # not cut short: its reply tells what is to be ended then
            await self._whole(dialling, name=f"second dial of {self._attempt_id}")
            leg = await self._accepted(begun.transfer_id, warm)
        except TransferFailed as failed:
            error = failed.error if failed.result is TransferOutcome.FAILED else None
            await self._let_go(begun.transfer_id, failed.result, error)
            raise
        except BaseException:  # the callee has hung up, or we are to stop: nobody waits for this
            letting_go = self._let_go(begun.transfer_id, TransferOutcome.NO_ANSWER)
            self._background.start(letting_go, name=f"second leg of {self._attempt_id}")
            raise
        joining()
        await self._whole(self._join(attempt, leg), name=f"transfer of {self._attempt_id}")

    async def _beside_an_older(self) -> CallError | None:
        """A process that knows of no second legs would take this for a transfer of the callee."""
        async with reading(self._engine) as conn:
            return BESIDE_AN_OLDER if await conn.scalar(_AN_OLDER_LIVES) else None

    async def aclose(self) -> None:
        """Let nobody ring or wait whom a conversation that is over has left: a process that ends waits for that."""
        await self._background.finish(FINISH_S)

    async def _whole(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        """To its end, also where nobody waits for that any more."""
        task = self._background.start(work, name=name, awaited=True)
        task.add_done_callback(retrieve)
        await asyncio.shield(task)

    async def _dial(self, attempt: AttemptRecord, begun: Begun, to: str) -> None:
        """Once: what a carrier leaves open is not dialled again, and the leg is ended as soon as it is heard of."""
        held = await read_held(self._engine, attempt.id)
        request = PlaceCall(
            ref=f"{attempt.id}.{begun.transfer_id}",  # never the attempt's own: carriers take that for the same dial
            to=to,
            from_=self._caller_id,
            callback_url=callback_url(self._settings, attempt, begun.transfer_id),
            stream_url=media_url(self._settings.stream_base_url, attempt.carrier, attempt.id, begun.token),
            ring_timeout_s=RING_TIMEOUT_S,
            max_duration_s=held.call.max_duration_s,
        )
        try:
            carrier = await carrier_of(self._open_carrier, attempt.carrier_account_id)
            placed = await carrier.place_call(request)
        except CarrierError as error:
            raise TransferFailed(error.as_call_error()) from error
        leg = await note_placed(self._engine, begun.transfer_id, placed)
        if leg.is_to_end:  # nobody waits for it any more
            await end_leg(self._engine, self._open_carrier, leg)

    async def _accepted(self, transfer_id: int, warm: Warm) -> Consultation:
        """Wait for the other party to take it. Raises TransferFailed when it doesn't."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + RING_TIMEOUT_S + BRIEF_S + warm.wait_s + GIVE_UP_S
        while loop.time() < give_up_at:
            leg = await self._leg(transfer_id)
            if leg is None:
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            if leg.result is not None or leg.dropped_at is not None:
                raise TransferFailed(NOT_TAKEN, leg.result or TransferOutcome.FAILED)
            match leg.answer:
                case Answer.ACCEPTED:
                    return leg
                case Answer.DECLINED:
                    raise TransferFailed(NOT_TAKEN, TransferOutcome.DECLINED)
                case Answer.NONE:
                    raise TransferFailed(NOT_TAKEN, TransferOutcome.VOICEMAIL)
            await asyncio.sleep(LOOK_EVERY_S)
        raise TransferFailed(NOT_TAKEN, TransferOutcome.NO_ANSWER)

    async def _leg(self, transfer_id: int) -> Consultation | None:
        """As it is now; None while the database is away."""
        try:
            return await read_consultation(self._engine, transfer_id)
        except Exception as error:
            tell_trouble(self._engine, logger, "Second leg not read", error, attempt_id=self._attempt_id)
            return None

    async def _join(self, attempt: AttemptRecord, leg: Consultation) -> None:
        """Connect the two. Raises TransferFailed, with the other party let go."""
        if not await begin_joining(self._engine, leg.transfer_id) or leg.carrier_call is None:
            await self._let_go(leg.transfer_id, TransferOutcome.FAILED, LEFT)
            raise TransferFailed(LEFT)
        assert attempt.carrier_call is not None  # else nobody is asked
        try:
            carrier = await carrier_of(self._open_carrier, attempt.carrier_account_id)
            room = f"{attempt.id}-{leg.transfer_id}"
            await carrier.join(attempt.carrier_call, leg.carrier_call, room=room)
        except CarrierError as error:
            await self._let_go(leg.transfer_id, TransferOutcome.FAILED, error.as_call_error())
            raise TransferFailed(error.as_call_error()) from error
        noting = repeat(lambda: note_joined(self._engine, leg), on=Exception, pauses=WRITTEN_WITHIN)
        await asyncio.wait({self._background.start(noting, name=f"connected: {self._attempt_id}")}, timeout=2.0)

    async def _let_go(self, transfer_id: int, outcome: TransferOutcome, error: CallError | None = None) -> None:
        """Nobody wants the leg any more. The agent goes on all the same where that can't be written, or the carrier
        doesn't take it: the sweep sees to it."""
        try:
            leg = await drop(self._engine, transfer_id, outcome, error)
        except Exception as failure:
            fields = {"attempt_id": self._attempt_id}
            tell_trouble(self._engine, logger, "Second leg not let go; trying again", failure, **fields)
            return
        self._background.start(self._end(leg), name=f"end of a second leg of {self._attempt_id}")

    async def _end(self, leg: Consultation) -> None:
        if leg.answer is Answer.DECLINED:
            await asyncio.sleep(THANKED_WITHIN_S)  # then whoever talks with them hangs up, too
        await end_leg(self._engine, self._open_carrier, leg)
