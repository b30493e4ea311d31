"""Signing in: with a password, or with a link that works once. What a browser keeps is a token with 256 random bits.

Tokens are stored as SHA-256 (with that much entropy they need no slow hash), so a stolen database signs nobody in.
"""

import hashlib
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.db.clearing import Clearing
from outdial.db.engine import reading
from outdial.db.tables import members, people, sign_in_links, sign_ins
from outdial.ids import is_id, new_id, new_secret
from outdial.instants import to_json
from outdial.members import rate_limit
from outdial.members.passwords import check_password, hash_password, is_outdated, is_password
from outdial.members.people import normal_email
from outdial.refusals import Denied, Invalid, NotFound
from outdial.workspaces.audit import Actor, ActorKind, record

LIFETIME = timedelta(days=30)
UNUSED_LIFETIME = timedelta(days=7)
LINK_LIFETIME = timedelta(hours=24)

_KEPT_AFTER_END = timedelta(days=30)
_MAX_USER_AGENT_CHARS = 300
_MAX_TOKEN_CHARS = 100

# In a query of sign_ins: not ended, not too old, used lately.
is_alive = (
    sign_ins.c.ended_at.is_(None)
    & (sign_ins.c.expires_at > func.now())
    & (sign_ins.c.last_seen_at > func.now() - UNUSED_LIFETIME)
)

OLD_SIGN_INS = Clearing(
    table=sign_ins,
    since=func.least(sign_ins.c.ended_at, sign_ins.c.expires_at, sign_ins.c.last_seen_at + UNUSED_LIFETIME),
)
OLD_LINKS = Clearing(table=sign_in_links, since=sign_in_links.c.expires_at)


class SignInView(TypedDict):
    """`current`: the browser that asks."""

    id: str
    user_agent: str
    created_at: str
    last_seen_at: str
    expires_at: str
    current: bool


async def sign_in(engine: AsyncEngine, *, email: str, password: str, address: str, user_agent: str) -> str:
    """The token for the browser's cookie. `address` is the network address the attempt comes from.

    Raises Denied (which of the two is wrong isn't told) and LimitReached.
    """
    try:
        email = normal_email(email)
    except Invalid:
        email = ""  # nobody's; the attempt counts all the same
    await rate_limit.count_attempt(engine, email=email, address=address)
    async with reading(engine) as conn:
        person = (await conn.execute(_by_email(email))).one_or_none()
    if not await is_password(password, None if person is None else person.password_hash) or person is None:
        raise _wrong()
    outdated = is_outdated(person.password_hash)
    new_hash = await hash_password(password) if outdated else person.password_hash
    async with engine.begin() as conn:
        # Read again, because the password may have been changed and its sign-ins ended meanwhile.
        now = (await conn.execute(_by_email(email).with_for_update())).one_or_none()
        if now is None or now.password_hash != person.password_hash:
            raise _wrong()
        if outdated:
            await conn.execute(update(people).where(people.c.id == person.id).values(password_hash=new_hash))
        await rate_limit.forgive(conn, email=email, address=address)
        return await _new_sign_in(conn, person.id, user_agent, by_link=False)


async def make_link(engine: AsyncEngine, person_id: str) -> str:
    """The token of a link that signs the person in, once, within 24 hours; earlier ones stop working."""
    async with engine.begin() as conn:
        return await new_link(conn, person_id)


async def new_link(conn: AsyncConnection, person_id: str) -> str:
    """`make_link` as part of a transaction."""
    await _forget_links(conn, person_id)
    return await another_link(conn, person_id)


async def another_link(conn: AsyncConnection, person_id: str) -> str:
    """A link beside earlier ones, which go on working until one is used."""
    token = new_secret()
    await conn.execute(
        insert(sign_in_links).values(
            token_hash=token_hash(token), person_id=person_id, expires_at=func.now() + LINK_LIFETIME
        )
    )
    return token


