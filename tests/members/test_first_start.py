import asyncio

import pytest

from outdial.db.engine import reading
from outdial.lines.workspace_pools import create_workspace, list_workspaces
from outdial.members import store
from outdial.members.first_start import first_start, operator_link
from outdial.members.sign_in import use_link
from outdial.refusals import NotFound
from outdial.workspaces.audit import COMMAND_LINE

URL = "https://voice.example"


async def first_link(engine):
    first = await first_start(engine, URL, with_link=True)
    assert first.email == "operator@localhost"
    return first.link


def token(link):
    assert link.startswith(f"{URL}/sign-in/")
    return link.removeprefix(f"{URL}/sign-in/")


async def test_the_first_start_makes_an_operator_and_a_workspace(engine, who_is):
    link = await first_link(engine)
    operator = await who_is(await use_link(engine, token(link), user_agent=""))
    assert (operator.email, operator.name, operator.role) == ("operator@localhost", "Operator", "operator")
    async with reading(engine) as conn:
        assert [workspace["id"] for workspace in await list_workspaces(conn)] == [operator.workspace_id]


async def test_workspaces_that_are_there_get_the_operator(engine, who_is, workspace_id):
    other = (await create_workspace(engine, name="Other"))["id"]
    operator = await who_is(await use_link(engine, token(await first_link(engine)), user_agent=""))
    async with reading(engine) as conn:
        memberships = await store.list_memberships(conn, operator.person_id)
    assert {each["id"]: each["role"] for each in memberships} == {workspace_id: "operator", other: "operator"}


async def test_the_links_of_earlier_starts_work_until_one_is_used(engine):
    first, second, third = [await first_link(engine) for _ in range(3)]
    await use_link(engine, token(first), user_agent="")
    for other in (second, third):
        with pytest.raises(NotFound):
            await use_link(engine, token(other), user_agent="")
    assert await first_start(engine, URL, with_link=True) is None
    assert await operator_link(engine, URL)


async def test_a_start_that_nobody_watches_makes_no_link_and_takes_none_away(engine, workspace_id):
    link = await first_link(engine)
    unwatched = await first_start(engine, URL, with_link=False)
    assert (unwatched.email, unwatched.link) == ("operator@localhost", None)
    await use_link(engine, token(link), user_agent="")


async def test_two_servers_that_start_together_make_one_operator(engine):
    links = await asyncio.gather(*(first_link(engine) for _ in range(4)))
    assert all(links)
    async with reading(engine) as conn:
        (workspace,) = await list_workspaces(conn)
        assert len(await store.list_members(conn, workspace["id"])) == 1


async def test_where_others_were_invited_first_there_is_no_operator_to_let_in(engine, invite):
    await invite("boss@clinic.example", "operator")
    assert await first_start(engine, URL, with_link=True) is None
    assert await operator_link(engine, URL) is None


async def test_the_first_operator_may_be_removed_later(engine, who_is, workspace_id, invite):
    operator = await who_is(await use_link(engine, token(await first_link(engine)), user_agent=""))
    await invite("boss@clinic.example", "operator")
    await store.remove_member(engine, workspace_id, operator.person_id, by=COMMAND_LINE)
    assert await first_start(engine, URL, with_link=True) is None
