"""What the log is told when the database can't be used: minutes of it must not fill the log."""

import logging
from weakref import WeakKeyDictionary

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.db.engine import is_away, why
from outdial.logs import Seldom

# By engine, and by what is said: a hundred calls that wait for the same database make one line.
_told: WeakKeyDictionary[Engine, dict[str, Seldom]] = WeakKeyDictionary()


def tell_trouble(
    engine: AsyncEngine, logger: logging.Logger, sentence: str, error: Exception, **fields: object
) -> None:
    """Log a try that failed. A database that is away makes one line a minute for each sentence, without a traceback
    (`times`: how often since the last one); everything else is a fault, and told each time with its traceback."""
    if not is_away(error):
        logger.error(sentence, extra=fields, exc_info=error)
        return
    seldom = _told.setdefault(engine.sync_engine, {}).setdefault(sentence, Seldom())
    if times := seldom.again():
        logger.warning(sentence, extra={**fields, "reason": why(error), "times": times})
