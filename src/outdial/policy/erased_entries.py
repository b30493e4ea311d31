"""Do-not-call entries whose number was erased: kept as a keyed hash, so that who holds the number still isn't called.

The key of a workspace is random and stands encrypted in the database, as carrier credentials do: whoever has the
database alone can't try all numbers. Whether a number is among these is asked when a call is accepted; no call to it
waits by then (`retention/erase_number.py` sees to that), and an entry is hashed only a while after it was made, when no
request is under way that hasn't seen it. So the claim needn't ask again.
"""

import hmac
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import ColumnElement, ScalarSelect, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.db.retention_tables import erased_entries, number_keys
from outdial.db.tables import do_not_call
from outdial.db.workers_tables import an_older_lives
from outdial.workspaces.secrets import SecretBox, WrongSecretKey

logger = logging.getLogger(__name__)

Box = Callable[[], SecretBox]  # made only where it is needed: that takes a while, and a key
SETTLED_S = 60.0  # the age of an entry that every request under way has seen


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedEntry:
    """`source`, `call_id`: as they were on the list."""

    source: str
    call_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedFor:
    """An entry that a callee asked for; hashed now, or left as it is without its call."""

    workspace_id: str
    number: str
    is_hashed: bool


def sealed_key(workspace_id: ColumnElement[str]) -> ScalarSelect[bytes]:
    """Part of a query: the workspace's key, encrypted; null where nothing of it was hashed yet."""
    query = select(number_keys.c.sealed).where(number_keys.c.workspace_id == workspace_id)
    return query.scalar_subquery()


async def is_hashed(conn: AsyncConnection, box: SecretBox, sealed: bytes, workspace_id: str, number: str) -> bool:
    """Whether a number was on the list when it was erased. Ask it after the list itself: an entry goes from there to
    here, never back."""
    hashed = _hash(box, sealed, number)
    if hashed is None:
        return False
    entry = erased_entries.c
    query = select(entry.source).where(entry.workspace_id == workspace_id, entry.number_hash == hashed)
    return (await conn.execute(query)).one_or_none() is not None


async def knows_number(conn: AsyncConnection, box: SecretBox, workspace_id: str, number: str) -> bool:
    """The same, for who hasn't read the key."""
    query = select(number_keys.c.sealed).where(number_keys.c.workspace_id == workspace_id)
    sealed = await conn.scalar(query)
    return sealed is not None and await is_hashed(conn, box, sealed, workspace_id, number)


async def hash_entry(conn: AsyncConnection, box: SecretBox, workspace_id: str, number: str) -> bool:
    """Turn an entry of the list into its hash. False where it is too new, or a process lives that knows of no hashes:
    then try again in SETTLED_S. True also where there is none."""
    entry = do_not_call.c
    of_number = (entry.workspace_id == workspace_id) & (entry.number == number)
    is_settled = entry.created_at < func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, SETTLED_S)
    is_settled &= ~an_older_lives()  # it would ask the list alone, and dial
    query = select(entry.source, entry.call_id, entry.created_at, is_settled.label("is_settled")).where(of_number)
    row = (await conn.execute(query.with_for_update())).one_or_none()
    if row is None:
        return True
    if not row.is_settled:
        return False
    sealed = await _key(conn, box, workspace_id)
    hashed = _hash(box, sealed, number)
    if hashed is None:
        raise WrongSecretKey
    kept = {"source": row.source, "call_id": row.call_id, "created_at": row.created_at}
    values = {"workspace_id": workspace_id, "number_hash": hashed, **kept}
    await conn.execute(insert(erased_entries).values(values).on_conflict_do_nothing())
    await conn.execute(delete(do_not_call).where(of_number))
    return True


async def hash_entries_of(conn: AsyncConnection, box: Box, call_ids: Sequence[str]) -> list[AskedFor]:
    """Entries that callees asked for in these calls, which are about to be erased: so that an entry doesn't tell with
    whom one was. An entry that can't be hashed yet is no longer said to be of its call, and stays as it is."""
    asked_for = []
    for row in (await conn.execute(_ENTRIES_OF, {"call_ids": list(call_ids)})).all():
        is_hashed_now = not row.goes_on and await hash_entry(conn, box(), row.workspace_id, row.number)
        asked_for.append(AskedFor(workspace_id=row.workspace_id, number=row.number, is_hashed=is_hashed_now))
        if not is_hashed_now:
            of_number = (do_not_call.c.workspace_id == row.workspace_id) & (do_not_call.c.number == row.number)
            await conn.execute(update(do_not_call).where(of_number).values(call_id=None))
    return asked_for


async def forget_hash(conn: AsyncConnection, box: SecretBox, workspace_id: str, number: str) -> ErasedEntry | None:
    """Somebody takes the number off the list. None where there is no such hash."""
    query = select(number_keys.c.sealed).where(number_keys.c.workspace_id == workspace_id)
    sealed = await conn.scalar(query)
    hashed = None if sealed is None else _hash(box, sealed, number)
    if hashed is None:
        return None
    entry = erased_entries.c
    gone = delete(erased_entries).where(entry.workspace_id == workspace_id, entry.number_hash == hashed)
    row = (await conn.execute(gone.returning(entry.source, entry.call_id, entry.created_at))).one_or_none()
    return None if row is None else ErasedEntry(source=row.source, call_id=row.call_id, created_at=row.created_at)


async def count_hashed(conn: AsyncConnection, workspace_id: str) -> int:
    query = select(func.count()).select_from(erased_entries).where(erased_entries.c.workspace_id == workspace_id)
    return await conn.scalar(query) or 0


async def _key(conn: AsyncConnection, box: SecretBox, workspace_id: str) -> bytes:
    """The workspace's, encrypted; made where there is none."""
    made = insert(number_keys).values(workspace_id=workspace_id, sealed=box.encrypt(secrets.token_hex(32)))
    await conn.execute(made.on_conflict_do_nothing())
    query = select(number_keys.c.sealed).where(number_keys.c.workspace_id == workspace_id)
    sealed: bytes = (await conn.execute(query)).scalar_one()
    return sealed


# By its key: who the other party of the call was is still known. Whoever has another call with it waits for none.
_ENTRIES_OF = text("""
    SELECT entry.workspace_id, entry.number, EXISTS (
        SELECT FROM calls AS other WHERE other."to" = entry.number AND other.workspace_id = entry.workspace_id
            AND other.direction = 'outbound' AND other.state <> 'ended'
    ) AS goes_on
    FROM calls JOIN do_not_call AS entry ON entry.workspace_id = calls.workspace_id AND entry.call_id = calls.id
        AND entry.number = CASE calls.direction WHEN 'outbound' THEN calls."to" ELSE calls."from" END
    WHERE calls.id = ANY(CAST(:call_ids AS text[])) ORDER BY entry.number
""")


def _hash(box: SecretBox, sealed: bytes, number: str) -> bytes | None:
    """None where the key can't be read: the server's secret key was lost, and these entries with it."""
    try:
        key = _unsealed(box, bytes(sealed))
    except WrongSecretKey:
        logger.error("Key of erased do-not-call entries not readable")
        return None
    return hmac.digest(key, number.encode(), "sha256")


@lru_cache(256)
def _unsealed(box: SecretBox, sealed: bytes) -> bytes:
    return bytes.fromhex(box.decrypt(sealed))
