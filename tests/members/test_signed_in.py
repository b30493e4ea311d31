import pytest

from outdial.lines.workspace_pools import create_workspace
from outdial.members import store
from outdial.members.sign_in import sign_out, use_link
from outdial.members.signed_in import SignIns
from outdial.workspaces.access import Role
from outdial.workspaces.audit import COMMAND_LINE


@pytest.fixture
async def token(engine, invite):
    await invite("boss@clinic.example", "operator")
    return await use_link(engine, (await invite("alex@clinic.example")).link, user_agent="")


async def test_a_sign_in_ended_elsewhere_holds_as_long_as_it_is_remembered_and_no_longer(engine, token):
    now = 0.0
    remembering = SignIns(engine, csrf_keys=lambda: ["k"], ttl_s=3.0, clock=lambda: now)
    assert await remembering(token) is not None
    await sign_out(engine, token)
    now = 2.9
    assert await remembering(token) is not None
    now = 3.0
    assert await remembering(token) is None


async def test_what_is_changed_here_holds_at_once(engine, token, workspace_id):
    remembering = SignIns(engine, csrf_keys=lambda: ["k"])
    alex = await remembering(token)
    await store.change_role(engine, workspace_id, alex.person_id, Role.VIEWER, by=COMMAND_LINE)
    assert (await remembering(token)).role == "editor"
    remembering.forget(alex.person_id)
    assert (await remembering(token)).role == "viewer"


async def test_the_csrf_token_belongs_to_one_sign_in_and_one_server_key(engine, token, invite):
    other = await use_link(engine, (await invite("other@clinic.example")).link, user_agent="")
    signed_in = await SignIns(engine, csrf_keys=lambda: ["k"])(token)
    assert signed_in.csrf_token == (await SignIns(engine, csrf_keys=lambda: ["k"])(token)).csrf_token
    for wrong in (
        "",
        token,
        "\ud800",
        (await SignIns(engine, csrf_keys=lambda: ["k"])(other)).csrf_token,
        (await SignIns(engine, csrf_keys=lambda: ["other"])(token)).csrf_token,
    ):
        assert not signed_in.sent_by_our_page(wrong)
    assert signed_in.sent_by_our_page(signed_in.csrf_token)
    rotating = await SignIns(engine, csrf_keys=lambda: ["other", "k"])(token)
    assert rotating.csrf_token != signed_in.csrf_token
    assert rotating.sent_by_our_page(signed_in.csrf_token), "a page from before the secret key was rotated"


async def test_who_was_removed_from_one_workspace_goes_on_in_another(engine, token, who_is, workspace_id, invite):
    other = (await create_workspace(engine, name="Other"))["id"]
    alex = await who_is(token)
    await invite(alex.email, "viewer", to=other)
    await store.remove_member(engine, workspace_id, alex.person_id, by=COMMAND_LINE)
    here = await who_is(token)
    assert (here.workspace_id, here.role) == (other, "viewer")
    await store.remove_member(engine, other, alex.person_id, by=COMMAND_LINE)
    assert await who_is(token) is None
