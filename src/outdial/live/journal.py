"""A conversation written down as it goes: transcript turns and events, behind the back of the audio.

Each entry has a number, which is written with it: where it isn't known whether a write was taken, what is there already
is not written again.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median_low
from typing import Any, Self

from sqlalchemy import Executable, bindparam
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial import metrics
from outdial.calls.events import ADD_ENTRY, entry_number, event, last_entry
from outdial.conversation.transcript import Turn
from outdial.db.engine import autocommit, is_away
from outdial.db.tables import turns
from outdial.db.trouble import tell_trouble
from outdial.live.disclosure import DisclosureWatch
from outdial.repeating import Pauses, repeat

logger = logging.getLogger(__name__)

AGAIN = Pauses(first_s=0.2, longest_s=2.0)
AT_ONCE = 500
GATHER_S = 0.03  # what has just been said is answered first, and written with what follows it at once
REFUSED_TRIES = 5  # of what the database doesn't take though it is there
MAX_WAITING = 10_000  # some hours of talking, or of a database that is away

COLUMNS = ("speaker", "text", "start_ms", "end_ms", "interrupted", "latency")


def _write_turn() -> Executable:
    """A turn, new or changed, and its event: one statement, built once. Hundreds of calls say something every few
    seconds, and putting a statement together costs more than running it."""
    turn = insert(turns).values({name: bindparam(f"turn_{name}") for name in ("call_id", "seq", *COLUMNS)})
    written = turn.on_conflict_do_update(
        index_elements=["call_id", "seq"], set_={name: turn.excluded[name] for name in COLUMNS}
    )
    return ADD_ENTRY.add_cte(written.cte("written"))


WRITE_TURN = _write_turn()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing to write down: a turn, or an event (its type and its data). `number` is 1, 2, … in the journal."""

    number: int
    what: Turn | tuple[str, Mapping[str, Any]]

    def to_json(self) -> dict[str, Any]:
        match self.what:
            case Turn() as turn:
                return {"number": self.number, "turn": asdict(turn)}
            case (type_, data):
                return {"number": self.number, "type": type_, "data": dict(data)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        what = Turn(**stored["turn"]) if "turn" in stored else (stored["type"], stored["data"])
        return cls(number=stored["number"], what=what)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """Into whose feed a journal is written. `first_seq`: turns of earlier attempts come before those of this one, or
    those from before a transfer; so do the first `entries` of the attempt, which has come back `returns` times.
    `disclosure`: what is to be heard in it."""

    engine: AsyncEngine
    call_id: str
    attempt_number: int = 1
    first_seq: int = 0
    entries: int = 0
    returns: int = 0
    disclosure: str | None = None

    async def write(
        self, entries: Sequence[Entry], *, in_doubt: bool = False, away: Callable[[], None] = lambda: None
    ) -> None:
        """All at once, until the database takes them; what can't be written that way, one by one, so that one bad entry
        costs only itself. `in_doubt`: some may be written already; `away` hears that the database isn't there."""

        refused = 0

        def failed(error: Exception) -> None:
            nonlocal in_doubt, refused
            in_doubt = True
            refused = 0 if is_away(error) else refused + 1
            if refused == REFUSED_TRIES or isinstance(error, DataError):
                raise error
            tell_trouble(self.engine, logger, "Transcript not written; trying again", error, call_id=self.call_id)
            away()

        async def until_taken(part: Sequence[Entry]) -> None:
            nonlocal refused
            refused = 0
            await repeat(
                lambda: self.write_once(part, in_doubt=in_doubt), on=Exception, pauses=AGAIN, failed=failed
            )

        await self._in_parts(entries, until_taken)

    async def write_now(self, entries: Sequence[Entry]) -> None:
        """As `write`, of entries that may be written already; but a database that is away is not waited for. Raises
        what it raises then."""
        await self._in_parts(entries, lambda part: self.write_once(part, in_doubt=True))

    async def _in_parts(
        self, entries: Sequence[Entry], write: Callable[[Sequence[Entry]], Awaitable[None]]
    ) -> None:
        for part in (entries, *([entry] for entry in entries)):
            try:
                await write(part)
            except Exception as error:
                if is_away(error):
                    raise
                if part is not entries:
                    logger.exception("Transcript entry not written", extra={"call_id": self.call_id})
            else:
                if part is entries:
                    return

    async def write_once(self, entries: Sequence[Entry], *, in_doubt: bool = False) -> None:
        """In one transaction. Raises what the database raises."""
        if not entries:
            return
        # One statement commits by itself: a third of the work, and most entries come alone.
        alone = len(entries) == 1 and not in_doubt
        async with autocommit(self.engine) if alone else self.engine.begin() as conn:
            written = await last_entry(conn, self.call_id, self.attempt_number) if in_doubt else 0
            if written is None:
                return  # with its call
            for entry in entries:
                if entry.number > written:
                    await self._write_entry(conn, entry)

    async def _write_entry(self, conn: AsyncConnection, entry: Entry) -> None:
        number = {"event_entry": entry_number(self.attempt_number, entry.number)}
        match entry.what:
            case (type_, data):
                await conn.execute(ADD_ENTRY, event(self.call_id, type_, data) | number)
            case Turn() as turn:
                row = {name: getattr(turn, name) for name in COLUMNS}
                row["text"] = turn.text.replace("\0", "").encode(errors="replace").decode()
                seq = self.first_seq + turn.seq
                parameters = {"turn_call_id": self.call_id, "turn_seq": seq}
                parameters |= {f"turn_{name}": value for name, value in row.items()}
                told = event(self.call_id, "transcript", {"seq": seq, **row})
                await conn.execute(WRITE_TURN, parameters | told | number)


class CallJournal:
    """The Journal of one call (see conversation.session). One task writes, in order; `close` waits for it.

    While the database is away its entries wait: `pending` are those that it has not taken for certain. `when_away`
    hears of each try that failed, `when_written` that nothing waits any more.
    """

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._waiting: deque[Entry] = deque()
        self._number = writing.entries
        self._timed = 0  # the last turn whose latency was counted
        self._latencies_ms: list[int] = []
        self._said: set[int] = set()  # by their seq: turns in which a word was said
        self.disclosure = DisclosureWatch(writing.disclosure)
        self._full = False
        self._closing = False
        self._news = asyncio.Event()
        self.when_away: Callable[[], None] = lambda: None
        self.when_written: Callable[[], None] = lambda: None
        self._task = asyncio.create_task(self._write_all(), name=f"journal of {writing.call_id}")

    def turn(self, turn: Turn) -> None:
        if turn.latency is not None and turn.seq > self._timed:  # a turn comes again as it grows
            self._timed = turn.seq
            metrics.TURN.observe(turn.latency["total"] / 1000)
            self._latencies_ms.append(turn.latency["total"])
        self.disclosure.turn(turn)
        (self._said.add if turn.text else self._said.discard)(turn.seq)
        self._add(turn)

    def event(self, type_: str, data: dict[str, Any]) -> None:
        self._add((type_, data))

    @property
    def turns(self) -> int:
        """How many were said, by both sides."""
        return len(self._said)

    @property
    def latencies_ms(self) -> Sequence[int]:
        return tuple(self._latencies_ms)

    @property
    def turn_latency_ms(self) -> int | None:
        """The median."""
        return median_low(self._latencies_ms) if self._latencies_ms else None

    @property
    def pending(self) -> list[Entry]:
        return list(self._waiting)

    async def close(self) -> None:
        """Everything noted so far is in the database afterwards, or the log says that it isn't."""
        self._closing = True
        self._news.set()
        await asyncio.shield(self._task)

    def abandon(self) -> None:
        """Nobody waits for what is pending any more."""
        self._task.cancel()

    def _add(self, what: Turn | tuple[str, dict[str, Any]]) -> None:
        if len(self._waiting) < MAX_WAITING:
            self._number += 1
            self._waiting.append(Entry(number=self._number, what=what))
            self._news.set()
        elif not self._full:
            self._full = True
            logger.error("Transcript full; the rest is lost", extra={"call_id": self._writing.call_id})

    async def _write_all(self) -> None:
        while self._waiting or not self._closing:
            if not self._waiting:
                await self._news.wait()
            if not self._closing:
                await asyncio.sleep(GATHER_S)
            self._news.clear()
            batch = [entry for _, entry in zip(range(AT_ONCE), self._waiting, strict=False)]
            await self._writing.write(batch, away=lambda: self.when_away())
            for _ in batch:
                self._waiting.popleft()
            if not self._waiting:
                self.when_written()
