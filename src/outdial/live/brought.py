"""What a conversation brings, on its way into the database: its journal as it goes, its result when it is over.

The database may be away at any moment, and the process may die at any other: so the result lies on disk before it is
written, and the journal as soon as it can't be. A process that finds such a file delivers it; what was taken already
changes nothing.
"""

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.background import Background
from outdial.calls.results import Result, save_result
from outdial.db.engine import is_away
from outdial.db.trouble import tell_trouble
from outdial.live.journal import CallJournal, Entry, Writing
from outdial.live.spool import Spool
from outdial.repeating import UNTIL_WRITTEN, repeat

logger = logging.getLogger(__name__)

REFUSED_TRIES = 3  # of a result that the database doesn't take though it is there


class Brought:
    """Of one conversation of an attempt: each has its own file. `result` is set when it is over."""

    def __init__(self, engine: AsyncEngine, spool: Spool, attempt_id: str, writing: Writing) -> None:
        self.result: Result | None = None
        self.journal = CallJournal(writing)
        self.journal.when_away = self._journal_is_away
        self.journal.when_written = self._journal_is_written
        self._engine = engine
        self._spool = spool
        self._attempt_id = attempt_id
        self._writing = writing
        self._file = attempt_id if not writing.returns else f"{attempt_id}-{writing.returns}"
        self._is_kept = False
        self._is_saved = False
        self._filing = Background()

    async def keep(self) -> None:
        """It is on the disk when this returns."""
        self._is_kept = True
        await self._spool.keep(self._file, self._content())

    def keep_now(self) -> None:
        """As `keep`, for a process that ends, and waits for the database no longer."""
        self.journal.abandon()
        if not self._is_saved or self.journal.pending:
            self._spool.keep_now(self._file, self._content())

    async def save(self, result: Result) -> None:
        """Write the result until the database takes it. What it doesn't take stays on the disk."""
        self.result, refused = result, 0

        def failed(error: Exception) -> None:
            nonlocal refused
            refused = 0 if is_away(error) else refused + 1
            sentence = "Result not saved; trying again"
            tell_trouble(self._engine, logger, sentence, error, attempt_id=self._attempt_id)
            if refused == REFUSED_TRIES:
                raise error

        try:
            await repeat(
                lambda: save_result(self._engine, self._attempt_id, self._writing.call_id, result),
                on=Exception,
                pauses=UNTIL_WRITTEN,
                failed=failed,
            )
            self._is_saved = True
        except Exception:
            logger.exception("Result refused by the database; kept on disk", extra={"attempt_id": self._attempt_id})

    async def finish(self) -> None:
        """Wait until the journal is written, too; then nothing need lie on the disk any more."""
        await self.journal.close()
        await self._filing.finish(UNTIL_WRITTEN.longest_s)
        if self._is_kept and self._is_saved:
            await self._spool.remove(self._file)

    def _journal_is_away(self) -> None:
        if not len(self._filing):
            self._filing.start(self.keep(), name=f"keeping the journal of {self._attempt_id}")

    def _journal_is_written(self) -> None:
        if self._is_kept and self.result is None:
            self._is_kept = False
            self._filing.start(self._spool.remove(self._file), name=f"journal of {self._attempt_id}")

    def _content(self) -> dict[str, Any]:
        return {
            "attempt_id": self._attempt_id,
            "call_id": self._writing.call_id,
            "attempt_number": self._writing.attempt_number,
            "first_seq": self._writing.first_seq,
            "journal": [entry.to_json() for entry in self.journal.pending],
            "result": None if self.result is None else self.result.to_json(),
        }


async def deliver(engine: AsyncEngine, content: Mapping[str, Any]) -> None:
    """Enter what a dead process has kept into its call; again, if need be. Raises what the database raises."""
    writing = Writing(
        engine=engine,
        call_id=content["call_id"],
        attempt_number=content["attempt_number"],
        first_seq=content["first_seq"],
    )
    await writing.write_now([Entry.from_json(entry) for entry in content["journal"]])
    if content["result"] is not None:
        result = Result.from_json(content["result"])
        await save_result(engine, content["attempt_id"], content["call_id"], result)
