"""The secrets of workspaces as they are kept: encrypted as carrier credentials are, and shown to nobody again.

A secret may be bound to hosts, and is then sent nowhere else. They are given with the value and change only with it:
whoever may write agents, or has got hold of a key that may, can't have a secret that is bound sent to a server of
their own. The only writer of `secrets`.
"""

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import RowMapping, Select, delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.db.engine import reading
from outdial.db.secret_tables import secrets
from outdial.db.tables import workspaces
from outdial.instants import to_json
from outdial.refusals import Conflict, Invalid, NotFound
from outdial.secrets.placeholders import NAME, NAMES_ARE
from outdial.workspaces.audit import Actor, ActorKind, ActorView, record
from outdial.workspaces.secrets import SecretBox, WrongSecretKey

MOST = 100         # secrets of a workspace
MAX_CHARS = 8_000  # of a value; servers take no longer headers
MOST_HOSTS = 10


class SecretView(TypedDict):
    """A secret, without its value. `hosts`: where alone it is sent, null: wherever an agent says. `readable`: false
    once the secret key it was encrypted with is lost; then it has to be set anew."""

    name: str
    hosts: list[str] | None
    set_at: str
    set_by: ActorView
    readable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSecret:
    value: str = field(repr=False)
    hosts: tuple[str, ...] | None = None


