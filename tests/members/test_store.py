import asyncio

import pytest

from outdial.db.engine import reading
from outdial.lines.workspace_pools import create_workspace
from outdial.members import store
from outdial.members.sign_in import make_link, use_link
from outdial.refusals import Conflict, Invalid, NotFound
from outdial.workspaces.access import Role
from outdial.workspaces.audit import COMMAND_LINE, Actor, ActorKind, list_audit

KEY = Actor(kind=ActorKind.API_KEY, id="key_1", name="Zapier")


def person(who):
    return Actor(kind=ActorKind.PERSON, id=who.id, name="A person")


@pytest.fixture
async def boss(invite):
    return await invite("boss@clinic.example", "operator")


@pytest.fixture
async def other_id(engine):
    return (await create_workspace(engine, name="Other"))["id"]


async def roles(engine, workspace_id):
    async with reading(engine) as conn:
        members = await store.list_members(conn, workspace_id)
    return {member["email"].partition("@")[0]: member["role"] for member in members}


async def test_members_are_invited_change_and_go(engine, boss, invite, workspace_id):
    alex = await invite("Alex@Clinic.Example ", "viewer")
    assert alex.email == "alex@clinic.example"
    await store.change_role(engine, workspace_id, alex.id, Role.EDITOR, by=person(boss))
    await store.change_role(engine, workspace_id, alex.id, Role.EDITOR, by=person(boss))
    assert await roles(engine, workspace_id) == {"boss": "operator", "alex": "editor"}
    await store.remove_member(engine, workspace_id, alex.id, by=person(boss))
    assert await roles(engine, workspace_id) == {"boss": "operator"}
    async with reading(engine) as conn:
        entries = (await list_audit(conn, workspace_id))["entries"]
    assert [(entry["act"], entry["subject"]["name"], entry["details"]) for entry in entries[:-1]] == [
        ("member.removed", "Alex", {}),
        ("member.role_changed", "Alex", {"role": "editor", "before": "viewer"}),
        ("member.invited", "Alex", {"email": "alex@clinic.example", "role": "viewer"}),
    ]
    assert alex.link not in str(entries)


@pytest.mark.parametrize("email", ["", "alex", "@x", "x@", "a b@x", "a\0@x", "\ud800@x", "x" * 300 + "@x"])
async def test_what_is_no_address_is_refused(invite, email):
    with pytest.raises(Invalid):
        await invite(email)


async def test_nobody_is_invited_twice(invite, boss):
    with pytest.raises(Conflict, match="member_exists"):
        await invite("BOSS@clinic.example")
    invited = await asyncio.gather(*(invite("new@clinic.example") for _ in range(4)), return_exceptions=True)
    assert [type(each) for each in invited].count(Conflict) == 3


async def test_the_last_operator_stays_one(engine, boss, invite, workspace_id):
    await invite("alex@clinic.example")
    with pytest.raises(Conflict, match="last_operator"):
        await store.remove_member(engine, workspace_id, boss.id, by=COMMAND_LINE)
    with pytest.raises(Conflict, match="last_operator"):
        await store.change_role(engine, workspace_id, boss.id, Role.VIEWER, by=COMMAND_LINE)
    await store.change_role(engine, workspace_id, boss.id, Role.OPERATOR, by=COMMAND_LINE)


async def test_of_two_operators_who_remove_each_other_one_stays(engine, boss, invite, workspace_id):
    second = await invite("second@clinic.example", "operator")
    results = await asyncio.gather(
        store.remove_member(engine, workspace_id, boss.id, by=person(second)),
        store.change_role(engine, workspace_id, second.id, Role.VIEWER, by=person(boss)),
        return_exceptions=True,
    )
    assert [type(result) for result in results].count(Conflict) == 1
    assert list((await roles(engine, workspace_id)).values()).count("operator") == 1


async def test_members_of_other_workspaces_are_not_there(engine, boss, other_id):
    for person_id in (boss.id, "per_none", "x", "per_\0"):
        with pytest.raises(NotFound):
            await store.change_role(engine, other_id, person_id, Role.VIEWER, by=COMMAND_LINE)
        with pytest.raises(NotFound):
            await store.remove_member(engine, other_id, person_id, by=COMMAND_LINE)
        with pytest.raises(NotFound):
            await store.make_member_link(engine, other_id, person_id, by=COMMAND_LINE, base_url="")


async def test_who_belongs_to_others_is_neither_taken_in_nor_given_a_link(engine, boss, invite, workspace_id, other_id):
    """Else an operator of one workspace could sign in to another one's."""
    stranger = await invite("stranger@clinic.example", "operator", to=other_id)
    for by in (person(boss), KEY):
        with pytest.raises(Conflict, match="member_elsewhere"):
            await invite("stranger@clinic.example", by=by)
    await invite("stranger@clinic.example")  # by the server's administrator
    for by in (person(boss), KEY):
        with pytest.raises(Conflict, match="member_elsewhere"):
            await store.make_member_link(engine, workspace_id, stranger.id, by=by, base_url="")
    assert await store.make_member_link(engine, workspace_id, stranger.id, by=COMMAND_LINE, base_url="")


async def test_an_operator_of_both_workspaces_may(engine, boss, invite, workspace_id, other_id):
    alex = await invite("alex@clinic.example")
    await invite("boss@clinic.example", "operator", to=other_id)
    again = await invite("alex@clinic.example", to=other_id, by=person(boss))
    assert again.id == alex.id
    assert await store.make_member_link(engine, other_id, alex.id, by=person(boss), base_url="")


async def test_who_has_been_in_needs_no_link_to_another_workspace(engine, invite, other_id):
    alex = await invite("alex@clinic.example")
    await use_link(engine, alex.link, user_agent="")
    assert (await invite("alex@clinic.example", to=other_id)).link is None
    async with reading(engine) as conn:
        names = [each["name"] for each in await store.list_memberships(conn, alex.id)]
    assert names == ["Clinic", "Other"]


async def test_who_is_a_member_of_nothing_is_forgotten(engine, boss, invite, workspace_id):
    alex = await invite("alex@clinic.example")
    link = await make_link(engine, alex.id)
    await store.remove_member(engine, workspace_id, alex.id, by=COMMAND_LINE)
    with pytest.raises(NotFound):
        await use_link(engine, link, user_agent="")
    assert (await invite("alex@clinic.example")).id != alex.id
