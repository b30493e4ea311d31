"""News of live calls: what others write down about a call (a hang-up, a command, a verdict), passed on to the
conversation that is held here."""

import asyncio
import logging

from sqlalchemy import Text, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial import clock
from outdial.calls.records import CALL_COLUMNS, CallRecord
from outdial.db.engine import reading
from outdial.db.notify import Notifications
from outdial.db.tables import calls
from outdial.db.trouble import tell_trouble
from outdial.db.wake import Wake
from outdial.live.commands import CommandDesk, some_wait
from outdial.live.conversations import Conversations
from outdial.telephony.verdict import Verdict, WhoAnswered

logger = logging.getLogger(__name__)

TRY_AGAIN_S = 1.0


class News:
    """Told by NOTIFY `outdial_control`, and when a conversation begins: something may be older than its stream."""

    def __init__(self, engine: AsyncEngine, notifications: Notifications, conversations: Conversations) -> None:
        self._engine = engine
        self._notifications = notifications
        self._conversations = conversations
        self._commands = CommandDesk(engine)
        self._wake = Wake(lambda call_id: conversations.session(call_id) is not None)
        conversations.when_begun(self._wake.tell)

    async def run(self) -> None:
        """Pass on what is written down, until cancelled."""
        with self._wake.listening(self._notifications, "outdial_control"):
            while True:
                told = await self._wake.wait()
                call_ids = set(self._conversations.call_ids) if "" in told else set(told)
                try:
                    await self._pass_on(call_ids)
                except Exception as error:
                    tell_trouble(self._engine, logger, "Live calls not read; trying again", error)
                    await asyncio.sleep(TRY_AGAIN_S)
                    for call_id in told:
                        self._wake.tell(call_id)

    async def aclose(self) -> None:
        """Wait for the answers to commands; the conversations must have ended."""
        await self._commands.aclose()

    async def _pass_on(self, call_ids: set[str]) -> None:
        if not call_ids:
            return
        async with reading(self._engine) as conn:
            rows = (await conn.execute(_NEWS, {"call_ids": list(call_ids)})).mappings().all()
        records = [CallRecord.of(row) for row in rows]
        asked = {row[calls.c.id] for row in rows if row["has_commands"]}
        held = {call_id: session for call_id in asked if (session := self._conversations.session(call_id))}
        if held:
            await self._commands.take({call_id: session.carry_out for call_id, session in held.items()})
        for call in records:
            session = self._conversations.session(call.id)
            if session is None:
                continue
            if call.hang_up_requested_at is not None:
                session.ask_hang_up()
            if call.answered_by is not None:
                session.answering.judged(_as_verdict(call.answered_by))


def _as_verdict(answered_by: WhoAnswered) -> Verdict:
    return Verdict(
        answered_by=answered_by.category,
        at=clock.now(),
        evidence=answered_by.evidence,
        message_end=answered_by.message_end,
        beeped=answered_by.beeped,
    )


# Built once: building it takes longer than running it.
_NEWS = select(*CALL_COLUMNS, some_wait(calls.c.id).label("has_commands")).where(
    calls.c.id == any_(bindparam("call_ids", type_=ARRAY(Text)))
)