async def _forget_links(conn: AsyncConnection, person_id: str) -> None:
    await conn.execute(
        delete(sign_in_links).where(sign_in_links.c.person_id == person_id, sign_in_links.c.used_at.is_(None))
    )


def link_url(base_url: str, token: str) -> str:
    return f"{base_url}/sign-in/{token}"


async def whose_link(conn: AsyncConnection, token: str) -> str | None:
    """The id of the person it would sign in; None when it doesn't work. Looking doesn't use it: programs that preview
    links in messages look at them."""
    if not is_token(token):
        return None
    person_id: str | None = await conn.scalar(select(sign_in_links.c.person_id).where(_works(token)))
    return person_id


async def use_link(engine: AsyncEngine, token: str, *, user_agent: str) -> str:
    """The token for the browser's cookie. Who came by a link may set a password without knowing the old one.

    Raises NotFound for a link that was used, replaced, or is too old.
    """
    async with engine.begin() as conn:
        person_id = None
        if is_token(token):
            person_id = await conn.scalar(
                update(sign_in_links)
                .where(_works(token))
                .values(used_at=func.now())
                .returning(sign_in_links.c.person_id)
            )
        if person_id is None:
            raise NotFound("link_not_valid", "This link was used already, or is too old. Ask for a new one.")
        await _forget_links(conn, person_id)
        return await _new_sign_in(conn, person_id, user_agent, by_link=True)


async def sign_out(engine: AsyncEngine, token: str) -> None:
    """Ends the sign-in of this browser; one that has ended stays so."""
    if is_token(token):
        await _end(engine, sign_ins.c.token_hash == token_hash(token))


async def list_sign_ins(conn: AsyncConnection, person_id: str, *, current: str | None = None) -> list[SignInView]:
    """Those alive, the one used last first. `current`: the id of the one that asks."""
    rows = await conn.execute(
        select(sign_ins)
        .where(sign_ins.c.person_id == person_id, is_alive)
        .order_by(sign_ins.c.last_seen_at.desc(), sign_ins.c.id)
    )
    return [
        SignInView(
            id=row.id,
            user_agent=row.user_agent,
            created_at=to_json(row.created_at),
            last_seen_at=to_json(row.last_seen_at),
            expires_at=to_json(row.expires_at),
            current=row.id == current,
        )
        for row in rows
    ]


async def end_sign_in(engine: AsyncEngine, person_id: str, sign_in_id: str) -> None:
    """Raises NotFound unless it is one of the person's."""
    if not is_id(sign_in_id, "signin") or not await _end(
        engine, (sign_ins.c.id == sign_in_id) & (sign_ins.c.person_id == person_id)
    ):
        raise NotFound("sign_in_not_found", "There is no such sign-in.")


async def end_other_sign_ins(engine: AsyncEngine, person_id: str, *, current: str) -> int:
    """All but the sign-in `current`; returns how many there were."""
    return await _end(engine, (sign_ins.c.person_id == person_id) & (sign_ins.c.id != current))


async def switch_workspace(engine: AsyncEngine, sign_in_id: str, workspace_id: str) -> None:
    """From now on this sign-in is in another workspace of its person. Raises NotFound for any other."""
    membership = select(members.c.role).where(
        members.c.workspace_id == workspace_id, members.c.person_id == sign_ins.c.person_id
    )
    unknown = NotFound("workspace_not_found", "You are not a member of such a workspace.")
    if not is_id(workspace_id, "ws"):
        raise unknown
    async with engine.begin() as conn:
        switched = await conn.execute(
            update(sign_ins)
            .where(sign_ins.c.id == sign_in_id, membership.exists())
            .values(workspace_id=workspace_id)
        )
    if not switched.rowcount:
        raise unknown


