"""API keys: 256 random bits, shown once, stored as SHA-256 (a key with that much entropy needs no slow hash)."""

import hashlib
import logging
import re
import time
from collections.abc import Callable
from datetime import timedelta

from cachetools import LRUCache, TTLCache
from sqlalchemy import ColumnElement, Executable, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.db.engine import reading
from outdial.db.tables import api_keys
from outdial.ids import new_id, new_secret
from outdial.instants import to_json
from outdial.logs import Seldom
from outdial.networks import network_of
from outdial.refusals import Conflict, LimitReached, NotFound
from outdial.short_memory import MOST, ShortMemory
from outdial.token_buckets import TokenBuckets
from outdial.workspaces.access import Principal, Scope
from outdial.workspaces.audit import Actor, ActorKind, record

logger = logging.getLogger(__name__)

# Keys that aren't known, from one network address: so many may be looked up a second, and ten times as many at once.
GUESSES_PER_S = 10.0

_USED_EVERY = timedelta(minutes=1)  # last_used_at needs no better resolution, and requests no more writes
_COULD_BE_ONE = re.compile(r"od_[A-Za-z0-9_-]{1,197}")


class ApiKeyView(TypedDict):
    id: str
    name: str
    hint: str
    scope: Scope
    created_at: str
    last_used_at: str | None
    revoked_at: str | None


class NewApiKey(ApiKeyView):
    """As told once, when it is made: with the key itself."""

    key: str


async def create_api_key(
    engine: AsyncEngine, workspace_id: str, *, name: str, scope: Scope = Scope.OPERATOR, by: Actor
) -> NewApiKey:
    key = new_secret("od_")
    async with engine.begin() as conn:
        values = {"id": new_id("key"), "workspace_id": workspace_id, "name": name, "hint": key[:8], "scope": scope}
        (made,) = await _read(conn, insert(api_keys).values(**values, key_hash=_hash(key)).returning(api_keys))
        await _record(conn, workspace_id, "api_key.created", made, by)
    return NewApiKey(**made, key=key)


async def list_api_keys(conn: AsyncConnection, workspace_id: str) -> list[ApiKeyView]:
    """Newest first, revoked ones included."""
    mine = api_keys.c.workspace_id == workspace_id
    return await _read(conn, select(api_keys).where(mine).order_by(api_keys.c.created_at.desc(), api_keys.c.id))


async def change_scope(
    engine: AsyncEngine, workspace_id: str, key_id: str, scope: Scope, *, by: Actor
) -> ApiKeyView:
    """Raises NotFound, and Conflict for a revoked key."""
    async with engine.begin() as conn:
        mine, before = await _locked(conn, workspace_id, key_id)
        if before["revoked_at"] is not None:
            raise Conflict("api_key_revoked", "This API key was revoked; make another one.")
        if before["scope"] is scope:
            return before
        (key,) = await _read(conn, update(api_keys).where(mine).values(scope=scope).returning(api_keys))
        await _record(conn, workspace_id, "api_key.scope_changed", key, by, before=before["scope"])
    return key


async def revoke_api_key(engine: AsyncEngine, workspace_id: str, key_id: str, *, by: Actor) -> ApiKeyView:
    """Revoked for good; a second time changes nothing."""
    async with engine.begin() as conn:
        mine, key = await _locked(conn, workspace_id, key_id)
        if key["revoked_at"] is None:
            (key,) = await _read(conn, update(api_keys).where(mine).values(revoked_at=func.now()).returning(api_keys))
            await _record(conn, workspace_id, "api_key.revoked", key, by)
    return key


