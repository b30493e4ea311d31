"""Calls brought to where they are to be in the dump, each step by the function of 0.1.0 that does it in a server."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import carriers_words as words
from carriers_words import Dialled, Told
from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.calls.admission import Claim, claim_due_calls
from outdial.calls.callbacks import Callbacks
from outdial.calls.dialing import dial
from outdial.calls.inbound import Admitted, TurnedAway, admit_call
from outdial.calls.intake import create_call
from outdial.calls.journal import CallJournal
from outdial.calls.live import LiveCalls
from outdial.calls.request import OutboundRequest
from outdial.calls.state import CallState, CarrierCall, EndReason, Progress
from outdial.calls.transitions import apply_event
from outdial.calls.workers import Worker
from outdial.carriers.base import CarrierError, CarrierName, Detection, IncomingCall
from outdial.carriers.registry import CARRIERS
from outdial.conversation.session_end import SessionEnd
from outdial.conversation.transcript import Turn
from outdial.db.tables import calls, carrier_accounts, numbers
from outdial.settings import Settings
from outdial.workspaces.secrets import SecretBox


class OneReply:
    """A carrier that answers one dial."""

    def __init__(self, outcome: CarrierCall | CarrierError) -> None:
        self._outcome = outcome

    async def place_call(self, request: object) -> CarrierCall:
        if isinstance(self._outcome, CarrierError):
            raise self._outcome
        return self._outcome


async def _no_carrier(account_id: str) -> Any:
    raise AssertionError("nothing in the dump asks a carrier")


@dataclass(slots=True, kw_only=True)
class Office:
    engine: AsyncEngine
    settings: Settings
    secret_box: SecretBox
    clock: Any
    worker: Worker
    callbacks: Callbacks = field(init=False)
    callees: int = 0

    def __post_init__(self) -> None:
        self.callbacks = Callbacks(self.engine, self.settings, self.secret_box, _no_carrier)

    def callee(self) -> str:
        """A number nobody has: 555-01xx is kept for stories."""
        self.callees += 1
        return f"+1202555{100 + self.callees:04d}"

    # -- out -------------------------------------------------------------------------------------------------

    async def ask(self, workspace_id: str, number_id: str, *, key: str | None = None, **body: Any) -> str:
        """A queued call's id. `body` as in POST …/outbound, without `to`."""
        self.clock.pass_time(2)
        request = OutboundRequest.model_validate({"to": self.callee(), **body})
        accepted = await create_call(
            self.engine, self.settings, workspace_id=workspace_id, number_id=number_id, request=request,
            idempotency_key=key,
        )  # fmt: skip
        return accepted.call_id

    async def claim(self, workspace_id: str, *, owner: str | None = None) -> Claim:
        """The one call that is due."""
        self.clock.pass_time(2)
        admitted = await claim_due_calls(
            self.engine, workspace_id, owner=owner or self.worker.id, lease_s=self.settings.lease_s
        )
        [claim] = admitted.claims
        return claim

    async def dialled(
        self, workspace_id: str, number_id: str, *, key: str | None = None, owner: str | None = None, **body: Any
    ) -> Dialled:
        """Accepted by its carrier; no phone rings yet."""
        await self.ask(workspace_id, number_id, key=key, **body)
        return await self.again(workspace_id, owner=owner)

    async def again(self, workspace_id: str, *, owner: str | None = None) -> Dialled:
        """The next attempt of a call that waits."""
        claim = await self.claim(workspace_id, owner=owner)
        call = words.carrier_call(CarrierName(claim.carrier), claim.attempt_id)
        self.clock.pass_time(0.4)
        await dial(self.engine, self.settings, OneReply(call), claim, Detection.OFF)  # type: ignore[arg-type]
        return Dialled(
            attempt_id=claim.attempt_id, call_id=claim.call_id, stream_token=claim.stream_token,
            carrier=CarrierName(claim.carrier), call=call, from_=claim.from_, to=claim.to,
        )  # fmt: skip

    async def refused(self, workspace_id: str, number_id: str, error: CarrierError, **body: Any) -> Claim:
        """A dial that the carrier answers with an error (or with nothing)."""
        await self.ask(workspace_id, number_id, **body)
        claim = await self.claim(workspace_id)
        await self.fail_dial(claim, error)
        return claim

    async def fail_dial(self, claim: Claim, error: CarrierError) -> None:
        await dial(self.engine, self.settings, OneReply(error), claim, Detection.OFF)  # type: ignore[arg-type]

    # -- in --------------------------------------------------------------------------------------------------

    async def account(self, number_id: str) -> Row[Any]:
        query = select(carrier_accounts, numbers.c.e164).join(numbers).where(numbers.c.id == number_id)
        async with self.engine.connect() as conn:
            return (await conn.execute(query)).one()

    async def incoming(self, number_id: str, *, from_: str | None = None) -> Dialled | None:
        """A call to one of our numbers; None when it was turned away."""
        self.clock.pass_time(5)
        account = await self.account(number_id)
        carrier = CarrierName(account.carrier)
        from_ = from_ or self.callee()
        call = words.carrier_call(carrier, f"incoming {from_} {self.clock.now}")
        incoming = IncomingCall(call=call, from_=from_, to=account.e164, at=self.clock.now)
        decision = await admit_call(
            self.engine, self.settings, self.secret_box, account, incoming, owner=self.worker.id
        )
        if isinstance(decision, TurnedAway):
            return None
        assert isinstance(decision, Admitted)
        async with self.engine.connect() as conn:
            call_id = await conn.scalar(select(calls.c.id).order_by(calls.c.created_at.desc(), calls.c.id).limit(1))
        return Dialled(
            attempt_id=decision.attempt_id, call_id=str(call_id), stream_token=decision.stream_token, carrier=carrier,
            call=call, from_=from_, to=account.e164, inbound=True,
        )  # fmt: skip

    # -- what the carrier tells ------------------------------------------------------------------------------

    async def hear(self, dialled: Dialled, told: Told | None, *, handle: bool = True) -> None:
        if told is None:
            return
        kind, headers, body = told
        callback = CARRIERS[dialled.carrier].parse(kind, body, headers=headers, received_at=self.clock.now)
        await self.callbacks.store(dialled.attempt_id, kind, callback, headers=headers, body=body)
        if handle:
            while await self.callbacks._handle_some():
                pass

    async def hear_too_late(self, dialled: Dialled) -> None:
        """Stored, and nobody has looked at them when the database is dumped."""
        for told in (words.answered(dialled, self.clock.now), words.verdict(dialled, self.clock.now, "human")):
            await self.hear(dialled, told, handle=False)

    async def ring(self, dialled: Dialled) -> None:
        self.clock.pass_time(1.5)
        await self.hear(dialled, words.ringing(dialled, self.clock.now))

    async def answer(self, dialled: Dialled) -> None:
        await self.ring(dialled)
        self.clock.pass_time(4)
        dialled.answered_at = self.clock.now
        await self.hear(dialled, words.answered(dialled, self.clock.now))

    async def judge(self, dialled: Dialled, word: str) -> None:
        self.clock.pass_time(3)
        await self.hear(dialled, words.verdict(dialled, self.clock.now, word))

    async def end(self, dialled: Dialled, how: str) -> None:
        self.clock.pass_time(6)
        await self.hear(dialled, words.ended(dialled, self.clock.now, how))

    # -- the conversation ------------------------------------------------------------------------------------

    async def talk(self, dialled: Dialled, *turns: str, open_: bool = False, owner: str | None = None) -> int:
        """The media stream opens and both speak in turn, the agent first; what ends in - was cut off there.

        `open_`: the last turn is being spoken. Returns how many turns earlier attempts had.
        """
        live = SimpleNamespace(_engine=self.engine, _owner=owner or self.worker.id, _settings=self.settings)
        call = await LiveCalls._take_stream(live, dialled.attempt_id, dialled.stream_token)  # type: ignore[arg-type]
        assert call is not None
        answered = Progress(state=CallState.IN_PROGRESS, at=self.clock.now)
        await apply_event(self.engine, dialled.attempt_id, answered, check_in_s=self.settings.silent_after_s)
        journal = CallJournal(self.engine, dialled.call_id, first_seq=call.turns)
        at_ms = 200
        for place, text in enumerate(turns):
            agent, last = place % 2 == 0, place == len(turns) - 1
            latency = {"silence": 420, "recognition": 95, "decision": 3, "synthesis": 60, "total": 578}
            journal.turn(
                Turn(
                    seq=at_ms + 1, speaker="agent" if agent else "callee", text=text.rstrip("-"), start_ms=at_ms,
                    end_ms=None if last and open_ else at_ms + 1500, interrupted=text.endswith("-"),
                    latency=latency if agent and place else None,
                )
            )  # fmt: skip
            at_ms += 2000
        if any(text == "(1)" for text in turns):
            journal.event("digit", {"at_ms": at_ms})
        await journal.close()
        self.clock.pass_time(at_ms / 1000)
        return int(call.turns)

    async def hang_up_first(
        self, dialled: Dialled, end: SessionEnd, variables: dict[str, Any] | None = None, *, turns_before: int = 0,
        recorded: bool = True,
    ) -> None:  # fmt: skip
        """The conversation ends by our side; the carrier's word follows (`end`)."""
        async with self.engine.connect() as conn:
            row = (await conn.execute(select(calls).where(calls.c.id == dialled.call_id))).one()
        live = SimpleNamespace(_engine=self.engine, _settings=self.settings, _open_carrier=_no_carrier)
        session = SimpleNamespace(line=SimpleNamespace(close=lambda: None), variables=row.variables | (variables or {}))
        recording: Path = LiveCalls._recording_path(live, SimpleNamespace(  # type: ignore[arg-type]
            id=row.id, turns=turns_before, workspace_id=row.workspace_id))  # fmt: skip
        if recorded:
            _touch(recording)
        await LiveCalls._end(live, dialled.attempt_id, dialled.call_id, session, end, recording)  # type: ignore[arg-type]

    async def completed(
        self, number_id: str, workspace_id: str, *turns: str, variables: dict[str, Any] | None = None, **body: Any
    ) -> Dialled:
        """Dialled, answered, talked, over."""
        dialled = await self.dialled(workspace_id, number_id, **body)
        await self.answer(dialled)
        await self.talk(dialled, *turns)
        await self.hang_up_first(dialled, OVER, variables)
        await self.end(dialled, "completed")
        return dialled

    async def change(self, table: Any, id_: str, **values: Any) -> None:
        """What no function of 0.1.0 does quickly."""
        async with self.engine.begin() as conn:
            await conn.execute(update(table).where(table.c.id == id_).values(values))


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


OVER = SessionEnd(end_reason=EndReason.COMPLETED, still_up=False)
