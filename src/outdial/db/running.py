"""The database of these settings, ready for use: found or started, reachable, at this version's schema."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.db.engine import create_engine
from outdial.db.migrate import upgrade
from outdial.settings import Settings


@asynccontextmanager
async def running_url(settings: Settings) -> AsyncIterator[str]:
    """The URL set by the operator, or that of the embedded PostgreSQL, which runs as long as this context."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    from outdial.db.supervised import embedded  # POSIX only

    async with embedded(settings.data_dir) as database:
        yield database.url


@asynccontextmanager
async def running_engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """An engine on that database, migrated."""
    async with running_url(settings) as url:
        engine = create_engine(url)
        try:
            await upgrade(engine)
            yield engine
        finally:
            await engine.dispose()
