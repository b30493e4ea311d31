"""Who listens to a call that is held here: let in and written down before a sound is heard, and written down again when
they have left."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial import clock
from outdial.background import Background
from outdial.calls.events import add_event
from outdial.conversation.commands import CommandRefused, Say
from outdial.conversation.session import Session
from outdial.db.engine import reading
from outdial.db.tables import calls
from outdial.db.trouble import tell_trouble
from outdial.instants import to_json
from outdial.live.given import words_of
from outdial.live.in_conversation import require_conversation
from outdial.live.listening_in.tap import Block, Listener, Tap
from outdial.refusals import Conflict, LimitReached
from outdial.repeating import UNTIL_WRITTEN, repeat
from outdial.workspaces.audit import Actor, record
from outdial.workspaces.listening import Announce, ListeningNotice, get_listening_notice

logger = logging.getLogger(__name__)

MOST_OF_A_CALL = 12
RETRY_AFTER_S = 5
MEDIA_ELSEWHERE = "media_elsewhere"
FINISH_S = 3.0     # for what is written of who has just left
TELL_TRIES = 20    # of the sentence that tells the callee, while the agent doesn't talk yet, or can't
TELL_PAUSE_S = 0.5


class Held(Protocol):
    """The conversations whose media is here. Where it is elsewhere, that process is asked
    (`api/listening_elsewhere.py`)."""

    def session(self, call_id: str) -> Session | None: ...


@dataclass(slots=True, kw_only=True, eq=False)
class Joined:
    """One person at one call, from `join` to `leave`."""

    workspace_id: str
    call_id: str
    by: Actor
    tap: Tap
    listener: Listener
    since: datetime = field(default_factory=clock.now)

    @property
    def is_over(self) -> bool:
        return self.listener.is_over

    @staticmethod
    def now() -> float:
        """Of the event loop's clock."""
        return asyncio.get_running_loop().time()

    async def take(self, wait_s: float) -> list[Block]:
        """As Listener.take."""
        return await self.listener.take(wait_s)


