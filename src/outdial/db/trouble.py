"""What the log is told when the database can't be used: minutes of it must not fill the log."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar
from weakref import WeakKeyDictionary

import psycopg
from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.db.engine import is_away, why
from outdial.logs import Seldom

START_PATIENCE_S = 30.0  # with a database that is away when a process starts
AGAIN_S = 1.0

T = TypeVar("T")

# By engine, and by what is said: a hundred calls that wait for the same database make one line.
_told: WeakKeyDictionary[Engine, dict[str, Seldom]] = WeakKeyDictionary()


def tell_trouble(
    engine: AsyncEngine, logger: logging.Logger, sentence: str, error: Exception, **fields: object
) -> None:
    """Log a try that failed. A database that is away makes one line a minute for each sentence, without a traceback
    (`times`: how often since the last one); everything else is a fault, and told each time with its traceback."""
    seldom = _told.setdefault(engine.sync_engine, {}).setdefault(sentence, Seldom())
    tell_seldom(seldom, logger, sentence, error, **fields)


def tell_seldom(seldom: Seldom, logger: logging.Logger, sentence: str, error: Exception, **fields: object) -> None:
    """`tell_trouble` for who has no engine: `seldom` remembers when it was told."""
    if not is_away(error):
        logger.error(sentence, extra=fields, exc_info=error)
    elif times := seldom.again():
        logger.warning(sentence, extra={**fields, "reason": why(error), "times": times})


async def outlast(
    step: Callable[[], Awaitable[T]], tell: Callable[[str], None], *, patience_s: float = START_PATIENCE_S
) -> T:
    """Take a step of a start, again while the database is away: it may come up after us, or be restarting. `tell` is
    told what is waited for. After `patience_s` it raises what the last try raised."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + patience_s
    while True:
        try:
            return await step()
        except Exception as error:
            if not (is_away(error) or isinstance(error, psycopg.OperationalError)) or loop.time() > give_up_at:
                raise
            tell(f"Waiting for the database ({_reason(error)})")
        await asyncio.sleep(AGAIN_S)


def _reason(error: Exception) -> str:
    return next(iter(str(getattr(error, "orig", None) or error).splitlines()), "") or why(error)
