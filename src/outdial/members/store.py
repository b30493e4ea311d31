"""The members of a workspace: invite, change, remove. There is always an operator left."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.db.tables import members, people, sign_ins, workspaces
from outdial.ids import is_id
from outdial.instants import to_json
from outdial.members.people import create_person, normal_email
from outdial.members.sign_in import LINK_LIFETIME, link_url, new_link
from outdial.refusals import Conflict, NotFound
from outdial.workspaces.access import Role
from outdial.workspaces.audit import Actor, ActorKind, record


class MemberView(TypedDict):
    """`last_seen_at`: in whichever workspace; null for who has never signed in."""

    id: str
    email: str
    name: str
    role: Role
    created_at: str
    last_seen_at: str | None


class LinkView(TypedDict):
    """A link that signs its person in: works once. It can't be shown again, only made anew."""

    url: str
    expires_at: str


class Invitation(MemberView):
    """`link` is null for who has signed in before: they find the workspace in their list."""

    link: LinkView | None


class Membership(TypedDict):
    """A workspace somebody belongs to."""

    id: str
    name: str
    role: Role


async def invite(
    engine: AsyncEngine, workspace_id: str, *, email: str, name: str, role: Role, by: Actor, base_url: str
) -> Invitation:
    """A new member, and the link to give them. Somebody who is known already keeps their name.

    Raises Invalid (the address) and Conflict: is a member already, or belongs to others (see _require_ours).
    """
    email = normal_email(email)
    async with engine.begin() as conn:
        person_id = await create_person(conn, email=email, name=name)
        if person_id is None:
            person_id = await conn.scalar(select(people.c.id).where(people.c.email == email).with_for_update())
        if person_id is None:
            raise Conflict("member_removed", "This person was removed in this moment; try again.")
        if not await add_member(conn, workspace_id, person_id, role):
            raise Conflict("member_exists", "This person is a member of the workspace already.")
        await _require_ours(conn, workspace_id, person_id, by)
        member = await get_member(conn, workspace_id, person_id)
        link = None if member["last_seen_at"] else await _link(conn, person_id, base_url)
        await record(
            conn,
            workspace_id,
            by,
            "member.invited",
            subject_id=person_id,
            subject_name=member["name"],
            details={"email": email, "role": role},
        )
        return Invitation(**member, link=link)


async def change_role(
    engine: AsyncEngine, workspace_id: str, person_id: str, role: Role, *, by: Actor
) -> MemberView:
    """Raises NotFound, and Conflict for the last operator."""
    async with engine.begin() as conn:
        operators = await _lock_operators(conn, workspace_id)
        before = await get_member(conn, workspace_id, person_id)
        if before["role"] != role:
            if operators == [person_id]:
                raise _last_operator()
            await conn.execute(update(members).where(_is(workspace_id, person_id)).values(role=role))
            await record(
                conn,
                workspace_id,
                by,
                "member.role_changed",
                subject_id=person_id,
                subject_name=before["name"],
                details={"role": role, "before": before["role"]},
            )
        return await get_member(conn, workspace_id, person_id)


async def remove_member(engine: AsyncEngine, workspace_id: str, person_id: str, *, by: Actor) -> MemberView:
    """As they were. Who is a member of nothing any more is forgotten, sign-ins included.

    Raises NotFound, and Conflict for the last operator.
    """
    async with engine.begin() as conn:
        operators = await _lock_operators(conn, workspace_id)
        member = await get_member(conn, workspace_id, person_id)
        if operators == [person_id]:
            raise _last_operator()
        await conn.execute(select(people.c.id).where(people.c.id == person_id).with_for_update())
        await conn.execute(delete(members).where(_is(workspace_id, person_id)))
        others = select(members.c.person_id).where(members.c.person_id == person_id)
        await conn.execute(delete(people).where(people.c.id == person_id, ~others.exists()))
        await record(
            conn, workspace_id, by, "member.removed", subject_id=person_id, subject_name=member["name"]
        )
        return member


async def make_member_link(
    engine: AsyncEngine, workspace_id: str, person_id: str, *, by: Actor, base_url: str
) -> LinkView:
    """A way back in, for who is locked out; earlier links stop working.

    Raises NotFound, and Conflict for who belongs to others as well (see _require_ours).
    """
    async with engine.begin() as conn:
        member = await get_member(conn, workspace_id, person_id)
        await conn.execute(select(people.c.id).where(people.c.id == person_id).with_for_update())
        await _require_ours(conn, workspace_id, person_id, by)
        link = await _link(conn, person_id, base_url)
        await record(
            conn, workspace_id, by, "member.link_made", subject_id=person_id, subject_name=member["name"]
        )
        return link


