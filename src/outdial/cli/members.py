"""outdial members: who may sign in, and the way back in for who is locked out."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.cli.database import Workspace, the_target, the_workspace, with_database
from outdial.cli.failures import CommandFailed
from outdial.cli.output import AsJson, show, show_rows
from outdial.cli.verbs import verbs
from outdial.members import store
from outdial.settings import Settings
from outdial.workspaces.access import Role
from outdial.workspaces.audit import COMMAND_LINE

app = verbs("People who sign in, and what they may do.")

Who = Annotated[str, typer.Argument(help="Their e-mail address, or their id.")]


@app.command("list")
def list_(workspace: Workspace = None, json: AsJson = False) -> None:
    """The members of a workspace."""

    async def work(engine: AsyncEngine, _: Settings) -> list[store.MemberView]:
        return await _members(engine, await the_workspace(engine, workspace))

    show_rows(
        with_database(work),
        ["id", "email", "name", "role", "last_seen_at"],
        as_json=json,
        empty="No member yet; invite one: outdial members invite EMAIL",
    )


@app.command()
def invite(
    email: str,
    name: Annotated[str | None, typer.Option(help="Default: what comes before the @.")] = None,
    role: Annotated[Role, typer.Option(help="What they may do.")] = Role.EDITOR,
    workspace: Workspace = None,
    json: AsJson = False,
) -> None:
    """Make somebody a member, and a link that lets them in. Hand it over yourself: nothing is sent."""

    async def work(engine: AsyncEngine, settings: Settings) -> dict[str, Any]:
        member = await store.invite(
            engine,
            await the_workspace(engine, workspace),
            email=email,
            name=name or email.partition("@")[0],
            role=role,
            by=COMMAND_LINE,
            base_url=settings.base_url,
        )
        return {**member, "link": member["link"] and member["link"]["url"]}

    linked = with_database(work, the_target(addresses=True))
    show(linked, as_json=json, done="Member invited. The link works once, for 24 hours.")


@app.command()
def link(who: Who, workspace: Workspace = None, json: AsJson = False) -> None:
    """Make a link that signs a member in, once.

    Whoever comes by it may set a new password.
    """

    async def work(engine: AsyncEngine, settings: Settings) -> store.LinkView:
        workspace_id = await the_workspace(engine, workspace)
        member = await _member(engine, workspace_id, who)
        return await store.make_member_link(
            engine, workspace_id, member["id"], by=COMMAND_LINE, base_url=settings.base_url
        )

    linked = with_database(work, the_target(addresses=True))
    show(linked, as_json=json, done="Link made. It works once; earlier ones stop working.")


@app.command()
def remove(who: Who, workspace: Workspace = None, json: AsJson = False) -> None:
    """Take a member out of a workspace."""

    async def work(engine: AsyncEngine, _: Settings) -> store.MemberView:
        workspace_id = await the_workspace(engine, workspace)
        member = await _member(engine, workspace_id, who)
        return await store.remove_member(engine, workspace_id, member["id"], by=COMMAND_LINE)

    show(with_database(work), as_json=json, done="Member removed. Running servers may let them in for a few seconds.")


async def _members(engine: AsyncEngine, workspace_id: str) -> list[store.MemberView]:
    async with engine.connect() as conn:
        return await store.list_members(conn, workspace_id)


async def _member(engine: AsyncEngine, workspace_id: str, who: str) -> store.MemberView:
    for member in await _members(engine, workspace_id):
        if who.strip().lower() in (member["id"], member["email"]):
            return member
    raise CommandFailed(f"there is no member {who}; see: outdial members list")
