import asyncio
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, text

from outdial.db.tables import people, sign_in_links, sign_ins
from outdial.lines.workspace_pools import create_workspace
from outdial.members.sign_in import (
    end_other_sign_ins,
    end_sign_in,
    list_sign_ins,
    make_link,
    set_password,
    sign_out,
    switch_workspace,
    use_link,
    whose_link,
)
from outdial.refusals import Denied, Invalid, NotFound

PASSWORD = "correct horse battery"


@pytest.fixture
async def alex(engine, invite, who_is):
    """Has followed the link and set a password; `token` is that browser's."""
    person = await invite("alex@clinic.example")
    person.token = await use_link(engine, person.link, user_agent="Chrome")
    here = await who_is(person.token)
    person.sign_in_id = here.sign_in_id
    await set_password(engine, here.sign_in_id, password=PASSWORD, old_password=None, address="192.0.2.1")
    return person


async def test_a_password_signs_in_whatever_the_case_of_the_address(enter, alex, who_is, workspace_id):
    signed_in = await who_is(await enter("  Alex@Clinic.Example "))
    assert (signed_in.person_id, signed_in.email, signed_in.name) == (alex.id, "alex@clinic.example", "alex")
    assert (signed_in.workspace_id, signed_in.role, signed_in.needs_password) == (workspace_id, "editor", False)
    assert signed_in.principal.actor.id == alex.id


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("alex@clinic.example", "wrong horse battery"),
        ("alex@clinic.example", ""),
        ("alex@clinic.example", PASSWORD + "x" * 10_000),
        ("nobody@clinic.example", PASSWORD),
        ("\ud800", "\ud800"),
        ("a\0b", PASSWORD),
    ],
)
async def test_a_wrong_password_and_an_unknown_person_are_told_in_the_same_words(enter, alex, email, password):
    with pytest.raises(Denied) as refused:
        await enter(email, password)
    assert (refused.value.code, refused.value.message) == (
        "wrong_password",
        "The e-mail address or the password is wrong.",
    )


async def test_who_has_set_no_password_cannot_sign_in_with_one(enter, invite):
    await invite("new@clinic.example")
    with pytest.raises(Denied):
        await enter("new@clinic.example", "")


async def test_what_is_stored_signs_nobody_in(engine, enter, alex, who_is):
    token, link = await enter(alex.email), await make_link(engine, alex.id)
    async with engine.connect() as conn:
        for table in (people, sign_ins, sign_in_links):
            stored = str((await conn.execute(select(table))).all())
            assert token not in stored
            assert link not in stored
            assert PASSWORD not in stored
    for wrong in (token[:-1], token + "x", "", "x" * 1000, "\ud800", "ü"):
        assert await who_is(wrong) is None


async def test_a_link_works_once(engine, invite, who_is):
    new = await invite("new@clinic.example")
    async with engine.connect() as conn:
        assert await whose_link(conn, new.link)
    used = await asyncio.gather(
        *(use_link(engine, new.link, user_agent="") for _ in range(4)), return_exceptions=True
    )
    tokens = [token for token in used if isinstance(token, str)]
    assert len(tokens) == 1
    assert {type(each) for each in used} == {str, NotFound}
    assert (await who_is(tokens[0])).needs_password
    async with engine.connect() as conn:
        assert not await whose_link(conn, new.link)


async def test_a_link_is_good_for_a_day_and_until_there_is_a_newer_one(engine, invite, pass_time):
    new = await invite("new@clinic.example")
    newer = await make_link(engine, new.id)
    with pytest.raises(NotFound):
        await use_link(engine, new.link, user_agent="")
    await pass_time(timedelta(hours=24))
    with pytest.raises(NotFound):
        await use_link(engine, newer, user_agent="")
    for wrong in ("", "x", "ü", "\ud800", "x" * 1000):
        with pytest.raises(NotFound):
            await use_link(engine, wrong, user_agent="")


async def test_a_sign_in_lives_thirty_days_if_it_is_used_every_week(enter, alex, who_is, pass_time):
    token = await enter(alex.email)
    for _ in range(4):
        await pass_time(timedelta(days=6, hours=23))
        assert await who_is(token) is not None
    await pass_time(timedelta(days=2, hours=4))
    assert await who_is(token) is None


async def test_a_sign_in_that_is_not_used_for_a_week_is_over(enter, alex, who_is, pass_time):
    token = await enter(alex.email)
    await pass_time(timedelta(days=7))
    assert await who_is(token) is None


async def test_use_is_noted_once_a_minute(engine, enter, alex, who_is, pass_time):
    token = await enter(alex.email)

    async def seen_at():
        async with engine.connect() as conn:
            return (await list_sign_ins(conn, alex.id))[0]["last_seen_at"]

    first = await seen_at()
    await who_is(token)
    assert await seen_at() == first
    await pass_time(timedelta(seconds=61))
    await who_is(token)
    assert await seen_at() > first