async def set_password(
    engine: AsyncEngine, sign_in_id: str, *, password: str, old_password: str | None, address: str
) -> None:
    """Also ends the person's other sign-ins and links. `old_password` isn't asked of who came by a link, until they
    have set one.

    Raises Invalid (either password) and LimitReached.
    """
    check_password(password)
    async with reading(engine) as conn:
        row = (await conn.execute(_with_person(sign_in_id))).one()
    if row.password_hash is not None and not row.by_link:
        await rate_limit.count_attempt(engine, email=row.email, address=address)
        if not await is_password(old_password or "", row.password_hash):
            raise Invalid("old_password", "is not your password")
    new_hash = await hash_password(password)
    async with engine.begin() as conn:
        await conn.execute(update(people).where(people.c.id == row.person_id).values(password_hash=new_hash))
        await conn.execute(
            update(sign_ins)
            .where(sign_ins.c.person_id == row.person_id, sign_ins.c.id != sign_in_id, sign_ins.c.ended_at.is_(None))
            .values(ended_at=func.now())
        )
        await conn.execute(update(sign_ins).where(sign_ins.c.id == sign_in_id).values(by_link=False))
        await conn.execute(
            delete(sign_in_links).where(
                sign_in_links.c.person_id == row.person_id, sign_in_links.c.used_at.is_(None)
            )
        )
        await rate_limit.forgive(conn, email=row.email, address=address)
        await record(
            conn,
            row.workspace_id,
            Actor(kind=ActorKind.PERSON, id=row.person_id, name=row.name),
            "member.password_set",
            subject_id=row.person_id,
            subject_name=row.name,
        )


def is_token(text: str) -> bool:
    """Whether it could be a token of ours; what isn't need not be looked up."""
    return 0 < len(text) <= _MAX_TOKEN_CHARS and text.isascii()


def token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def _new_sign_in(conn: AsyncConnection, person_id: str, user_agent: str, *, by_link: bool) -> str:
    """In the workspace the person was in last, or else is in longest."""
    old = sign_ins.c.person_id == person_id
    last = (
        select(sign_ins.c.workspace_id).where(old).order_by(sign_ins.c.last_seen_at.desc()).limit(1).scalar_subquery()
    )
    workspace_id = await conn.scalar(
        select(members.c.workspace_id)
        .where(members.c.person_id == person_id)
        .order_by((members.c.workspace_id == last).desc().nulls_last(), members.c.created_at, members.c.workspace_id)
        .limit(1)
    )
    if workspace_id is None:
        raise Denied("no_workspace", "You are not a member of any workspace.")
    over = func.least(func.coalesce(sign_ins.c.ended_at, sign_ins.c.expires_at), sign_ins.c.expires_at)
    await conn.execute(delete(sign_ins).where(old, over < func.now() - _KEPT_AFTER_END))
    token = new_secret()
    await conn.execute(
        insert(sign_ins).values(
            id=new_id("signin"),
            token_hash=token_hash(token),
            person_id=person_id,
            workspace_id=workspace_id,
            user_agent=_clean(user_agent),
            by_link=by_link,
            expires_at=func.now() + LIFETIME,
        )
    )
    return token


async def _end(engine: AsyncEngine, which: Any) -> int:
    async with engine.begin() as conn:
        ended = await conn.execute(update(sign_ins).where(which, is_alive).values(ended_at=func.now()))
    return ended.rowcount


def _by_email(email: str) -> Select[Any]:
    return select(people).where(people.c.email == email)


def _works(token: str) -> ColumnElement[bool]:
    links = sign_in_links.c
    return (links.token_hash == token_hash(token)) & links.used_at.is_(None) & (links.expires_at > func.now())


def _with_person(sign_in_id: str) -> Select[Any]:
    return (
        select(sign_ins.c.by_link, sign_ins.c.workspace_id, sign_ins.c.person_id, people)
        .join(people, people.c.id == sign_ins.c.person_id)
        .where(sign_ins.c.id == sign_in_id)
    )


def _clean(user_agent: str) -> str:
    printable = "".join(character if character.isprintable() else " " for character in user_agent)
    return printable.strip()[:_MAX_USER_AGENT_CHARS]


def _wrong() -> Denied:
    return Denied("wrong_password", "The e-mail address or the password is wrong.")