async def authenticate(engine: AsyncEngine, presented: str) -> Principal | None:
    """Whose key this is; None for one that is unknown or revoked."""
    async with reading(engine) as conn:
        row = (
            await conn.execute(
                select(
                    api_keys.c.id,
                    api_keys.c.name,
                    api_keys.c.workspace_id,
                    api_keys.c.scope,
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
    return Principal(workspace_id=row.workspace_id, actor=actor, grant=Scope(row.scope))


class Authenticator:
    """`authenticate`, remembered for a few seconds: a request that dials shouldn't wait for the same row again.

    A key revoked or changed elsewhere holds here for at most `ttl_s` longer. A stranger's keys cost little: what can't
    be a key isn't looked up, what was unknown isn't looked up again for as long, and an address that sends one unknown
    key after the other has to wait. Keys that were good once don't, wherever they come from.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        ttl_s: float = 3.0,
        guesses_per_s: float = GUESSES_PER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        # By hash: no key stays in memory.
        self._known = ShortMemory[bytes, Principal](ttl_s=ttl_s, clock=clock)
        self._unknown = TTLCache[bytes, bool](MOST, ttl=ttl_s, timer=clock)
        self._once_good = LRUCache[bytes, bool](MOST)
        self._looked_up = set[bytes]()  # at this moment
        self._guesses = TokenBuckets(per_s=guesses_per_s, at_once=10 * guesses_per_s, clock=clock)  # by network address
        self._limited = Seldom()

    async def __call__(self, presented: str, *, address: str = "") -> Principal | None:
        """None for a key that is unknown or revoked. Raises LimitReached for an address that sends many of these."""
        if not _COULD_BE_ONE.fullmatch(presented):
            return None
        digest = _hash(presented)
        if digest in self._unknown:
            return None
        return await self._known.get(digest, lambda: self._look_up(presented, digest, network_of(address)))

    def forget(self, key_id: str) -> None:
        """What is changed about a key through this process holds at once."""
        self._known.forget(lambda principal: principal.actor.id == key_id)

    async def _look_up(self, presented: str, digest: bytes, network: str) -> Principal | None:
        """Counted before it is known whether it is a guess: many at once are no way around that."""
        counts = digest not in self._once_good and digest not in self._looked_up
        if counts:
            self._count_guess(network)
        self._looked_up.add(digest)
        is_guess = False
        try:
            principal = await authenticate(self._engine, presented)
            is_guess = principal is None
        finally:
            self._looked_up.discard(digest)
            if counts and not is_guess:
                self._guesses.give_back(network)
        (self._unknown if principal is None else self._once_good)[digest] = True
        return principal

    def _count_guess(self, network: str) -> None:
        if wait_s := self._guesses.take(network):
            if times := self._limited.again():
                logger.warning("API key limit of an address reached", extra={"times": times})
            raise LimitReached(
                "rate_limited",
                f"Too many unknown API keys came from this network address. Try again in {wait_s} s.",
                wait_s,
            )


async def _locked(conn: AsyncConnection, workspace_id: str, key_id: str) -> tuple[ColumnElement[bool], ApiKeyView]:
    """A condition for the row of a key, and the row. Raises NotFound."""
    mine = (api_keys.c.id == key_id) & (api_keys.c.workspace_id == workspace_id)
    found = await _read(conn, select(api_keys).where(mine).with_for_update())
    if not found:
        raise NotFound("api_key_not_found", "There is no such API key.")
    return mine, found[0]


async def _read(conn: AsyncConnection, statement: Executable) -> list[ApiKeyView]:
    """What a statement returns of `api_keys`."""
    return [
        ApiKeyView(
            id=row.id,
            name=row.name,
            hint=row.hint,
            scope=Scope(row.scope),
            created_at=to_json(row.created_at),
            last_used_at=to_json(row.last_used_at),
            revoked_at=to_json(row.revoked_at),
        )
        for row in await conn.execute(statement)
    ]


async def _record(
    conn: AsyncConnection, workspace_id: str, act: str, key: ApiKeyView, by: Actor, **more: str
) -> None:
    details = {"hint": key["hint"], "scope": key["scope"], **more}
    await record(conn, workspace_id, by, act, subject_id=key["id"], subject_name=key["name"], details=details)


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
