"""Tries that are under way. Whoever can write into the database may begin one: doctor; a stranger can't have a server
say anything."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import delete, func, insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.carriers.kind import Credentials
from outdial.db.engine import autocommit
from outdial.db.self_test_tables import self_tests

LIFETIME = timedelta(minutes=2)
MOST_ANSWERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """`token` stands in the paths that are asked; `nonce` in the answers of servers of this database."""

    token: str
    nonce: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a server knows of a try: `credentials` by carrier."""

    nonce: str
    credentials: Mapping[str, Credentials]


@asynccontextmanager
async def under_way(engine: AsyncEngine, credentials: Mapping[str, Credentials]) -> AsyncIterator[Begun]:
    """As long as the context, and no longer than `LIFETIME`."""
    begun = Begun(token=secrets.token_urlsafe(32), nonce=secrets.token_urlsafe(16))
    mine = self_tests.c.token_hash == _hash(begun.token)
    values = {"nonce": begun.nonce, "credentials": {name: dict(given) for name, given in credentials.items()}}
    async with autocommit(engine) as conn:
        await conn.execute(delete(self_tests).where(self_tests.c.expires_at < func.now()))
        await conn.execute(
            insert(self_tests).values(token_hash=_hash(begun.token), expires_at=func.now() + LIFETIME, **values)
        )
    try:
        yield begun
    finally:
        async with autocommit(engine) as conn:
            await conn.execute(delete(self_tests).where(mine))


async def take(engine: AsyncEngine, token: str) -> Known | None:
    """One answer of the try with this token; None where there is none, or it has had enough."""
    table = self_tests.c
    query = (
        update(self_tests)
        .where(table.token_hash == _hash(token), table.expires_at > func.now(), table.answers < MOST_ANSWERS)
        .values(answers=table.answers + 1)
        .returning(table.nonce, table.credentials)
    )
    async with autocommit(engine) as conn:
        row = (await conn.execute(query)).one_or_none()
    return None if row is None else Known(nonce=row.nonce, credentials=row.credentials)


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()
