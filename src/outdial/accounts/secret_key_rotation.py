"""Another secret key for a database: all that is encrypted with the old one is encrypted anew, while servers run.

Every host has both keys first. They go on encrypting with the old one, which is what the database's canary says, until
the canary is encrypted with the new one; a server that has several keys looks at it every second. Then each value is
decrypted and encrypted anew, by itself: no dial waits for that, and whoever is stopped on the way begins again. A value
that somebody changes meanwhile is left as they have it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, LargeBinary, Table, bindparam, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.accounts.secret_key import (
    AnotherSecretKey,
    finish_rotation,
    is_secret_key,
    read_canary,
    turn_canary,
)
from outdial.db.engine import autocommit, reading
from outdial.db.retention_tables import number_keys
from outdial.db.secret_tables import secrets
from outdial.db.tables import carrier_accounts
from outdial.db.trouble import tell_trouble
from outdial.db.webhook_tables import webhooks
from outdial.db.workers_tables import ALIVE
from outdial.logs import Seldom
from outdial.workspaces.secrets import SecretBox

logger = logging.getLogger(__name__)

# Everything that is encrypted with the secret key, but for the canary.
SEALED: Mapping[str, Sequence[Column[Any]]] = {
    "credentials of carrier accounts": (carrier_accounts.c.credentials,),
    "secrets of workspaces": (secrets.c.sealed,),
    "secrets and headers of webhooks": (webhooks.c.secret, webhooks.c.old_secret, webhooks.c.headers),
    "keys of erased do-not-call entries": (number_keys.c.sealed,),
}
PAGE = 200
LOOK_EVERY_S = 1.0
FOLLOWED_WITHIN_S = 3.0  # by every server that isn't frozen


class RotationRefused(RuntimeError):
    """The key can't be rotated now; the message says why and what to do."""


@dataclass(slots=True, kw_only=True)
class Count:
    """Values by the key they are encrypted with: the newest, an older one that is at hand, or one that isn't."""

    newest: int = 0
    older: int = 0
    unreadable: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStatus:
    """`counts` by what is encrypted; `is_newest`: new values are encrypted with the newest key; `without` are the
    workers that live and haven't said that they have it."""

    counts: Mapping[str, Count]
    is_newest: bool
    without: Sequence[str]

    @property
    def older(self) -> int:
        return sum(count.older for count in self.counts.values())

    @property
    def unreadable(self) -> int:
        return sum(count.unreadable for count in self.counts.values())


async def key_status(engine: AsyncEngine, box: SecretBox) -> KeyStatus:
    """Reads every value. Raises AnotherSecretKey."""
    if not await is_secret_key(engine, box):
        raise AnotherSecretKey
    counts = {what: Count() for what in SEALED}
    for what, columns in SEALED.items():
        for column in columns:
            async for _, sealed in _values(engine, column):
                _count(counts[what], box, sealed)
    newest = box.key_ids[0]
    return KeyStatus(
        counts=counts, is_newest=box.sealing_id == newest, without=await _workers_without(engine, newest)
    )


async def rotate(engine: AsyncEngine, box: SecretBox, told: Callable[[int], None] = lambda done: None) -> KeyStatus:
    """Encrypt everything with the newest key of `box`; how it is afterwards. `told` is how many are done. May be done
    again, also after it was stopped anywhere.

    Raises RotationRefused, AnotherSecretKey.
    """
    if len(box.key_ids) == 1:
        raise RotationRefused("there is one secret key only: give every host a new one as well")
    if not await is_secret_key(engine, box):
        raise AnotherSecretKey
    newest = box.key_ids[0]
    if without := await _workers_without(engine, newest):
        raise RotationRefused(
            f"these workers don't have the new key (or are too old to say so): {', '.join(without)}. Give it to their "
            "hosts and start them again"
        )
    if box.sealing_id != newest:
        await turn_canary(engine, box)
        if await _workers_alive(engine):
            await asyncio.sleep(FOLLOWED_WITHIN_S)
    done = 0
    for column in (column for columns in SEALED.values() for column in columns):
        async for key, sealed in _values(engine, column):
            if box.id_of(sealed) not in (newest, None):
                await _seal_anew(engine, box, column, key, sealed)
                done += 1
                told(done)
    status = await key_status(engine, box)
    if not status.older:
        await finish_rotation(engine)
    return status


async def follow_secret_key(engine: AsyncEngine, box: SecretBox, every_s: float = LOOK_EVERY_S) -> None:
    """Until cancelled: encrypt with the key that the canary is encrypted with."""
    replaced = Seldom()
    while True:
        await asyncio.sleep(every_s)
        try:
            canary = await read_canary(engine)
        except Exception as error:
            tell_trouble(engine, logger, "Secret key in use not looked up; trying again", error)
            continue
        before = box.sealing_id
        if canary is not None and not box.seal_as(canary) and replaced.again():
            logger.error("Secret key of this process is not the database's any more")
        if box.sealing_id != before:
            logger.info("Secret key in use is the newer one now")


def _count(count: Count, box: SecretBox, sealed: bytes) -> None:
    match box.id_of(sealed):
        case None:
            count.unreadable += 1
        case known if known == box.key_ids[0]:
            count.newest += 1
        case _:
            count.older += 1


async def _values(engine: AsyncEngine, column: Column[Any]) -> AsyncIterator[tuple[tuple[str, ...], bytes]]:
    """The primary key of each row that has a value, and the value. No connection is held between pages."""
    table = _table(column)
    keys = tuple(table.primary_key.columns)
    query = select(*keys, column).where(column.is_not(None)).order_by(*keys).limit(PAGE)
    after: tuple[str, ...] | None = None
    while True:
        page = query if after is None else query.where(tuple_(*keys) > tuple_(*(literal(each) for each in after)))
        async with reading(engine) as conn:
            rows = [tuple(row) for row in await conn.execute(page)]
        for *key, sealed in rows:
            yield tuple(key), bytes(sealed)
        if len(rows) < PAGE:
            return
        *last, _ = rows[-1]
        after = tuple(last)


async def _seal_anew(
    engine: AsyncEngine, box: SecretBox, column: Column[Any], key: tuple[str, ...], sealed: bytes
) -> None:
    """Unless somebody has changed it meanwhile."""
    table = _table(column)
    mine = [each == value for each, value in zip(table.primary_key.columns, key, strict=True)]
    anew = update(table).where(*mine, column == bindparam("sealed_before", sealed, LargeBinary))
    async with autocommit(engine) as conn:
        await conn.execute(anew.values({column.name: box.encrypt(box.decrypt(sealed))}))


def _table(column: Column[Any]) -> Table:
    assert isinstance(column.table, Table)
    return column.table


async def _workers_without(engine: AsyncEngine, key_id: str) -> list[str]:
    async with reading(engine) as conn:
        return [f"{row.id} on {row.host}" for row in await conn.execute(ALIVE) if key_id not in (row.secret_keys or ())]


async def _workers_alive(engine: AsyncEngine) -> bool:
    async with reading(engine) as conn:
        return (await conn.execute(ALIVE)).first() is not None
