"""The calls this process is talking on: from the media handshake to the last word and the carrier's hang-up."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.clients import OpenCarrier
from outdial.agents.book import AgentBook, ReadyAgent
from outdial.calls.advance import announce_ending, apply_event, carrier_call, read_attempt
from outdial.calls.claim import stream_token_hash
from outdial.calls.request import check_json_object
from outdial.carriers.errors import CarrierError
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.conversation.call_facts import CallFacts, Engines, MachinePolicy
from outdial.conversation.live_call import TransferFailed
from outdial.conversation.media_line import MediaLine, MediaSocket
from outdial.conversation.session import AUDIO_LOST, Session, SessionEnd
from outdial.db.engine import reading
from outdial.db.notify import Notifications, notify
from outdial.db.tables import attempts, calls, carrier_accounts, turns
from outdial.dispatch.hanging_up import hang_up
from outdial.live.commands import AS_SENT, CommandDesk
from outdial.live.journal import CallJournal
from outdial.live.recordings import FOLDER as RECORDINGS
from outdial.media.pacer import Pacer
from outdial.media.recording import Recording
from outdial.settings import Settings
from outdial.telephony.failures import CallError, FailureCode
from outdial.telephony.state import CallDirection, CallState, EndReason, Progress
from outdial.telephony.verdict import AnsweredBy, Verdict
from outdial.workspaces.secrets import SecretBox

logger = logging.getLogger(__name__)

NOT_REACHABLE = CallError(
    code=FailureCode.WRONG_CALL_STATE, message="The carrier has not yet told how to reach this call."
)
BROKE = CallError(
    code=FailureCode.INTERNAL_ERROR, message="Outdial had to end this call because of an error of its own."
)
AFTER_STREAM_CHECK_S = 3.0  # the carrier's "completed" should be here by then; else it is asked


class LiveCalls:
    """Sessions by call id. Told by NOTIFY `outdial_control` that something about a live call was written down."""

    def __init__(
        self,
        engine: AsyncEngine,
        settings: Settings,
        notifications: Notifications,
        secret_box: SecretBox,
        open_carrier: OpenCarrier,
        agents: AgentBook,
        engines: Engines,
        pacer: Pacer,
        *,
        owner: str,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._notifications = notifications
        self._secret_box = secret_box
        self._open_carrier = open_carrier
        self._agents = agents
        self._engines = engines
        self._pacer = pacer
        self._owner = owner
        self._sessions: dict[str, Session] = {}     # by call id
        self._attempts: set[str] = set()            # attempt ids that are live here
        self._tasks: set[asyncio.Task[None]] = set()
        self._desk = CommandDesk(engine)
        self._told: set[str] = set()                # call ids to look at
        self._told_event = asyncio.Event()

    @property
    def count(self) -> int:
        return len(self._sessions)

    # -- the media handshake ---------------------------------------------------------------------------------

    async def open(
        self, *, carrier: CarrierName, attempt_id: str, token: str, url: str, headers: Mapping[str, str]
    ) -> Callable[[MediaSocket], MediaLine] | None:
        """Check a media websocket's handshake; None refuses it. The token works once.

        The result makes the media line for the accepted socket and starts the conversation.
        """
        kind = CARRIERS[carrier]
        query = (
            select(attempts.c.call_id, attempts.c.number, carrier_accounts.c.credentials)
            .join(carrier_accounts, carrier_accounts.c.id == attempts.c.carrier_account_id)
            .where(attempts.c.id == attempt_id, attempts.c.carrier == carrier)
        )
        async with reading(self._engine) as conn:
            row = (await conn.execute(query)).one_or_none()
        if row is None:
            return None
        credentials = self._secret_box.decrypt(row.credentials)
        now = datetime.now(UTC)
        if kind.signs_streams and not kind.verify(credentials, url=url, headers=headers, body=b"", now=now):
            logger.warning("Media stream with a wrong signature refused", extra={"attempt_id": attempt_id})
            return None
        call = await self._take_stream(attempt_id, token)
        if call is None:
            logger.warning("Media stream with a wrong or used token refused", extra={"attempt_id": attempt_id})
            return None
        agent = await self._agents.agent(call.agent_id, call.agent_version)
        return lambda socket: self._start(kind.name, attempt_id, call, agent, socket)

    async def _take_stream(self, attempt_id: str, token: str) -> Row[Any] | None:
        """Use the token up and make the attempt ours; the call's row, or None when the token isn't good (any more)."""
        now = datetime.now(UTC)
        async with self._engine.begin() as conn:
            taken = await conn.execute(
                update(attempts)
                .where(
                    attempts.c.id == attempt_id,
                    attempts.c.stream_token_hash == stream_token_hash(token),
                    attempts.c.stream_opened_at.is_(None),
                    attempts.c.state != CallState.ENDED,
                )
                .values(
                    stream_opened_at=now,
                    owner=self._owner,
                    lease_until=now + timedelta(seconds=self._settings.lease_s),
                    check_at=now + timedelta(seconds=self._settings.silent_after_s),
                )
                .returning(attempts.c.call_id)
            )
            call_id = taken.scalar_one_or_none()
            if call_id is None:
                return None
            said = select(func.coalesce(func.max(turns.c.seq), 0)).where(turns.c.call_id == call_id)
            query = select(calls, said.scalar_subquery().label("turns")).where(calls.c.id == call_id)
            return (await conn.execute(query)).one()

    def _start(
        self, carrier: CarrierName, attempt_id: str, call: Row[Any], agent: ReadyAgent, socket: MediaSocket
    ) -> MediaLine:
        journal = CallJournal(self._engine, call.id, first_seq=call.turns)
        outbound = call.direction == CallDirection.OUTBOUND
        facts = CallFacts(
            call_id=call.id,
            direction=CallDirection(call.direction),
            user_number=call.to if outbound else call.from_,
            agent_number=call.from_ if outbound else call.to,
            max_duration_s=call.max_duration_s,
            variables=call.variables,
            machine=machine_policy(call.detection, agent),
        )
        control = _Control(self._engine, self._settings, self._open_carrier, attempt_id, facts.agent_number)
        session = Session(facts, agent.run, self._engines, journal, control)
        recording = self._recording_path(call)
        codec = CARRIERS[carrier].stream_codec()
        session.media_line = MediaLine(codec, socket, self._pacer, session, lambda: _open_recording(recording))
        self._sessions[call.id] = session
        self._attempts.add(attempt_id)
        task = asyncio.create_task(
            self._run(attempt_id, call, session, journal, recording), name=f"conversation of {call.id}"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return session.media_line

    def _recording_path(self, call: Row[Any]) -> Path:
        name = f"{call.id}.wav" if not call.turns else f"{call.id}-{call.turns}.wav"
        folder: Path = self._settings.data_dir / RECORDINGS / call.workspace_id
        return folder / name

    # -- the conversation ------------------------------------------------------------------------------------

    async def _run(
        self, attempt_id: str, call: Row[Any], session: Session, journal: CallJournal, recording: Path
    ) -> None:
        fields = {"call_id": call.id, "attempt_id": attempt_id}
        beside = [asyncio.create_task(self._announce_loss(attempt_id, session))]
        if session.max_wait_s is not None:
            beside.append(asyncio.create_task(await_verdict(self._engine, attempt_id, session, session.max_wait_s)))
        try:
            answered = Progress(state=CallState.IN_PROGRESS, at=datetime.now(UTC))
            await apply_event(self._engine, attempt_id, answered, check_in_s=self._settings.silent_after_s)
            self._tell(call.id)  # a verdict or a wish to hang up may be older than the stream
            end = await session.run(self._settings.stream_start_timeout_s)
            for task in beside:
                task.cancel()
            await self._end(attempt_id, call.id, session, end, recording)
        except Exception:
            logger.exception("Conversation broke", extra=fields)
            await self._give_up(attempt_id)
        finally:
            for task in beside:
                task.cancel()
            session.media_line.close()
            if self._sessions.get(call.id) is session:  # else the call's next attempt is talking already
                del self._sessions[call.id]
            self._attempts.discard(attempt_id)
            await journal.close()

    async def _give_up(self, attempt_id: str) -> None:
        """End a call whose conversation broke by a fault of ours. What isn't reached here, the sweep ends."""
        try:
            await announce_ending(self._engine, attempt_id, EndReason.FAILED, BROKE)
            await hang_up(self._engine, self._open_carrier, attempt_id)
        except Exception:
            logger.exception("Broken conversation not ended; the sweep will", extra={"attempt_id": attempt_id})

    async def _announce_loss(self, attempt_id: str, session: Session) -> None:
        """At once: the conversation still winds up when the carrier says "completed", which would be all we know."""
        await session.lost.wait()
        await announce_ending(self._engine, attempt_id, EndReason.FAILED, AUDIO_LOST)

    async def _end(
        self, attempt_id: str, call_id: str, session: Session, end: SessionEnd, recording: Path
    ) -> None:
        if not end.transferred:
            await announce_ending(self._engine, attempt_id, end.end_reason, end.error)
        session.media_line.close()
        check_at = datetime.now(UTC) + timedelta(seconds=AFTER_STREAM_CHECK_S)
        values: dict[str, Any] = {"check_at": check_at}
        if end.transferred:
            values["owner"] = None  # nobody here is needed for it any more
        async with self._engine.begin() as conn:  # the attempt first, as in calls.advance
            await conn.execute(update(attempts).where(attempts.c.id == attempt_id).values(**values))
            await conn.execute(
                update(calls)
                .where(calls.c.id == call_id)
                .values(
                    recording=_saved(recording, self._settings),
                    message_delivered=end.message_delivered,
                    **_outcome(call_id, session.variables),
                )
            )
            await notify(conn, "outdial_call", call_id)  # the call may have ended already; who looks at it wants these
        if end.still_up and await hang_up(self._engine, self._open_carrier, attempt_id):
            event = Progress(state=CallState.ENDED, at=datetime.now(UTC), end_reason=end.end_reason, error=end.error)
            await apply_event(self._engine, attempt_id, event)

    # -- told by the database --------------------------------------------------------------------------------

    def _tell(self, call_id: str) -> None:
        if call_id == "":
            self._told.update(self._sessions)
        elif call_id in self._sessions:
            self._told.add(call_id)
        if self._told:
            self._told_event.set()

    async def run(self) -> None:
        """Keep leases alive and pass on what is written down about live calls, until cancelled."""
        unsubscribe = self._notifications.subscribe("outdial_control", self._tell)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_leases())
                group.create_task(self._pass_on())
        finally:
            unsubscribe()

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._settings.lease_s / 3)
            if not self._attempts:
                continue
            now = datetime.now(UTC)
            try:
                async with self._engine.begin() as conn:
                    await conn.execute(
                        update(attempts)
                        .where(
                            attempts.c.id.in_(self._attempts),
                            attempts.c.state != CallState.ENDED,
                            attempts.c.owner == self._owner,  # not taken over while we couldn't say that we live
                        )
                        .values(
                            lease_until=now + timedelta(seconds=self._settings.lease_s),
                            check_at=now + timedelta(seconds=self._settings.silent_after_s),
                        )
                    )
            except Exception:
                logger.exception("Leases not renewed; trying again")

    async def _pass_on(self) -> None:
        while True:
            await self._told_event.wait()
            self._told_event.clear()
            told, self._told = self._told, set()
            query = select(calls.c.id, calls.c.hang_up_requested_at, calls.c.answered_by).where(calls.c.id.in_(told))
            try:
                async with reading(self._engine) as conn:
                    rows = (await conn.execute(query)).all()
                held = {call_id: session for call_id in told if (session := self._sessions.get(call_id))}
                await self._desk.take({call_id: session.carry_out for call_id, session in held.items()})
            except Exception:
                logger.exception("Live calls can't be looked at; trying again")
                await asyncio.sleep(1)
                self._told |= told
                self._told_event.set()
                continue
            for row in rows:
                session = self._sessions.get(row.id)
                if session is None:
                    continue
                if row.hang_up_requested_at is not None:
                    session.ask_hang_up()
                if row.answered_by is not None:
                    session.answered_by_is(_verdict(row.answered_by))

    async def aclose(self, timeout_s: float = 10.0) -> None:
        """End every conversation in order: the callees' carriers are told, transcripts and recordings saved."""
        for session in list(self._sessions.values()):
            session.ask_hang_up()
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=timeout_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        await self._desk.aclose()


