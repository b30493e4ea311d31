import asyncio

import pytest
from sqlalchemy import event, select, text

from outdial.conversation.transcript import Turn
from outdial.db.tables import turns
from outdial.live import journal as live_journal
from outdial.live.journal import CallJournal, Writing
from outdial.metrics import REGISTRY


@pytest.fixture
async def call_id(workspace):
    return await workspace.queue()


async def written(workspace):
    async with workspace.engine.connect() as conn:
        return (await conn.execute(select(turns).order_by(turns.c.seq))).all()


async def test_what_was_said_is_in_the_database_after_closing(workspace, call_id):
    journal = CallJournal(Writing(engine=workspace.engine, call_id=call_id))
    journal.turn(Turn(seq=1, speaker="agent", text="Hello.", start_ms=0, end_ms=900, latency={"total": 120}))
    journal.turn(Turn(seq=2, speaker="callee", text="Hi.", start_ms=1000, end_ms=1300))
    journal.event("digit", {"at_ms": 1500})
    await journal.close()
    assert [(row.seq, row.speaker, row.text, row.end_ms, row.latency) for row in await written(workspace)] == [
        (1, "agent", "Hello.", 900, {"total": 120}),
        (2, "callee", "Hi.", 1300, None),
    ]
    assert await workspace.events(call_id, "digit") == [{"at_ms": 1500}]
    assert [event["seq"] for event in await workspace.events(call_id, "transcript")] == [1, 2]


@pytest.fixture
def asked(workspace):
    """Each statement that the database was asked, and whether it commits by itself."""
    statements = []

    def note(conn, statement, *_):
        statements.append((statement, conn.get_execution_options().get("isolation_level") == "AUTOCOMMIT"))

    event.listen(workspace.engine.sync_engine, "before_execute", note)
    return statements


async def test_what_is_said_is_answered_first_and_then_written_with_what_was_said_meanwhile(
    workspace, call_id, asked, monkeypatch
):
    monkeypatch.setattr(live_journal, "GATHER_S", 0.3)
    journal = CallJournal(Writing(engine=workspace.engine, call_id=call_id))
    journal.turn(Turn(seq=1, speaker="callee", text="Hi.", start_ms=0, end_ms=300))
    for _ in range(20):  # what an answer takes, in turns of the event loop
        await asyncio.sleep(0)
    assert asked == []
    journal.turn(Turn(seq=2, speaker="agent", text="Hello.", start_ms=310))
    async with asyncio.timeout(30):
        while len(await written(workspace)) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert [alone for statement, alone in asked if statement is live_journal.WRITE_TURN] == [False, False]
    await journal.close()


async def test_what_comes_alone_is_one_statement_built_before(workspace, call_id, asked):
    journal = CallJournal(Writing(engine=workspace.engine, call_id=call_id))
    journal.turn(Turn(seq=1, speaker="callee", text="Hi.", start_ms=0, end_ms=300))
    await journal.close()
    assert [(statement is live_journal.WRITE_TURN, alone) for statement, alone in asked] == [(True, True)]


async def test_the_latency_of_a_turn_is_counted_once_however_often_it_comes(workspace, call_id):
    def counted() -> tuple[float, float]:
        name = "outdial_turn_latency_seconds"
        return REGISTRY.get_sample_value(f"{name}_count"), REGISTRY.get_sample_value(f"{name}_sum")

    journal, (count, sum_s) = CallJournal(Writing(engine=workspace.engine, call_id=call_id)), counted()
    journal.turn(Turn(seq=1, speaker="agent", text="Hello.", start_ms=0))
    for text_ in ("Yes, of", "Yes, of course."):
        journal.turn(Turn(seq=9, speaker="agent", text=text_, start_ms=8, latency={"total": 420}))
    journal.turn(Turn(seq=12, speaker="agent", text="Bye.", start_ms=11, latency={"total": 80}))
    await journal.close()
    assert counted() == (count + 2, pytest.approx(sum_s + 0.5))
    assert (journal.turns, journal.turn_latency_ms) == (3, 80)


async def test_a_turn_that_was_cut_before_its_first_word_is_none(workspace, call_id):
    journal = CallJournal(Writing(engine=workspace.engine, call_id=call_id))
    assert (journal.turns, journal.turn_latency_ms) == (0, None)
    for text_ in ("Hello.", ""):
        journal.turn(Turn(seq=1, speaker="agent", text=text_, start_ms=0))
    await journal.close()
    assert journal.turns == 0


async def test_a_turn_that_changed_is_written_over(workspace, call_id):
    journal = CallJournal(Writing(engine=workspace.engine, call_id=call_id))
    journal.turn(Turn(seq=1, speaker="agent", text="Hello there, this is", start_ms=0))
    await asyncio.sleep(0.05)
    journal.turn(Turn(seq=1, speaker="agent", text="Hello there", start_ms=0, end_ms=600, interrupted=True))
    await journal.close()
    (row,) = await written(workspace)
    assert (row.text, row.end_ms, row.interrupted) == ("Hello there", 600, True)


async def test_a_later_attempts_turns_come_after_the_earlier_ones(workspace, call_id):
    for first_seq in (0, 1):
        journal = CallJournal(Writing(engine=workspace.engine, call_id=call_id, first_seq=first_seq))
        journal.turn(Turn(seq=1, speaker="agent", text="Hello.", start_ms=0))
        await journal.close()
    assert [row.seq for row in await written(workspace)] == [1, 2]


async def test_text_the_database_does_not_take_is_cleaned(workspace, call_id):
    journal = CallJournal(Writing(engine=workspace.engine, call_id=call_id))
    journal.turn(Turn(seq=1, speaker="callee", text="a\0b\ud800c", start_ms=0))
    journal.turn(Turn(seq=2, speaker="agent", text="Goodbye.", start_ms=9))
    await journal.close()
    assert [row.text for row in await written(workspace)] == ["ab?c", "Goodbye."]


async def test_one_entry_that_can_not_be_written_does_not_take_the_others_along(workspace, call_id, caplog):
    journal = CallJournal(Writing(engine=workspace.engine, call_id=call_id))
    journal.turn(Turn(seq=1, speaker="agent", text="Hello.", start_ms=0))
    journal.turn(Turn(seq=2, speaker="agent", text="Oh.", start_ms=2**40))  # more than the column holds
    journal.turn(Turn(seq=3, speaker="agent", text="Goodbye.", start_ms=9))
    await journal.close()
    assert [row.seq for row in await written(workspace)] == [1, 3]
    assert "Transcript entry not written" in caplog.messages


async def test_a_database_that_fails_for_a_moment_loses_nothing(workspace, call_id):
    journal = CallJournal(Writing(engine=workspace.engine, call_id=call_id))
    async with workspace.engine.begin() as conn:
        await conn.execute(text("ALTER TABLE turns RENAME TO turns_away"))
    journal.turn(Turn(seq=1, speaker="agent", text="Hello.", start_ms=0))
    closing = asyncio.create_task(journal.close())
    await asyncio.sleep(0.1)
    assert not closing.done()
    async with workspace.engine.begin() as conn:
        await conn.execute(text("ALTER TABLE turns_away RENAME TO turns"))
    await closing
    assert len(await written(workspace)) == 1
