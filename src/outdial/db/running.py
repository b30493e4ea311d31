"""The database of these settings, ready for use: found or started, reachable, at this version's schema; made and
brought up to date where that is wanted, else left as it is."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.db.engine import create_engine, put_away
from outdial.db.migrate import check_current, upgrade
from outdial.settings import Settings


@asynccontextmanager
async def running_url(settings: Settings) -> AsyncIterator[str]:
    """The URL set by the operator, the direct one where there are two, or that of the embedded PostgreSQL, which runs
    as long as this context."""
    if (url := settings.direct_database_url or settings.database_url) is not None:
        yield url.get_secret_value()
        return
    from outdial.db.supervised import embedded  # POSIX only

    async with embedded(settings.data_dir) as database:
        yield database.url


def running_engine(settings: Settings) -> AbstractAsyncContextManager[AsyncEngine]:
    """An engine on that database, migrated."""
    return _engine(settings, upgrade)


def existing_engine(settings: Settings) -> AbstractAsyncContextManager[AsyncEngine]:
    """An engine on that database as it is: nothing is made in it or migrated. Where it is an embedded one, it has to
    exist (`db.made.is_made`). Raises SchemaError for one that isn't at this version's schema."""
    return _engine(settings, check_current)


@asynccontextmanager
async def _engine(
    settings: Settings, make_ready: Callable[[AsyncEngine], Awaitable[None]]
) -> AsyncIterator[AsyncEngine]:
    async with running_url(settings) as url:
        engine = create_engine(url)
        try:
            await make_ready(engine)
            yield engine
        finally:
            await put_away(engine)
