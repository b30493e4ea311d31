"""Numbers that come onto the do-not-call list, and the calls that waited for them."""

import asyncio
import io
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text

from outdial.calls.claim import BUSY, claim_due_calls
from outdial.calls.do_not_call import import_numbers, list_number
from outdial.calls.noted import keep
from outdial.calls.refused import end_waiting_to
from outdial.calls.results import Result, save_result
from outdial.db.engine import create_engine, put_away
from outdial.db.tables import audit_log
from outdial.policy.do_not_call import NewEntry, Source, insert_entries, list_entries, lock_list, remove_entry
from outdial.policy.gate import Rule
from outdial.policy.import_file import ImportFile
from outdial.refusals import Invalid
from outdial.telephony.state import CallState, EndReason
from outdial.workspaces.audit import COMMAND_LINE
from workspace import CALLEE, OWNER

LISTED = "+12025550115"
SLOW_ATTEMPTS = (
    "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1.5); RETURN NEW; END $$",
    "CREATE TRIGGER slow BEFORE INSERT ON attempts FOR EACH ROW EXECUTE FUNCTION slow()",
)
ASKED = Result(noted={"do_not_call": True}, recording=None, message_delivered=None, transferred=False)


async def enter(workspace, number=LISTED, *, engine=None):
    return await list_number(
        engine or workspace.engine, workspace.id, number, reason=None, source=Source.CLI, by=COMMAND_LINE
    )


async def entries(workspace):
    async with workspace.engine.connect() as conn:
        return (await list_entries(conn, workspace.id))["entries"]


async def acts(workspace):
    async with workspace.engine.connect() as conn:
        return [(row.act, row.subject_name, row.details) for row in await conn.execute(select(audit_log))]


def file_of(*numbers):
    return ImportFile(io.BytesIO("\n".join(numbers).encode()))


# -- added -----------------------------------------------------------------------------------------------------


async def test_what_waits_for_a_number_ends_when_it_comes_onto_the_list(workspace):
    waiting, other = await workspace.queue(to=LISTED), await workspace.queue()
    listed = await enter(workspace)
    assert (listed.added, listed.canceled, listed.entry["number"]) == (True, 1, LISTED)
    call = await workspace.call(waiting)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "canceled", "do_not_call")
    assert (await workspace.call(other)).state == "queued"
    assert await acts(workspace) == [("do_not_call.added", "+120…15", {"source": "cli", "canceled": 1})]


async def test_adding_a_number_again_changes_nothing(workspace):
    first = await enter(workspace)
    again = await enter(workspace)
    assert (again.added, again.canceled, again.entry) == (False, 0, first.entry)
    assert len(await acts(workspace)) == 1


async def test_an_import_says_what_was_new_and_ends_what_waited(workspace):
    await enter(workspace, "+12025550100")
    waiting, other = await workspace.queue(to=LISTED), await workspace.queue()
    file = file_of("number", "+12025550100", LISTED, "12", LISTED, "+12025550101")
    report = await import_numbers(workspace.engine, workspace.id, file, by=COMMAND_LINE)
    (refused,) = report.pop("refused_rows")
    assert refused["line"] == 4
    assert report == {"added": 2, "already_there": 2, "refused": 1, "canceled": 1}
    assert [(await workspace.call(call_id)).state for call_id in (waiting, other)] == ["ended", "queued"]
    assert (await acts(workspace))[1:] == [("do_not_call.imported", "Do-not-call list", report)]


async def test_an_import_that_breaks_off_enters_nothing(workspace):
    class Broken(io.BytesIO):
        def readable(self):
            return True

        def read1(self, size=-1):
            if self.tell() > 50_000:
                raise ConnectionError
            return super().read1(size)

    many = "\n".join(f"+1202{n:07}" for n in range(10_000)).encode()
    with pytest.raises(ConnectionError):
        await import_numbers(workspace.engine, workspace.id, ImportFile(Broken(many)), by=COMMAND_LINE)
    assert (await entries(workspace), await acts(workspace)) == ([], [])


async def test_a_file_without_rows_is_refused(workspace):
    with pytest.raises(Invalid):
        await import_numbers(workspace.engine, workspace.id, file_of("", ""), by=COMMAND_LINE)


# -- asked for during a call -----------------------------------------------------------------------------------


async def test_who_asks_not_to_be_called_again_is_on_the_list_when_the_call_is_over(workspace):
    claim = await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    waiting = await workspace.queue()
    await save_result(workspace.engine, claim.attempt_id, claim.call_id, ASKED)
    (entry,) = await entries(workspace)
    assert (entry["number"], entry["source"], entry["call_id"], entry["by"]) == (CALLEE, "callee", claim.call_id, None)
    assert (await workspace.call(waiting)).error["code"] == "do_not_call"
    assert (await workspace.call(claim.call_id)).state == "in_progress"


