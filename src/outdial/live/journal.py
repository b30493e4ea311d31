"""A conversation written down as it goes: transcript turns and events, behind the back of the audio."""

import asyncio
import logging
from typing import Any

from sqlalchemy import Executable, bindparam
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.calls.events import ADD_EVENT, add_event, event
from outdial.conversation.transcript import Turn
from outdial.db.tables import turns

logger = logging.getLogger(__name__)

TRIES = 5
MAX_WAITING = 10_000

COLUMNS = ("speaker", "text", "start_ms", "end_ms", "interrupted", "latency")


def _write_turn() -> Executable:
    """A turn, new or changed, and its event: one statement, built once. Hundreds of calls say something every few
    seconds, and putting a statement together costs more than running it."""
    turn = insert(turns).values({name: bindparam(f"turn_{name}") for name in ("call_id", "seq", *COLUMNS)})
    written = turn.on_conflict_do_update(
        index_elements=["call_id", "seq"], set_={name: turn.excluded[name] for name in COLUMNS}
    )
    return ADD_EVENT.add_cte(written.cte("written"))


WRITE_TURN = _write_turn()

Entry = Turn | tuple[str, dict[str, Any]]


class CallJournal:
    """The Journal of one call (see conversation.session). One task writes, in order; `close` waits for it."""

    def __init__(self, engine: AsyncEngine, call_id: str, *, first_seq: int = 0) -> None:
        self._engine = engine
        self._call_id = call_id
        self._first_seq = first_seq  # turns of earlier attempts come before ours
        self._queue: asyncio.Queue[Entry | None] = asyncio.Queue(MAX_WAITING)
        self._task = asyncio.create_task(self._write_all(), name=f"journal of {call_id}")

    def turn(self, turn: Turn) -> None:
        self._queue.put_nowait(turn)

    def event(self, type_: str, data: dict[str, Any]) -> None:
        self._queue.put_nowait((type_, data))

    async def close(self) -> None:
        """Everything noted so far is in the database afterwards, or the log says that it isn't."""
        self._queue.put_nowait(None)
        await self._task

    async def _write_all(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get_nowait())
            last = batch[-1] is None
            await self._write([entry for entry in batch if entry is not None])
            if last:
                return

    async def _write(self, entries: list[Entry]) -> None:
        """All at once; what can't be written that way, one by one, so that one bad entry costs only itself."""
        for attempt in range(TRIES):
            try:
                await self._write_together(entries)
                return
            except DataError:
                break
            except Exception:
                logger.warning("Transcript not written; trying again", extra={"call_id": self._call_id}, exc_info=True)
                await asyncio.sleep(2**attempt * 0.2)
        for entry in entries:
            try:
                await self._write_together([entry])
            except Exception:
                logger.exception("Transcript entry not written", extra={"call_id": self._call_id})

    async def _write_together(self, entries: list[Entry]) -> None:
        if not entries:
            return
        async with self._engine.begin() as conn:
            for entry in entries:
                match entry:
                    case Turn():
                        await self._write_turn(conn, entry)
                    case (type_, data):
                        await add_event(conn, self._call_id, type_, data)

    async def _write_turn(self, conn: AsyncConnection, turn: Turn) -> None:
        row = {
            "speaker": turn.speaker,
            "text": turn.text.replace("\0", "").encode(errors="replace").decode(),
            "start_ms": turn.start_ms,
            "end_ms": turn.end_ms,
            "interrupted": turn.interrupted,
            "latency": turn.latency,
        }
        seq = self._first_seq + turn.seq
        parameters = {"turn_call_id": self._call_id, "turn_seq": seq} | {f"turn_{name}": row[name] for name in COLUMNS}
        await conn.execute(WRITE_TURN, parameters | event(self._call_id, "transcript", {"seq": seq, **row}))