class SecretMissing(Exception):
    """The workspace has no secret of this name; the message says so, in a few words."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no secret {name}")
        self.name = name


class SecretUnreadable(SecretMissing):
    """It was encrypted with a secret key that is lost."""

    def __init__(self, name: str) -> None:
        Exception.__init__(self, f"the secret {name} can't be read with this server's secret key; set it anew")
        self.name = name


class SecretNotForHost(SecretMissing):
    """It may not be sent there."""

    def __init__(self, name: str, host: str | None) -> None:
        there = "without a host" if host is None else f"to {host[:100]}"
        Exception.__init__(self, f"the secret {name} is not sent {there}; it is bound to other hosts")
        self.name = name


async def reveal(
    bind: AsyncConnection | AsyncEngine,
    secret_box: SecretBox,
    workspace_id: str,
    names: Collection[str],
    *,
    host: str | None = None,
) -> Mapping[str, str]:
    """The values, for what is about to be sent to `host`; to be kept no longer than that.

    Raises SecretMissing, also for one that can't be read, and for one that is bound to other hosts.
    """
    wanted = sorted(set(names))
    if not wanted:
        return {}
    query = select(secrets.c.name, secrets.c.sealed, secrets.c.hosts).where(
        secrets.c.workspace_id == workspace_id, secrets.c.name.in_(wanted)
    )
    async with _connection(bind) as conn:
        found = {row.name: row for row in await conn.execute(query)}
    values = {}
    for name in wanted:
        row = found.get(name)
        if row is None:
            raise SecretMissing(name)
        if row.hosts is not None and (host is None or _plain_host(host) not in row.hosts):
            raise SecretNotForHost(name, host)
        try:
            values[name] = str(secret_box.decrypt(row.sealed))
        except WrongSecretKey:
            raise SecretUnreadable(name) from None
    return values


async def put(
    engine: AsyncEngine, secret_box: SecretBox, workspace_id: str, name: str, new: NewSecret, *, by: Actor
) -> tuple[SecretView, bool]:
    """The secret, and whether it is a new one; one of this name is replaced, its hosts with it.

    Raises Invalid, NotFound for the workspace, and Conflict for one secret too many.
    """
    check_name(name)
    _check_value(new.value)
    hosts = None if new.hosts is None else _checked_hosts(new.hosts)
    set_ = {
        "sealed": secret_box.encrypt(new.value),
        "hosts": hosts,
        "set_at": func.now(),
        "set_by_kind": by.kind,
        "set_by_id": by.id,
        "set_by_name": by.name,
    }
    async with engine.begin() as conn:
        await _one_at_a_time(conn, workspace_id)
        is_new = await conn.scalar(_mine(workspace_id, name)) is None
        if is_new and await _count(conn, workspace_id) >= MOST:
            raise Conflict("too_many_secrets", f"A workspace has at most {MOST} secrets; remove some.")
        setting = upsert(secrets).values({"workspace_id": workspace_id, "name": name} | set_)
        row = await conn.execute(
            setting.on_conflict_do_update(index_elements=["workspace_id", "name"], set_=set_).returning(secrets)
        )
        act = "secret.set" if is_new else "secret.replaced"
        details = {} if hosts is None else {"hosts": hosts}
        await record(conn, workspace_id, by, act, subject_id=name, subject_name=name, details=details)
        return _view(row.mappings().one(), secret_box), is_new


async def remove(
    engine: AsyncEngine, secret_box: SecretBox, workspace_id: str, name: str, *, by: Actor
) -> SecretView:
    """As it was. Raises NotFound."""
    async with engine.begin() as conn:
        gone = await conn.execute(
            delete(secrets)
            .where(secrets.c.workspace_id == workspace_id, secrets.c.name == _known_name(name))
            .returning(secrets)
        )
        row = gone.mappings().one_or_none()
        if row is None:
            raise _not_found(name)
        await record(conn, workspace_id, by, "secret.removed", subject_id=name, subject_name=name)
        return _view(row, secret_box)


async def get_secret(conn: AsyncConnection, secret_box: SecretBox, workspace_id: str, name: str) -> SecretView:
    """Raises NotFound."""
    row = (await conn.execute(_mine(workspace_id, _known_name(name)))).mappings().one_or_none()
    if row is None:
        raise _not_found(name)
    return _view(row, secret_box)


async def list_secrets(conn: AsyncConnection, secret_box: SecretBox, workspace_id: str) -> list[SecretView]:
    """By name."""
    query = select(secrets).where(secrets.c.workspace_id == workspace_id).order_by(secrets.c.name)
    return [_view(row, secret_box) for row in (await conn.execute(query)).mappings()]


async def names(conn: AsyncConnection, workspace_id: str) -> frozenset[str]:
    found = await conn.scalars(select(secrets.c.name).where(secrets.c.workspace_id == workspace_id))
    return frozenset(found)


def check_name(name: str) -> None:
    """Raises Invalid."""
    if not NAME.fullmatch(name):
        raise Invalid("name", f"is no name of a secret: {NAMES_ARE}")


def _check_value(value: str) -> None:
    if not 0 < len(value) <= MAX_CHARS:
        raise Invalid("value", f"must have 1 to {MAX_CHARS} characters")
    if any(not character.isprintable() for character in value):
        # It goes into headers, where a line break would begin another one.
        raise Invalid("value", "must be one line of text, without control characters")


def _checked_hosts(hosts: Collection[str]) -> list[str]:
    plain = list(dict.fromkeys(_plain_host(host) for host in hosts))
    if not 0 < len(plain) <= MOST_HOSTS:
        raise Invalid("hosts", f"must be 1 to {MOST_HOSTS} hosts, or null")
    for host in plain:
        if not 0 < len(host) <= 253 or any(character in host for character in "/:@?#*%\\ ") or not host.isascii():
            raise Invalid("hosts", f"{host[:60]!r} is no host: a name such as api.example.com, without a port")
    return plain


def _plain_host(host: str) -> str:
    return host.strip().lower().rstrip(".")


def _known_name(name: str) -> str:
    """What is no name needn't (and, with a NUL, can't) be looked up."""
    if not NAME.fullmatch(name):
        raise _not_found(name)
    return name


def _not_found(name: str) -> NotFound:
    return NotFound("secret_not_found", f"There is no secret {name[:63]!r} in this workspace.")


def _mine(workspace_id: str, name: str) -> Select[Any]:
    return select(secrets).where(secrets.c.workspace_id == workspace_id, secrets.c.name == name)


def _connection(bind: AsyncConnection | AsyncEngine) -> AbstractAsyncContextManager[AsyncConnection]:
    return reading(bind) if isinstance(bind, AsyncEngine) else nullcontext(bind)


async def _one_at_a_time(conn: AsyncConnection, workspace_id: str) -> None:
    """Until the transaction's end, for two must not be the last one that a workspace may have. Raises NotFound."""
    mine = select(workspaces.c.id).where(workspaces.c.id == workspace_id).with_for_update(key_share=True)
    if await conn.scalar(mine) is None:
        raise NotFound("workspace_not_found", "There is no such workspace.")


async def _count(conn: AsyncConnection, workspace_id: str) -> int:
    query = select(func.count()).select_from(secrets).where(secrets.c.workspace_id == workspace_id)
    return await conn.scalar(query) or 0


def _view(row: RowMapping, secret_box: SecretBox) -> SecretView:
    return SecretView(
        name=row["name"],
        hosts=row["hosts"],
        set_at=to_json(row["set_at"]),
        set_by=ActorView(kind=ActorKind(row["set_by_kind"]), id=row["set_by_id"], name=row["set_by_name"]),
        readable=_reads(secret_box, row["sealed"]),
    )


def _reads(secret_box: SecretBox, sealed: bytes) -> bool:
    try:
        secret_box.decrypt(sealed)
    except WrongSecretKey:
        return False
    return True
