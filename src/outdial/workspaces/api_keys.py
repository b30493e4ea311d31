"""API keys: 256 random bits, shown once, stored as SHA-256 (a key with that much entropy needs no slow hash)."""

import hashlib
import time
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Executable, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.db.engine import reading
from outdial.db.tables import api_keys
from outdial.ids import new_id, new_secret
from outdial.instants import to_json
from outdial.refusals import NotFound
from outdial.short_memory import ShortMemory
from outdial.workspaces.access import Principal, Role
from outdial.workspaces.audit import Actor, ActorKind, record

_USED_EVERY = timedelta(minutes=1)  # last_used_at needs no better resolution, and requests no more writes


class ApiKeyView(TypedDict):
    id: str
    name: str
    hint: str
    created_at: str
    last_used_at: str | None
    revoked_at: str | None


class NewApiKey(ApiKeyView):
    """As told once, when it is made: with the key itself."""

    key: str


async def create_api_key(engine: AsyncEngine, workspace_id: str, *, name: str, by: Actor) -> NewApiKey:
    key = new_secret("od_")
    async with engine.begin() as conn:
        values = {"id": new_id("key"), "workspace_id": workspace_id, "name": name, "hint": key[:8]}
        (made,) = await _read(conn, insert(api_keys).values(**values, key_hash=_hash(key)).returning(api_keys))
        await _record(conn, workspace_id, "api_key.created", made, by)
    return NewApiKey(**made, key=key)


async def list_api_keys(conn: AsyncConnection, workspace_id: str) -> list[ApiKeyView]:
    """Newest first, revoked ones included."""
    mine = api_keys.c.workspace_id == workspace_id
    return await _read(conn, select(api_keys).where(mine).order_by(api_keys.c.created_at.desc(), api_keys.c.id))


async def revoke_api_key(engine: AsyncEngine, workspace_id: str, key_id: str, *, by: Actor) -> ApiKeyView:
    """Revoked for good; a second time changes nothing."""
    async with engine.begin() as conn:
        mine = (api_keys.c.id == key_id) & (api_keys.c.workspace_id == workspace_id)
        found = await _read(conn, select(api_keys).where(mine).with_for_update())
        if not found:
            raise NotFound("api_key_not_found", "There is no such API key.")
        if found[0]["revoked_at"] is None:
            found = await _read(conn, update(api_keys).where(mine).values(revoked_at=func.now()).returning(api_keys))
            await _record(conn, workspace_id, "api_key.revoked", found[0], by)
    return found[0]


async def authenticate(engine: AsyncEngine, presented: str) -> Principal | None:
    """Whose key this is; None for one that is unknown or revoked."""
    async with reading(engine) as conn:
        row = (
            await conn.execute(
                select(
                    api_keys.c.id,
                    api_keys.c.name,
                    api_keys.c.workspace_id,
                    or_(
                        api_keys.c.last_used_at.is_(None),
                        api_keys.c.last_used_at < func.now() - _USED_EVERY,
                    ).label("unused_lately"),
                ).where(api_keys.c.key_hash == _hash(presented), api_keys.c.revoked_at.is_(None))
            )
        ).one_or_none()
        if row is None:
            return None
        if row.unused_lately:
            await conn.execute(update(api_keys).where(api_keys.c.id == row.id).values(last_used_at=func.now()))
            await conn.commit()
    actor = Actor(kind=ActorKind.API_KEY, id=row.id, name=row.name)
    return Principal(workspace_id=row.workspace_id, actor=actor, role=Role.OPERATOR)


class Authenticator:
    """`authenticate`, remembered for a few seconds: a request that dials shouldn't wait for the same row again.

    A key revoked elsewhere works here for at most `ttl_s` longer; only good keys are remembered.
    """

    def __init__(
        self, engine: AsyncEngine, *, ttl_s: float = 3.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._known = ShortMemory[bytes, Principal](ttl_s=ttl_s, clock=clock)  # by hash: no key stays in memory

    async def __call__(self, presented: str) -> Principal | None:
        return await self._known.get(_hash(presented), lambda: authenticate(self._engine, presented))

    def forget(self, key_id: str) -> None:
        """A key revoked through this process stops working at once."""
        self._known.forget(lambda principal: principal.actor.id == key_id)


async def _read(conn: AsyncConnection, statement: Executable) -> list[ApiKeyView]:
    """What a statement returns of `api_keys`."""
    return [
        ApiKeyView(
            id=row.id,
            name=row.name,
            hint=row.hint,
            created_at=to_json(row.created_at),
            last_used_at=to_json(row.last_used_at),
            revoked_at=to_json(row.revoked_at),
        )
        for row in await conn.execute(statement)
    ]


async def _record(conn: AsyncConnection, workspace_id: str, act: str, key: ApiKeyView, by: Actor) -> None:
    details = {"hint": key["hint"]}
    await record(conn, workspace_id, by, act, subject_id=key["id"], subject_name=key["name"], details=details)


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