async def test_a_wish_that_is_delivered_again_does_not_undo_what_a_person_has_done_since(workspace):
    claim = await workspace.dialed()
    await save_result(workspace.engine, claim.attempt_id, claim.call_id, ASKED)
    await remove_entry(workspace.engine, workspace.id, CALLEE, by=COMMAND_LINE)
    await save_result(workspace.engine, claim.attempt_id, claim.call_id, ASKED)
    assert await entries(workspace) == []


@pytest.mark.parametrize("value", [False, None, "true", 1, "yes"])
async def test_only_a_plain_true_is_such_a_wish(workspace, value):
    claim = await workspace.dialed()
    result = Result(noted={"do_not_call": value}, recording=None, message_delivered=None, transferred=False)
    await save_result(workspace.engine, claim.attempt_id, claim.call_id, result)
    assert await entries(workspace) == []


async def test_a_caller_who_asks_is_entered_by_the_number_they_called_from(workspace):
    claim = await workspace.dialed()
    await workspace.set_call(claim.call_id, direction="inbound", from_=LISTED, to="+15551230002")
    await save_result(workspace.engine, claim.attempt_id, claim.call_id, ASKED)
    assert [entry["number"] for entry in await entries(workspace)] == [LISTED]
    await workspace.set_call(claim.call_id, direction="outbound")


@pytest.mark.parametrize("hidden", ["anonymous", "sip:jane@example.com", "+0", ""])
async def test_a_caller_who_hid_their_number_can_not_be_entered_and_nothing_else_is_lost(workspace, hidden):
    claim = await workspace.dialed()
    await workspace.set_call(claim.call_id, direction="inbound", from_=hidden)
    await save_result(workspace.engine, claim.attempt_id, claim.call_id, ASKED)
    assert await entries(workspace) == []
    assert (await workspace.call(claim.call_id)).noted == {"do_not_call": True}
    await workspace.set_call(claim.call_id, direction="outbound")


async def test_a_wish_is_kept_whatever_else_the_agent_noted(workspace):
    claim = await workspace.dialed()
    noted = keep({"much": "x" * 100_000, "do_not_call": True}).values
    result = Result(noted=noted, recording=None, message_delivered=None, transferred=False)
    await save_result(workspace.engine, claim.attempt_id, claim.call_id, result)
    assert [entry["number"] for entry in await entries(workspace)] == [CALLEE]


RETRY = {"max_attempts": 3, "on": ["failed", "busy"], "delays_s": [1]}


async def test_a_call_whose_callee_asked_has_no_further_attempt_and_keeps_its_own_end(workspace):
    claim = await workspace.dialed(retry=RETRY)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await save_result(workspace.engine, claim.attempt_id, claim.call_id, ASKED)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.FAILED)
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason) == ("ended", "failed")


async def test_a_wish_that_is_written_late_ends_the_next_attempt_before_it_is_dialled(workspace):
    claim = await workspace.dialed(retry=RETRY)
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.FAILED)
    assert (await workspace.call(claim.call_id)).state == "queued"
    await save_result(workspace.engine, claim.attempt_id, claim.call_id, ASKED)
    call = await workspace.call(claim.call_id)
    assert (call.state, call.end_reason, call.error["code"]) == ("ended", "canceled", "do_not_call")


async def test_an_attempt_that_rings_for_somebody_who_has_just_asked_is_let_go(workspace):
    claim, another = await workspace.dialed(), await workspace.dialed()
    await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)
    await workspace.hears(another.attempt_id, CallState.RINGING)
    await save_result(workspace.engine, claim.attempt_id, claim.call_id, ASKED)
    assert (await workspace.call(another.call_id)).hang_up_requested_at is not None
    assert (await workspace.call(claim.call_id)).hang_up_requested_at is None


# -- at the same time ------------------------------------------------------------------------------------------


async def test_an_addition_waits_for_a_claim_that_has_read_the_list_and_then_asks_for_the_end_of_its_call(workspace):
    """What the claim dials was dialled before the addition, which sees it and has it hung up."""
    call_id = await workspace.queue(to=LISTED)
    async with workspace.engine.begin() as conn:  # holds the claim up at its last statement
        for statement in SLOW_ATTEMPTS:
            await conn.execute(text(statement))
    claiming = asyncio.create_task(workspace.claim())
    await asyncio.wait([claiming], timeout=0.3)
    adding = asyncio.create_task(enter(workspace))
    await asyncio.wait([claiming, adding], timeout=0.3)
    assert not claiming.done()
    assert not adding.done()
    (claim,) = await asyncio.wait_for(claiming, 30)
    listed = await asyncio.wait_for(adding, 30)
    assert (claim.call_id, listed.added, listed.canceled) == (call_id, True, 0)
    assert (await workspace.call(call_id)).hang_up_requested_at is not None


