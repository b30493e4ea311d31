"""The embedded PostgreSQL of a process that serves: started with it, started again when it dies, stopped with it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from outdial.db.embedded import ClusterGone, EmbeddedPostgres, EmbeddedPostgresError
from outdial.repeating import Pauses

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
RESTART = Pauses(first_s=1.0, longest_s=10.0, tries=6)  # in each try it is started several times


class Embedded:
    """The embedded database of a process, running. `url`: where."""

    def __init__(self, server: EmbeddedPostgres, url: str) -> None:
        self.url = url
        self._server = server

    async def watch(self, every_s: float = LOOK_EVERY_S) -> None:
        """Until cancelled: start the server again when it dies. So does everybody who shares it; one of them is first.

        Raises EmbeddedPostgresError when it can't be started any more.
        """
        while True:
            await asyncio.sleep(every_s)
            if self._server.postmaster() is None:
                logger.warning("Embedded database died; restarting it")
                await self._revive()

    async def _revive(self) -> None:
        failures = 0
        while True:
            try:
                started = await asyncio.to_thread(self._server.revive)
            except ClusterGone:
                raise
            except EmbeddedPostgresError as error:
                failures += 1
                if RESTART.are_over(failures):
                    raise
                logger.warning("Embedded database not restarted; trying again", extra={"reason": str(error)})
            else:
                logger.warning("Embedded database is back", extra={"restarted_here": started})
                return
            await asyncio.sleep(RESTART.after(failures))


@asynccontextmanager
async def embedded(data_dir: Path, *, settings: Mapping[str, str] | None = None) -> AsyncIterator[Embedded]:
    """The embedded database of `data_dir`, running for as long as the context does.

    Raises EmbeddedPostgresError.
    """
    server = EmbeddedPostgres(data_dir, settings=settings)
    starting = asyncio.create_task(asyncio.to_thread(server.start))

    async def end() -> None:
        with suppress(EmbeddedPostgresError):
            await starting  # a thread can't be cancelled: let it finish, then undo it
        await asyncio.to_thread(server.stop)

    try:
        yield Embedded(server, await asyncio.shield(starting))
    finally:
        await asyncio.shield(asyncio.create_task(end()))
