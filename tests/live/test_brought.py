"""What a conversation brings, where the database doesn't take it at once."""

import asyncio
import json
from dataclasses import replace

import pytest
from sqlalchemy import select

from live.talking import accept_again, ringing
from outdial.calls.results import Result
from outdial.conversation.transcript import Turn
from outdial.db.tables import call_events, turns
from outdial.live.brought import Brought, deliver
from outdial.live.journal import Writing
from outdial.live.spool import Spool
from outdial.telephony.state import Ending, EndReason
from workspace import until

COMPLETED = Ending(end_reason=EndReason.COMPLETED)
RESULT = Result(
    ending=COMPLETED, noted={"mood": "good"}, recording=None, message_delivered=None, transferred=False
)


@pytest.fixture
async def claim(workspace):
    return await ringing(workspace)


@pytest.fixture
async def spool(tmp_path):
    spool = Spool(tmp_path, "worker_1")
    yield spool
    await spool.aclose()


def brought_by(workspace, spool, claim, **after):
    writing = Writing(engine=workspace.engine, call_id=claim.call_id, attempt_number=claim.attempt_number, **after)
    return Brought(workspace.engine, spool, claim.attempt_id, writing)


async def away(workspace, *tables):
    """The database takes nothing into these tables."""
    async with workspace.engine.begin() as conn:
        await conn.exec_driver_sql(
            "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'out of order' USING ERRCODE = '57P03'; END $$"
        )
        for table in tables:
            await conn.exec_driver_sql(
                f"CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION fail()"
            )


def kept(spool, claim):
    path = spool.folder / f"{claim.attempt_id}.json"
    return json.loads(path.read_text()) if path.exists() else None


async def feed(workspace, claim):
    query = select(call_events.c.type, call_events.c.data).where(call_events.c.entry.is_not(None))
    async with workspace.engine.connect() as conn:
        return [tuple(row) for row in await conn.execute(query.order_by(call_events.c.id))]


def say_much(journal, count, *, first=1):
    for number in range(first, first + count):
        journal.turn(Turn(seq=number, speaker="agent", text=f"Turn {number}.", start_ms=number))
        journal.event("digit", {"at_ms": number})


async def test_what_is_taken_at_once_lies_nowhere_afterwards(workspace, spool, claim):
    brought = brought_by(workspace, spool, claim)
    brought.result = RESULT
    await brought.keep()
    assert kept(spool, claim)["result"]["noted"] == {"mood": "good"}
    await brought.save(RESULT)
    await brought.finish()
    assert kept(spool, claim) is None
    assert (await workspace.call(claim.call_id)).noted == {"mood": "good"}


async def test_a_journal_waits_on_the_disk_while_the_database_is_away_and_comes_in_order(workspace, spool, claim):
    brought = brought_by(workspace, spool, claim)
    await away(workspace, "turns", "call_events")
    say_much(brought.journal, 3)

    async def is_kept():
        return kept(spool, claim) is not None and len(kept(spool, claim)["journal"]) == 6

    await until(is_kept)
    assert kept(spool, claim)["result"] is None
    for table in ("turns", "call_events"):
        await accept_again(workspace, table)

    async def is_written():
        return kept(spool, claim) is None

    await until(is_written)
    say_much(brought.journal, 1, first=4)
    await brought.journal.close()
    told = [(type_, data.get("seq") or data["at_ms"]) for type_, data in await feed(workspace, claim)]
    assert told == [(type_, number) for number in (1, 2, 3, 4) for type_ in ("transcript", "digit")]


async def test_a_write_of_which_nobody_knows_whether_it_was_taken_is_not_repeated(workspace, spool, claim, monkeypatch):
    """The reply to the commit was lost."""
    writing, lost = Writing.write_once, []

    async def loses_replies(self, entries, *, in_doubt=False):
        await writing(self, entries, in_doubt=in_doubt)
        if not in_doubt:
            lost.append(len(entries))
            raise OSError("connection reset")

    monkeypatch.setattr(Writing, "write_once", loses_replies)
    brought = brought_by(workspace, spool, claim)
    say_much(brought.journal, 2)
    await brought.journal.close()
    assert lost
    assert [type_ for type_, _ in await feed(workspace, claim)] == ["transcript", "digit"] * 2


