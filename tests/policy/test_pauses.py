"""Dialling paused and resumed: who did so, who may undo it, and who hears of it."""

import pytest

from outdial.db.notify import Notifications
from outdial.db.tables import pauses
from outdial.policy.pauses import list_pauses, pause, pause_everything, read_pause, refuse_while_paused, resume
from outdial.refusals import Denied, LimitReached, NotFound
from outdial.workspaces.audit import COMMAND_LINE, Actor, ActorKind, list_audit
from workspace import until

JANE = Actor(kind=ActorKind.PERSON, id="person_1", name="Jane")
KEY = Actor(kind=ActorKind.API_KEY, id="key_1", name="Backend")
OTHER_KEY = Actor(kind=ActorKind.API_KEY, id="key_2", name="Zapier")


async def paused(workspace, number_id=None, *, by=JANE, reason=None):
    return await pause(workspace.engine, workspace.id, number_id, reason=reason, by=by)


async def audited(workspace):
    async with workspace.engine.connect() as conn:
        entries = (await list_audit(conn, workspace.id, act="pause"))["entries"]
    return [(entry["act"], entry["actor"]["name"], entry["details"]) for entry in reversed(entries)]


async def test_a_pause_says_since_when_by_whom_and_why(workspace):
    answer = await paused(workspace, reason="Wrong list")
    assert (answer["paused"], answer["changed"]) == (True, True)
    told = answer["pause"]
    assert (told["by"]["name"], told["reason"]) == ("Jane", "Wrong list")
    assert told["at"].endswith("Z")
    async with workspace.engine.connect() as conn:
        assert (await read_pause(conn, workspace.id)).view() == told
        assert await read_pause(conn, workspace.id, workspace.number_id) is None


async def test_pausing_twice_keeps_the_first_instant_and_says_so(workspace):
    first = await paused(workspace, reason="Wrong list")
    again = await paused(workspace, by=COMMAND_LINE, reason="Another reason")
    assert again == first | {"changed": False}
    assert await audited(workspace) == [("pause.set", "Jane", {"reason": "Wrong list"})]


async def test_resuming_what_is_not_paused_changes_nothing_and_says_so(workspace):
    answer = await resume(workspace.engine, workspace.id, by=JANE)
    assert answer == {"paused": False, "changed": False, "pause": None}
    assert await audited(workspace) == []


async def test_a_workspace_and_its_number_are_paused_each_by_itself(workspace):
    await paused(workspace, workspace.number_id)
    await paused(workspace)
    async with workspace.engine.connect() as conn:
        assert [one.number_id for one in await list_pauses(conn, workspace.id)] == [None, workspace.number_id]
    await resume(workspace.engine, workspace.id, by=JANE)
    async with workspace.engine.connect() as conn:
        (left,) = await list_pauses(conn, workspace.id)
    assert (left.number_id, left.number) == (workspace.number_id, "+15551230002")


@pytest.mark.parametrize("change", [pause, resume])
async def test_a_number_of_another_workspace_is_neither_paused_nor_resumed(make_workspace, change):
    ours, theirs = await make_workspace(), await make_workspace()
    await paused(theirs, theirs.number_id)
    facts = {"reason": None} if change is pause else {}
    with pytest.raises(NotFound):
        await change(ours.engine, ours.id, theirs.number_id, by=JANE, **facts)
    async with ours.engine.connect() as conn:
        assert await list_pauses(conn, ours.id) == []
        assert len(await list_pauses(conn, theirs.id)) == 1


# -- who may resume ----------------------------------------------------------------------------------------------


async def test_a_key_resumes_what_keys_have_paused(workspace):
    await paused(workspace, by=KEY)
    assert (await resume(workspace.engine, workspace.id, by=OTHER_KEY))["changed"] is True


@pytest.mark.parametrize("by", [JANE, COMMAND_LINE], ids=lambda by: by.kind)
async def test_what_people_paused_a_key_does_not_resume(workspace, by):
    await paused(workspace, by=by)
    with pytest.raises(Denied) as refused:
        await resume(workspace.engine, workspace.id, by=KEY)
    assert refused.value.code == "paused_by_people"
    assert "outdial resume" in refused.value.message
    async with workspace.engine.connect() as conn:
        assert await read_pause(conn, workspace.id) is not None
    assert (await resume(workspace.engine, workspace.id, by=JANE))["changed"] is True


