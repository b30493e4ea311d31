"""How often a password may be tried: by e-mail address and by network address, across all processes.

An attempt counts as failed until it has succeeded, so many at once are no way around it. Waits grow to a limit, and
after an hour without an attempt all is forgotten. Waits for an e-mail address stay short: whoever knows the address can
make its owner wait.
"""

import hashlib
import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.db.clearing import Clearing
from outdial.db.tables import sign_in_failures
from outdial.networks import network_of
from outdial.refusals import LimitReached

logger = logging.getLogger(__name__)

FORGOTTEN_AFTER = timedelta(hours=1)
_TIDIED_AT_ONCE = 20

OLD_FAILURES = Clearing(table=sign_in_failures, since=sign_in_failures.c.last_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The first `free` attempts cost nothing; the next wait 1 s, 2 s, 4 s, … up to `max_wait_s`."""

    name: str
    free: int
    max_wait_s: int

    def wait_s(self, failures: int) -> int:
        """How long after the last of so many failures the next attempt has to wait."""
        over = failures - self.free
        return 0 if over < 0 else min(self.max_wait_s, 2 ** min(over, 30))


OF_AN_EMAIL = Limit(name="email", free=5, max_wait_s=60)
OF_AN_ADDRESS = Limit(name="address", free=20, max_wait_s=900)


async def count_attempt(engine: AsyncEngine, *, email: str, address: str) -> None:
    """Raises LimitReached while either has to wait; then the attempt isn't counted."""
    async with engine.begin() as conn:
        await _tidy(conn)
        for subject, limit in _subjects(email, address):
            now, failures = await _locked(conn, subject)
            wait_s = limit.wait_s(failures + 1)
            if wait_s:  # refused attempts aren't counted, so this is told once a wait
                logger.warning("Sign-in limit reached", extra={"limit": limit.name, "wait_s": wait_s})
            await conn.execute(
                update(sign_in_failures)
                .where(sign_in_failures.c.subject == subject)
                .values(failures=failures + 1, last_at=now, wait_until=now + timedelta(seconds=wait_s))
            )


async def forgive(conn: AsyncConnection, *, email: str, address: str) -> None:
    """The attempt succeeded. An address keeps its other failures: it may be good at one account of its own."""
    for subject, limit in _subjects(email, address):
        mine = sign_in_failures.c.subject == subject
        if limit is OF_AN_EMAIL:
            await conn.execute(delete(sign_in_failures).where(mine))
        else:
            await conn.execute(
                update(sign_in_failures)
                .where(mine)
                .values(failures=func.greatest(sign_in_failures.c.failures - 1, 0), wait_until=func.now())
            )


async def _locked(conn: AsyncConnection, subject: bytes) -> tuple[datetime, int]:
    """The time, and how many attempts there were lately."""
    await conn.execute(
        insert(sign_in_failures).values(subject=subject, failures=0, wait_until=func.now()).on_conflict_do_nothing()
    )
    row = (
        await conn.execute(
            select(sign_in_failures).where(sign_in_failures.c.subject == subject).with_for_update()
        )
    ).one()
    now: datetime = (await conn.execute(select(func.clock_timestamp()))).scalar_one()
    if row.wait_until > now:
        wait_s = math.ceil((row.wait_until - now).total_seconds())
        raise LimitReached(
            "too_many_sign_ins", f"Too many attempts to sign in. Try again in {_in_words(wait_s)}.", wait_s
        )
    return now, 0 if now - row.last_at > FORGOTTEN_AFTER else row.failures


async def _tidy(conn: AsyncConnection) -> None:
    """Remove what is forgotten, a few rows at a time; rows in use are left to whoever uses them."""
    old = (
        select(sign_in_failures.c.subject)
        .where(sign_in_failures.c.last_at < func.now() - FORGOTTEN_AFTER)
        .limit(_TIDIED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    await conn.execute(delete(sign_in_failures).where(sign_in_failures.c.subject.in_(old)))


def _subjects(email: str, address: str) -> Iterable[tuple[bytes, Limit]]:
    """In one order for everybody, so that two attempts never wait for each other."""
    return sorted(
        [(_hash("email", email), OF_AN_EMAIL), (_hash("address", network_of(address)), OF_AN_ADDRESS)],
        key=lambda subject: subject[0],
    )


def _hash(kind: str, text: str) -> bytes:
    return hashlib.sha256(f"{kind}\0{text}".encode("utf-8", "surrogatepass")).digest()


def _in_words(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{math.ceil(seconds / 60)} minutes"
