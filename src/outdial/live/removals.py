"""Recordings that were erased, removed: each host looks for itself what it has of them on its disk, and one of them
empties the store."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.db.clearing import Clearing
from outdial.db.engine import reading
from outdial.db.retention_tables import recording_removals
from outdial.recordings.recordings import FOLDER, Recordings, call_of

logger = logging.getLogger(__name__)

KEPT = timedelta(days=400)  # a host that was away for longer is set up anew
OLD_REMOVALS = Clearing(table=recording_removals, since=recording_removals.c.at)
RECENT = timedelta(hours=1)  # a transaction that took long is seen by then
AT_ONCE = 5000
STORE_AT_ONCE = 100


class Removals:
    """Of one process. When it starts it goes through all that was ever wanted, afterwards through what is new."""

    def __init__(self, engine: AsyncEngine, data_dir: Path) -> None:
        self._engine = engine
        self._folder = data_dir / FOLDER
        self._after = 0
        self._done: set[int] = set()

    def begin_again(self) -> None:
        """A recording has turned up that may have been wanted gone."""
        self._after, self._done = 0, set()

    async def remove(self) -> int:
        """How many files. Raises what the database raises; then they are found again."""
        removed = 0
        while wanted := await self._wanted():
            by_workspace: dict[str, set[str]] = defaultdict(set)
            for workspace_id, call_id in wanted.values():
                by_workspace[workspace_id].add(call_id)
            found = await asyncio.to_thread(_find, self._folder, by_workspace)
            if found:
                calls = {call_of(path) for path in found}
                await self._want_from_store([id_ for id_, (_, call_id) in wanted.items() if call_id in calls])
                removed += await asyncio.to_thread(_remove, found)
            self._done |= wanted.keys()
        if removed:
            logger.info("Erased recordings removed", extra={"files": removed})
        return removed

    async def _want_from_store(self, ids: Collection[int]) -> None:
        """Once more: what lay here may have been put there since somebody looked, by a process that was killed then."""
        row = recording_removals.c
        async with self._engine.begin() as conn:
            again = update(recording_removals).where(row.id.in_(ids), row.in_store.is_(False))
            await conn.execute(again.values(in_store=True))

    async def _wanted(self) -> dict[int, tuple[str, str]]:
        """By the row's id: workspace and call. Ids are given before they are committed: recent ones are looked at for a
        while, each once."""
        row = recording_removals.c
        query = select(row.id, row.workspace_id, row.call_id, (row.at < func.now() - RECENT).label("is_old"))
        query = query.where(row.id > self._after).order_by(row.id).limit(AT_ONCE + len(self._done))
        async with reading(self._engine) as conn:
            found = (await conn.execute(query)).all()
        old = [each.id for each in found if each.is_old]
        wanted = {each.id: (each.workspace_id, each.call_id) for each in found if each.id not in self._done}
        if not wanted and old:
            self._after = max(old)
            self._done = {each for each in self._done if each > self._after}
        return wanted


async def remove_from_store(engine: AsyncEngine, recordings: Recordings) -> int:
    """What is still there; how many files. May be done twice. Raises StoreUnreachable; then it is found again."""
    row, removed = recording_removals.c, 0
    query = select(row.id, row.workspace_id, row.call_id).where(row.in_store).order_by(row.id).limit(STORE_AT_ONCE)
    while recordings.in_store:
        async with reading(engine) as conn:
            wanted = (await conn.execute(query)).all()
        if not wanted:
            break
        for each in wanted:
            removed += await recordings.remove(each.workspace_id, {each.call_id})
        async with engine.begin() as conn:
            gone = update(recording_removals).where(row.id.in_([each.id for each in wanted]))
            await conn.execute(gone.values(in_store=False))
    return removed


def _find(folder: Path, wanted: Mapping[str, Collection[str]]) -> list[Path]:
    """Every recording of these calls (by workspace), whole or not: one of several attempts has several."""
    found: list[Path] = []
    for workspace_id, call_ids in wanted.items():
        with suppress(FileNotFoundError):
            found += [path for path in (folder / workspace_id).iterdir() if call_of(path) in call_ids]
    return found


def _remove(found: Collection[Path]) -> int:
    removed = 0
    for path in found:
        try:
            path.unlink(missing_ok=True)
            removed += 1
        except OSError as error:
            logger.error("Recording not removed", extra={"file": path.name, "error": type(error).__name__})
    return removed