async def test_a_person_who_pauses_what_a_key_has_paused_keeps_it_from_keys(workspace):
    first = await paused(workspace, by=KEY, reason="Budget used up")
    again = await paused(workspace, by=JANE, reason="And leave it so")
    assert again == first | {"changed": False}
    with pytest.raises(Denied):
        await resume(workspace.engine, workspace.id, by=KEY)
    await paused(workspace, by=JANE)
    assert await audited(workspace) == [
        ("pause.set", "Backend", {"reason": "Budget used up"}),
        ("pause.set", "Jane", {"reason": "And leave it so", "was_paused": True}),
    ]


async def test_who_resumes_is_in_the_audit_log_with_whose_pause_it_was(workspace):
    answer = await paused(workspace, workspace.number_id)
    await resume(workspace.engine, workspace.id, workspace.number_id, by=COMMAND_LINE)
    _, (act, who, details) = await audited(workspace)
    assert (act, who) == ("pause.lifted", "Command line")
    assert details == {"paused_at": answer["pause"]["at"], "paused_by": "Jane"}


# -- who hears of it ---------------------------------------------------------------------------------------------


async def test_pages_hear_of_both_and_dispatchers_of_the_end(workspace, database_url):
    heard = []

    async def heard_of(*wanted):
        return [one for one in heard if one[1] not in ("", "ready")] == list(wanted)

    async with Notifications(database_url) as notifications:
        for channel in ("outdial_pause", "outdial_queue"):
            notifications.subscribe(channel, lambda payload, channel=channel: heard.append((channel, payload)))

        async def ready():
            for channel in ("outdial_pause", "outdial_queue"):
                await workspace.tell(channel, "ready")
            return {channel for channel, payload in heard if payload} == {"outdial_pause", "outdial_queue"}

        await until(ready)
        ours = ("outdial_pause", workspace.id)
        await paused(workspace)
        await until(lambda: heard_of(ours))
        await paused(workspace)  # changes nothing
        await resume(workspace.engine, workspace.id, by=JANE)
        await until(lambda: heard_of(ours, ours, ("outdial_queue", workspace.id)))


# -- who must not wait -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("of_number", "verb"), [(False, "outdial resume"), (True, "outdial resume --number num_")])
async def test_who_must_not_wait_is_told_how_to_go_on(workspace, of_number, verb):
    async with workspace.engine.connect() as conn:
        await refuse_while_paused(conn, workspace.id, workspace.number_id)
    await paused(workspace, workspace.number_id if of_number else None)
    async with workspace.engine.connect() as conn:
        with pytest.raises(LimitReached) as refused:
            await refuse_while_paused(conn, workspace.id, workspace.number_id)
    assert (refused.value.code, refused.value.retry_after_s) == ("paused", 60)
    assert verb in refused.value.message


async def test_a_removed_number_takes_its_pause_along(workspace):
    _, other = await workspace.add_account(e164="+15551230009")
    await paused(workspace, other)
    async with workspace.engine.begin() as conn:
        await conn.exec_driver_sql(f"DELETE FROM numbers WHERE id = '{other}'")
    async with workspace.engine.connect() as conn:
        assert (await conn.execute(pauses.select())).all() == []


async def test_everything_is_paused_at_once_for_people_to_resume(make_workspace):
    first, second = await make_workspace(), await make_workspace()
    by_key = Actor(kind=ActorKind.API_KEY, id="key_1", name="backend")
    await pause(first.engine, first.id, reason="Wrong list", by=by_key)
    async with first.engine.begin() as conn:
        assert await pause_everything(conn, reason="Restored", by=COMMAND_LINE) == 2
        assert [(await read_pause(conn, each.id)).reason for each in (first, second)] == ["Wrong list", "Restored"]
    for each in (first, second):
        with pytest.raises(Denied):
            await resume(each.engine, each.id, by=by_key)