class ListeningIn:
    """Of one process. `held` None: it holds no conversations."""

    def __init__(self, engine: AsyncEngine, held: Held | None) -> None:
        self._engine = engine
        self._held = held
        self._taps: dict[str, Tap] = {}  # by call id
        self._joining: dict[str, int] = {}  # how many are being written down
        self._writing = Background()
        self._telling = Background()

    async def join(self, workspace_id: str, call_id: str, by: Actor) -> Joined:
        """Listen from now on. Whoever gets the result calls `leave` with it, whatever happens.

        Raises NotFound, Conflict (nobody talks on the call now, or not here: MEDIA_ELSEWHERE) and LimitReached.
        """
        session = await self._session(workspace_id, call_id)
        tap = self._taps.get(call_id)
        listening = self._joining.get(call_id, 0) + (0 if tap is None else len(tap.listeners))
        if listening >= MOST_OF_A_CALL:
            sentence = f"At most {MOST_OF_A_CALL} people may listen to a call at once."
            raise LimitReached("too_many_listeners", sentence, RETRY_AFTER_S)
        self._joining[call_id] = self._joining.get(call_id, 0) + 1
        try:
            notice = await self._write_beginning(workspace_id, call_id, by)
        finally:
            self._joining[call_id] -= 1
            if not self._joining[call_id]:
                del self._joining[call_id]
        tap = self._tap(call_id, session)
        is_told = notice.announce is not Announce.NEVER
        listener = tap.add(lambda: not is_told or session.notice.over or session.answering.is_machine)
        joined = Joined(workspace_id=workspace_id, call_id=call_id, by=by, tap=tap, listener=listener)
        if is_told:
            self._telling.start(self._tell_callee(joined, session, notice), name=f"notice on {call_id}")
        return joined

    def leave(self, joined: Joined) -> None:
        """What is written of it is written behind."""
        joined.tap.remove(joined.listener)
        if self._taps.get(joined.call_id) is joined.tap and not joined.tap.listeners:
            del self._taps[joined.call_id]
        self._writing.start(self._write_end(joined, clock.now()), name=f"listener of {joined.call_id}")

    async def aclose(self) -> None:
        """The conversations must have ended, and with them all listening."""
        await self._telling.cancel()
        await self._writing.finish(FINISH_S)

    def _tap(self, call_id: str, session: Session) -> Tap:
        known = self._taps.get(call_id)
        if known is not None and known.is_of(session.media_line):
            return known
        tap = Tap(session.media_line, lambda: self._forget(call_id, tap))
        if not tap.is_closed:
            self._taps[call_id] = tap
        return tap

    def _forget(self, call_id: str, tap: Tap) -> None:
        if self._taps.get(call_id) is tap:
            del self._taps[call_id]

    async def _session(self, workspace_id: str, call_id: str) -> Session:
        """Raises NotFound and Conflict."""
        async with reading(self._engine) as conn:
            await require_conversation(conn, workspace_id, call_id)
        session = None if self._held is None else self._held.session(call_id)
        if session is None:
            raise Conflict(
                MEDIA_ELSEWHERE,
                "The audio of this call is at another process of this Outdial, which can't be reached from here.",
            )
        return session

    # -- what is told and written down -----------------------------------------------------------------------

    async def _tell_callee(self, joined: Joined, session: Session, notice: ListeningNotice) -> None:
        """Once a conversation, however many listen; a machine isn't told. Who has joined hears nothing before, and
        leaves where it can't be said."""
        of_call, rounds, refusals = session.notice, 0, 0
        while not (of_call.over or joined.is_over):
            rounds += 1  # an agent that says nothing says no sentence before its first words
            is_due = of_call.is_due or (of_call.before_greeting is not None and rounds > TELL_TRIES)
            if is_due and not session.answering.is_machine:
                why = await self._say(session, words_of(notice, of_call.language))
                refusals += why is not None
                if refusals == TELL_TRIES:
                    fields = {"call_id": joined.call_id, "error": why}
                    logger.warning("Notice of listening in not said; listening ended", extra=fields)
                    joined.listener.end()
            await asyncio.sleep(TELL_PAUSE_S)

    async def _say(self, session: Session, text: str) -> str | None:
        """Why it couldn't be said; None: it was."""
        why: str | None = "broken_off"
        session.notice.take()
        session.notice.said = True
        try:
            await session.carry_out(Say(text=text))
            why = None
        except CommandRefused as refused:
            why = refused.code
        finally:
            session.notice.was_said(why is None)
        return why

    async def _write_beginning(self, workspace_id: str, call_id: str, by: Actor) -> ListeningNotice:
        """Nobody hears a call without that. Raises what the database raises."""
        async with self._engine.begin() as conn:
            await record(conn, workspace_id, by, "call.listening_began", subject_id=call_id)
            await add_event(conn, call_id, "listener_joined", {})
            return await get_listening_notice(conn, workspace_id)

    async def _write_end(self, joined: Joined, until: datetime) -> None:
        seconds = round((until - joined.since).total_seconds(), 1)
        details = {"from": to_json(joined.since), "to": to_json(until), "seconds": seconds}

        async def write() -> None:
            async with self._engine.begin() as conn:
                act, call_id = "call.listened_to", joined.call_id
                await record(conn, joined.workspace_id, joined.by, act, subject_id=call_id, details=details)
                if await conn.scalar(select(calls.c.id).where(calls.c.id == call_id)) is not None:
                    await add_event(conn, call_id, "listener_left", {"listened_s": seconds})

        await self._until_written(write, joined.call_id)

    async def _until_written(self, write: Callable[[], Awaitable[None]], call_id: str) -> None:
        def failed(error: Exception) -> None:
            fields = {"call_id": call_id}
            tell_trouble(self._engine, logger, "End of listening not written; trying again", error, **fields)

        await repeat(write, on=Exception, pauses=UNTIL_WRITTEN, failed=failed)