async def test_each_conversation_of_an_attempt_has_a_file_and_numbers_of_its_own(workspace, spool, claim):
    """The one before a transfer may still be tidied up while the one after it is under way."""
    first = brought_by(workspace, spool, claim)
    first.result = replace(RESULT, ending=None, transferred=True)
    await first.keep()
    say_much(first.journal, 1)
    await first.journal.close()
    await first.save(first.result)
    second = brought_by(workspace, spool, claim, entries=2, first_seq=1, returns=1)
    await away(workspace, "turns", "call_events")
    say_much(second.journal, 1)

    async def is_kept():
        return (spool.folder / f"{claim.attempt_id}-1.json").exists()

    await until(is_kept)
    await first.finish()
    assert kept(spool, claim) is None
    assert await is_kept()
    content = json.loads((spool.folder / f"{claim.attempt_id}-1.json").read_text())
    assert [entry["number"] for entry in content["journal"]] == [3, 4]
    for table in ("turns", "call_events"):
        await accept_again(workspace, table)
    await deliver(workspace.engine, content)
    second.journal.abandon()
    assert len(await feed(workspace, claim)) == 4


async def test_a_process_that_ends_leaves_what_was_not_taken(workspace, spool, claim):
    brought = brought_by(workspace, spool, claim)
    await away(workspace, "turns")
    say_much(brought.journal, 1)
    brought.result = RESULT
    brought.keep_now()
    content = kept(spool, claim)
    assert len(content["journal"]) == 2
    await accept_again(workspace, "turns")
    for _ in range(2):  # twice changes nothing
        await deliver(workspace.engine, content)
    assert [type_ for type_, _ in await feed(workspace, claim)] == ["transcript", "digit"]
    async with workspace.engine.connect() as conn:
        assert [row.text for row in await conn.execute(select(turns))] == ["Turn 1."]
    call = await workspace.call(claim.call_id)
    assert call.noted == {"mood": "good"}
    assert len(await workspace.events(claim.call_id, "noted")) == 1
    assert (await workspace.attempt(claim.attempt_id)).ending == COMPLETED.to_json()


async def test_a_journal_of_two_attempts_is_told_apart(workspace, spool, claim):
    first = brought_by(workspace, spool, claim)
    say_much(first.journal, 2)
    await first.journal.close()
    writing = Writing(engine=workspace.engine, call_id=claim.call_id, attempt_number=2, first_seq=2)
    second = Brought(workspace.engine, spool, "att_second", writing)
    await away(workspace, "turns")
    say_much(second.journal, 1)
    second.keep_now()
    await accept_again(workspace, "turns")
    await deliver(workspace.engine, json.loads((spool.folder / "att_second.json").read_text()))
    async with workspace.engine.connect() as conn:
        assert [row.seq for row in await conn.execute(select(turns).order_by(turns.c.seq))] == [1, 2, 3]


async def test_a_journal_that_is_full_ends_no_conversation_and_says_so(workspace, spool, claim, monkeypatch, caplog):
    monkeypatch.setattr("outdial.live.journal.MAX_WAITING", 4)
    brought = brought_by(workspace, spool, claim)
    say_much(brought.journal, 3)
    assert len(brought.journal.pending) == 4
    assert caplog.messages.count("Transcript full; the rest is lost") == 1
    await brought.journal.close()


async def test_a_call_that_was_erased_meanwhile_is_no_trouble(workspace, spool, claim):
    brought = brought_by(workspace, spool, claim)
    await away(workspace, "turns")
    say_much(brought.journal, 1)
    brought.result = RESULT
    brought.keep_now()
    content = kept(spool, claim)
    content["call_id"], content["attempt_id"] = "call_gone", "att_gone"
    await deliver(workspace.engine, content)
    assert await feed(workspace, claim) == []
    await asyncio.sleep(0)
