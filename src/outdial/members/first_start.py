"""The first person: made when a server starts and nobody is there, and let in by a link."""

from dataclasses import dataclass

from sqlalchemy import func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.db.tables import people, sign_ins, workspaces
from outdial.lines.workspace_pools import add_workspace
from outdial.members.people import create_person
from outdial.members.sign_in import another_link, link_url, new_link
from outdial.members.store import add_member
from outdial.workspaces.access import Role

EMAIL = "operator@localhost"
NAME = "Operator"
WORKSPACE = "My workspace"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstStart:
    """Nobody has been in yet. `link` lets the first person in; without it: `outdial members link EMAIL`."""

    email: str
    link: str | None


async def first_start(engine: AsyncEngine, base_url: str, *, with_link: bool) -> FirstStart | None:
    """Who may come in first; None when somebody has been in already.

    Without anybody, makes the operator, a member of every workspace there is, and a first workspace if there is none.
    The links of earlier starts go on working until one is used: who has one at hand isn't locked out by a restart.
    """
    been_in = select(people.c.id).where(
        or_(
            people.c.password_hash.is_not(None),
            select(sign_ins.c.id).where(sign_ins.c.person_id == people.c.id).exists(),
        )
    )
    async with engine.begin() as conn:
        person_id = await _operator(conn)
        if person_id is None or await conn.scalar(select(been_in.exists())):
            return None
        link = link_url(base_url, await another_link(conn, person_id)) if with_link else None
        return FirstStart(email=EMAIL, link=link)


async def operator_link(engine: AsyncEngine, base_url: str) -> str | None:
    """For a server that is its user's alone: a link whenever they want one; earlier ones stop working. None when the
    first person has been removed."""
    async with engine.begin() as conn:
        person_id = await _operator(conn)
        return None if person_id is None else link_url(base_url, await new_link(conn, person_id))


async def _operator(conn: AsyncConnection) -> str | None:
    """The id of the person made at the first start, which this may be."""
    await conn.execute(text("LOCK TABLE people IN SHARE ROW EXCLUSIVE MODE"))  # two servers may start at once
    person_id: str | None = await conn.scalar(select(people.c.id).where(people.c.email == EMAIL))
    if person_id is None and await conn.scalar(select(func.count()).select_from(people)) == 0:
        return await _make_operator(conn)
    return person_id


async def _make_operator(conn: AsyncConnection) -> str:
    workspace_ids = list(await conn.scalars(select(workspaces.c.id)))
    if not workspace_ids:
        workspace_ids = [await add_workspace(conn, name=WORKSPACE)]
    person_id = await create_person(conn, email=EMAIL, name=NAME)
    assert person_id is not None  # the table is locked, and empty
    for workspace_id in workspace_ids:
        await add_member(conn, workspace_id, person_id, Role.OPERATOR)
    return person_id