async def test_two_claims_and_additions_at_once_dial_nobody_after_the_addition(make_workspace, database_url):
    """Every attempt at a listed number is older than the entry, whatever happens first."""
    workspace = await make_workspace(lines=200)
    numbers = [f"+1202555{n:04}" for n in range(60)]
    for number in numbers:
        await workspace.queue(to=number)
    engines = [create_engine(database_url) for _ in range(3)]
    claimed = {}
    done = asyncio.Event()

    async def claim(engine):
        while not done.is_set():
            for each in await workspace.claim(engine=engine, batch=2):
                claimed[each.to] = each.attempt_id
            await asyncio.sleep(0)

    async def add(mine):
        for number in mine:
            await enter(workspace, number, engine=engines[2])
            if number not in claimed:  # its commit is over: from now on nobody may claim it
                refused.add(number)

    refused: set[str] = set()
    claiming = [asyncio.create_task(claim(engine)) for engine in engines[:2]]
    async with asyncio.timeout(60):
        await asyncio.gather(add(numbers[20:40]), add(numbers[59:39:-1]))
        done.set()
        await asyncio.gather(*claiming)
    async with workspace.engine.connect() as conn:
        found = (await list_entries(conn, workspace.id, limit=100))["entries"]
    assert len(found) == 40
    for engine in engines:
        await put_away(engine)
    for number in refused & claimed.keys():  # a claim that was over before, and told of only afterwards
        attempt = await workspace.attempt(claimed[number])
        call = await workspace.call(attempt.call_id)
        assert call.hang_up_requested_at is not None, "the addition saw no call under way, and yet it was dialled"


async def test_wishes_results_and_additions_at_once_do_not_wait_for_each_other_in_a_circle(make_workspace):
    workspace = await make_workspace(lines=50)
    numbers = [f"+1202555{n:04}" for n in range(12)]
    live = [await workspace.dialed(to=number, retry=RETRY) for number in numbers for _ in range(2)]
    for claim in live:
        await workspace.hears(claim.attempt_id, CallState.IN_PROGRESS)

    async def end(claim):
        await workspace.hears(claim.attempt_id, CallState.ENDED, EndReason.FAILED)

    work = [save_result(workspace.engine, claim.attempt_id, claim.call_id, ASKED) for claim in live]
    work += [end(claim) for claim in live]
    work += [enter(workspace, number) for number in reversed(numbers)]
    work += [workspace.claim() for _ in range(6)]
    work.append(import_numbers(workspace.engine, workspace.id, file_of(*numbers[::-1], *numbers), by=COMMAND_LINE))
    async with asyncio.timeout(60):
        await asyncio.gather(*work)
    assert {entry["number"] for entry in await entries(workspace)} == set(numbers)
    for claim in live:  # one that was queued again in the very moment of the addition is refused when it is due
        await workspace.set_call(claim.call_id, due_at=datetime.now(UTC))
    assert await workspace.claim() == []
    assert {(await workspace.call(claim.call_id)).state for claim in live} == {"ended"}


async def test_a_claim_that_meets_an_addition_comes_back_soon_and_holds_nobody_up(make_workspace):
    """A call that was accepted just before, and that the addition was too early to see."""
    ours, theirs = await make_workspace(), await make_workspace()
    other = await theirs.queue(to=LISTED)
    async with ours.engine.begin() as adding:
        await insert_entries(adding, ours.id, [NewEntry(number=LISTED)], Source.CLI, by=None)
        await lock_list(adding, ours.id)
        assert await end_waiting_to(adding, ours.id, [LISTED], Rule.DO_NOT_CALL) == 0
        accepted = await ours.queue(to=LISTED)
        async with asyncio.timeout(5):
            assert await claim_due_calls(ours.engine, ours.id, owner=OWNER, lease_s=15) == BUSY
            assert [claim.call_id for claim in await theirs.claim()] == [other]
    assert await ours.claim() == []
    assert (await ours.call(accepted)).error["code"] == "do_not_call"


async def test_a_claim_waits_out_a_short_addition(workspace):
    waiting = await workspace.queue()
    async with workspace.engine.begin() as adding:
        await lock_list(adding, workspace.id)
        claiming = asyncio.create_task(workspace.claim())
        await asyncio.sleep(0.02)
    assert [claim.call_id for claim in await claiming] == [waiting]


async def test_who_was_taken_off_is_dialled_again(workspace):
    await enter(workspace)
    await remove_entry(workspace.engine, workspace.id, LISTED, by=COMMAND_LINE)
    call_id = await workspace.queue(to=LISTED)
    assert [claim.call_id for claim in await workspace.claim()] == [call_id]