async def list_members(conn: AsyncConnection, workspace_id: str) -> list[MemberView]:
    return await _read(
        conn, _members().where(members.c.workspace_id == workspace_id).order_by(members.c.created_at, people.c.id)
    )


async def get_member(conn: AsyncConnection, workspace_id: str, person_id: str) -> MemberView:
    found = await _read(conn, _members().where(_is(workspace_id, person_id))) if is_id(person_id, "per") else []
    if not found:
        raise NotFound("member_not_found", "There is no such member of this workspace.")
    return found[0]


async def list_memberships(conn: AsyncConnection, person_id: str) -> list[Membership]:
    """The workspaces a person may switch to, by name."""
    rows = await conn.execute(
        select(workspaces.c.id, workspaces.c.name, members.c.role)
        .join(members, members.c.workspace_id == workspaces.c.id)
        .where(members.c.person_id == person_id)
        .order_by(workspaces.c.name, workspaces.c.id)
    )
    return [Membership(id=row.id, name=row.name, role=Role(row.role)) for row in rows]


async def operates_all(conn: AsyncConnection, person_id: str) -> bool:
    """Whether a person is an operator of every workspace there is: what holds for all of them is theirs to change."""
    theirs = select(members.c.workspace_id).where(
        members.c.person_id == person_id, members.c.role == Role.OPERATOR
    )
    others = select(workspaces.c.id).where(workspaces.c.id.not_in(theirs))
    return not await conn.scalar(select(others.exists()))


async def add_member(conn: AsyncConnection, workspace_id: str, person_id: str, role: Role) -> bool:
    """False for who is a member already."""
    added = await conn.scalar(
        insert(members)
        .values(workspace_id=workspace_id, person_id=person_id, role=role)
        .on_conflict_do_nothing()
        .returning(members.c.person_id)
    )
    return added is not None


async def _require_ours(conn: AsyncConnection, workspace_id: str, person_id: str, by: Actor) -> None:
    """Raises Conflict unless `by` is an operator wherever the person is a member.

    A link signs in to all of these, so nobody may make one into a workspace of others; and whoever made an account
    first may know its password, so a workspace takes an account of others in only by the server's administrator.
    """
    if by.kind is ActorKind.COMMAND_LINE:
        return
    own: Select[Any] = select(members.c.workspace_id).where(
        members.c.person_id == by.id, members.c.role == Role.OPERATOR
    )
    elsewhere = select(members.c.workspace_id).where(
        members.c.person_id == person_id,
        members.c.workspace_id != workspace_id,
        members.c.workspace_id.not_in(own),
    )
    if await conn.scalar(select(elsewhere.exists())):
        raise Conflict(
            "member_elsewhere",
            "This person belongs to another workspace as well. Only the administrator of this server can do this for "
            "them, with the command outdial members.",
        )


async def _link(conn: AsyncConnection, person_id: str, base_url: str) -> LinkView:
    token = await new_link(conn, person_id)
    now: datetime = (await conn.execute(select(func.now()))).scalar_one()
    return LinkView(url=link_url(base_url, token), expires_at=to_json(now + LINK_LIFETIME))


async def _lock_operators(conn: AsyncConnection, workspace_id: str) -> list[str]:
    """Of two who change the last two operators at once, one waits and finds one left."""
    return list(
        await conn.scalars(
            select(members.c.person_id)
            .where(members.c.workspace_id == workspace_id, members.c.role == Role.OPERATOR)
            .order_by(members.c.person_id)
            .with_for_update()
        )
    )


def _members() -> Select[Any]:
    seen = select(func.max(sign_ins.c.last_seen_at)).where(sign_ins.c.person_id == people.c.id)
    return select(
        people.c.id,
        people.c.email,
        people.c.name,
        members.c.role,
        members.c.created_at,
        seen.scalar_subquery().label("last_seen_at"),
    ).join(members, members.c.person_id == people.c.id)


async def _read(conn: AsyncConnection, query: Select[Any]) -> list[MemberView]:
    return [
        MemberView(
            id=row.id,
            email=row.email,
            name=row.name,
            role=Role(row.role),
            created_at=to_json(row.created_at),
            last_seen_at=to_json(row.last_seen_at),
        )
        for row in await conn.execute(query)
    ]


def _is(workspace_id: str, person_id: str) -> Any:
    return (members.c.workspace_id == workspace_id) & (members.c.person_id == person_id)


def _last_operator() -> Conflict:
    return Conflict("last_operator", "This is the last operator of the workspace; make somebody else one first.")