async def test_people_see_and_end_their_own_sign_ins(engine, enter, alex, who_is, invite):
    phone = await enter(alex.email, user_agent="Pho\x00ne\n" + "x" * 1000)
    async with engine.connect() as conn:
        listed = await list_sign_ins(conn, alex.id, current=alex.sign_in_id)
    assert [(each["user_agent"][:6], each["current"]) for each in listed] == [("Pho ne", False), ("Chrome", True)]
    assert len(listed[0]["user_agent"]) <= 300
    other = await invite("other@clinic.example")
    for stranger, sign_in_id in ((other.id, listed[0]["id"]), (alex.id, "signin_none")):
        with pytest.raises(NotFound):
            await end_sign_in(engine, stranger, sign_in_id)
    await end_sign_in(engine, alex.id, listed[0]["id"])
    assert await who_is(phone) is None
    assert await who_is(alex.token) is not None
    await sign_out(engine, alex.token)
    await sign_out(engine, "unknown")
    assert await who_is(alex.token) is None


async def test_all_other_sign_ins_end_at_once(engine, enter, alex, who_is):
    others = [await enter(alex.email) for _ in range(2)]
    assert await end_other_sign_ins(engine, alex.id, current=alex.sign_in_id) == 2
    assert [await who_is(token) for token in others] == [None, None]
    assert await who_is(alex.token) is not None


async def test_a_new_password_takes_the_old_one_and_ends_everything_else(engine, enter, alex, who_is):
    elsewhere, link = await enter(alex.email), await make_link(engine, alex.id)
    for wrong in (None, "", "not the password"):
        with pytest.raises(Invalid, match="invalid_request") as refused:
            await set_password(
                engine, alex.sign_in_id, password="another good one", old_password=wrong, address="192.0.2.1"
            )
        assert refused.value.field == "old_password"
    await set_password(
        engine, alex.sign_in_id, password="another good one", old_password=PASSWORD, address="192.0.2.1"
    )
    assert await who_is(elsewhere) is None
    assert await who_is(alex.token) is not None
    with pytest.raises(NotFound):
        await use_link(engine, link, user_agent="")
    with pytest.raises(Denied):
        await enter(alex.email)
    assert await enter(alex.email, "another good one")


async def test_a_link_lets_set_a_password_without_the_forgotten_one_and_once(engine, enter, alex, who_is):
    token = await use_link(engine, await make_link(engine, alex.id), user_agent="")
    here = await who_is(token)
    assert here.needs_password
    await set_password(engine, here.sign_in_id, password="another good one", old_password=None, address="192.0.2.1")
    assert not (await who_is(token)).needs_password
    with pytest.raises(Invalid):
        await set_password(engine, here.sign_in_id, password="a third good one", old_password=None, address="x")


@pytest.mark.parametrize("password", ["", "ninechars", "x" * 201, "e\u0301" * 9])
async def test_a_password_has_ten_to_two_hundred_characters(engine, alex, password):
    with pytest.raises(Invalid) as refused:
        await set_password(engine, alex.sign_in_id, password=password, old_password=PASSWORD, address="x")
    assert refused.value.field == "password"


async def test_a_password_is_the_same_on_every_keyboard(engine, alex, enter):
    await set_password(engine, alex.sign_in_id, password="grüne Äpfel", old_password=PASSWORD, address="x")
    assert await enter(alex.email, "gru\u0308ne A\u0308pfel")


async def test_a_browser_switches_only_to_workspaces_of_its_person(engine, alex, invite, who_is, workspace_id):
    other = (await create_workspace(engine, name="Other"))["id"]
    for unknown in (other, "ws_none"):
        with pytest.raises(NotFound):
            await switch_workspace(engine, alex.sign_in_id, unknown)
    await invite(alex.email, "viewer", to=other)
    await switch_workspace(engine, alex.sign_in_id, other)
    here = await who_is(alex.token)
    assert (here.workspace_id, here.role) == (other, "viewer")


async def test_people_come_back_to_where_they_were(engine, alex, invite, enter, who_is):
    other = (await create_workspace(engine, name="Other"))["id"]
    await invite(alex.email, to=other)
    await switch_workspace(engine, alex.sign_in_id, other)
    await who_is(alex.token)
    assert (await who_is(await enter(alex.email))).workspace_id == other


async def test_a_password_of_older_parameters_is_hashed_anew(engine, alex, enter):
    old = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    async with engine.begin() as conn:
        await conn.execute(people.update().values(password_hash=old))
    assert await enter(alex.email)
    async with engine.connect() as conn:
        assert "m=19456" in await conn.scalar(select(people.c.password_hash))
    assert await enter(alex.email)


async def test_old_sign_ins_are_tidied_away(engine, alex, enter, pass_time):
    await pass_time(timedelta(days=61))
    await enter(alex.email)
    async with engine.connect() as conn:
        assert await conn.scalar(text("SELECT count(*) FROM sign_ins")) == 1