class _Control:
    """What a conversation asks of its carrier (see conversation.call_facts.CarrierControl)."""

    def __init__(
        self, engine: AsyncEngine, settings: Settings, open_carrier: OpenCarrier, attempt_id: str, caller_id: str
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._open_carrier = open_carrier
        self._attempt_id = attempt_id
        self._caller_id = caller_id

    async def transfer(self, to: str) -> None:
        try:
            await self._transfer(to)
        except CarrierError as error:
            raise TransferFailed(error.as_call_error()) from error

    async def _transfer(self, to: str) -> None:
        row = await read_attempt(self._engine, self._attempt_id)
        carrier = await self._open_carrier(row.carrier_account_id)
        callback_url = f"{self._settings.base_url}/callbacks/{row.carrier}/{self._attempt_id}"
        call = carrier_call(row)
        if call is None:  # talking before the carrier told the id: no reply, no callback yet
            raise TransferFailed(NOT_REACHABLE)
        await carrier.transfer(call, to, self._caller_id, callback_url)


async def await_verdict(engine: AsyncEngine, attempt_id: str, session: Session, max_wait_s: float) -> None:
    """Where detection has come to no result by then, that is the result. A later one still changes the course."""
    await asyncio.sleep(max_wait_s)
    if session.is_judged:
        return
    unknown = Verdict(answered_by=AnsweredBy.UNKNOWN, at=datetime.now(UTC), evidence=("deadline",))
    try:
        await apply_event(engine, attempt_id, unknown)
    except Exception:
        logger.exception("Missing verdict not recorded", extra={"attempt_id": attempt_id})


def machine_policy(detection: Mapping[str, Any] | None, agent: ReadyAgent) -> MachinePolicy:
    """What to do with a machine: the request's word, else the agent's, else hang up. Without detection: nothing."""
    if detection is None:
        return MachinePolicy(action="continue")
    message = detection.get("message") or agent.machine_message
    return MachinePolicy(
        action=detection.get("on_machine") or agent.machine_action,
        message=lambda call: agent.word(message, call) if message else "",
        max_wait_s=detection.get("max_wait_s") or 30,
    )


def _open_recording(path: Path) -> Recording | None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Recording(path)
    except OSError:
        logger.exception("Recording can't be written; the call goes on without")
        return None


def _outcome(call_id: str, variables: dict[str, Any]) -> dict[str, Any]:
    """The variables as the agent leaves them, where they can be stored: an agent may put anything into them."""
    try:
        left = check_json_object(json.loads(json.dumps(variables)))
        return {"variables": left, "sent_variables": AS_SENT}
    except (TypeError, ValueError, RecursionError) as error:
        logger.warning("Variables can't be stored", extra={"call_id": call_id, "reason": type(error).__name__})
        return {}


def _saved(recording: Path, settings: Settings) -> str | None:
    """What the database says of a recording: its path under the data directory."""
    return str(recording.relative_to(settings.data_dir)) if recording.exists() else None


def _verdict(answered_by: Mapping[str, Any]) -> Verdict:
    return Verdict(
        answered_by=AnsweredBy(answered_by["category"]),
        at=datetime.now(UTC),
        evidence=tuple(answered_by["evidence"]),
        message_end=bool(answered_by.get("message_end")),
    )
