"""What others write down about a call reaches the conversation that is held here."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from live.talking import Line, ringing
from outdial.calls.advance import apply_event
from outdial.calls.hang_up import request_hang_up
from outdial.conversation.commands import SetVariables
from outdial.db.notify import Notifications
from outdial.live.commands import ask
from outdial.live.news import News
from outdial.telephony.verdict import AnsweredBy, Verdict
from workspace import logged, until


@pytest.fixture
async def notifications(database_url):
    async with Notifications(database_url) as notifications:
        yield notifications


@pytest.fixture
async def news(workspace, talking, notifications):
    """Heard from now on."""
    news = News(workspace.engine, notifications, talking.conversations)
    running = asyncio.create_task(news.run())
    await until(lambda: is_connected(notifications))
    yield news
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await talking.aclose()
    await news.aclose()


async def is_connected(notifications):
    return notifications.connected


def machine():
    return Verdict(answered_by=AnsweredBy.MACHINE, at=datetime.now(UTC), evidence=("beep",), message_end=True)


def has_ended(workspace, claim):
    async def check():
        return (await workspace.call(claim.call_id)).state == "ended"

    return check


async def test_a_hang_up_asked_for_ends_the_conversation(workspace, talking, news, claim):
    await talking.answered(claim)
    await request_hang_up(workspace.engine, workspace.id, claim.call_id)
    await until(has_ended(workspace, claim))
    assert (await workspace.call(claim.call_id)).end_reason == "completed"
    assert workspace.carrier.hung_up == ["CA1"]


async def test_a_hang_up_that_is_older_than_the_stream_is_heard(workspace, talking, news, claim):
    await request_hang_up(workspace.engine, workspace.id, claim.call_id)
    start = await talking.open(claim)
    start(Silent())
    await until(has_ended(workspace, claim))
    assert workspace.carrier.hung_up == ["CA1"]


async def test_a_verdict_changes_the_course_of_the_call(workspace, talking, news):
    claim = await workspace.dialed(detection={"on_machine": "hang_up", "max_wait_s": 30})
    await talking.answered(claim)
    await apply_event(workspace.engine, claim.attempt_id, machine())
    await until(has_ended(workspace, claim))
    assert (await workspace.call(claim.call_id)).end_reason == "machine"


async def test_a_beep_that_a_carrier_tells_of_reaches_the_conversation(workspace, talking, news):
    claim = await workspace.dialed(detection={"on_machine": "leave_message", "max_wait_s": 30})
    await talking.answered(claim)
    answering = talking.conversations.session(claim.call_id).answering

    async def has_beeped():
        return answering.has_beeped

    # Its end and its beep in one word: the message would be left, and the call over, before a second one is told.
    await apply_event(workspace.engine, claim.attempt_id, replace(machine(), message_end=False))
    await apply_event(workspace.engine, claim.attempt_id, replace(machine(), beeped=True))
    await until(has_beeped)
    assert answering.takes_message


async def test_a_verdict_that_is_older_than_the_stream_is_heard(workspace, talking, news):
    claim = await workspace.dialed(detection={"on_machine": "hang_up", "max_wait_s": 30})
    await apply_event(workspace.engine, claim.attempt_id, machine())
    start = await talking.open(claim)
    line = Line()
    line.media_line = start(line)
    line.starts()  # the agent may never come to speak
    await until(has_ended(workspace, claim))
    assert (await workspace.call(claim.call_id)).end_reason == "machine"


async def test_a_command_is_carried_out_by_the_conversation(workspace, talking, news, notifications, claim):
    await talking.answered(claim)
    command = SetVariables(values={"plan": "Premium"})
    answer = await ask(workspace.engine, notifications, workspace.id, claim.call_id, command)
    assert answer.done == {}
    assert talking.conversations.session(claim.call_id).noted == {"mood": "good", "plan": "Premium"}


async def test_the_calls_of_other_processes_are_not_read(workspace, talking, news, claim):
    other = await ringing(workspace)
    await talking.answered(claim)
    await request_hang_up(workspace.engine, workspace.id, other.call_id)
    await request_hang_up(workspace.engine, workspace.id, claim.call_id)
    await until(has_ended(workspace, claim))
    assert (await workspace.call(other.call_id)).state == "ringing"


# -- the database away -----------------------------------------------------------------------------------------


async def test_news_is_heard_once_the_database_is_back(workspace, talking, news, claim, caplog):
    await talking.answered(claim)
    async with away(workspace, "call_commands"):
        await request_hang_up(workspace.engine, workspace.id, claim.call_id)
        await until(lambda: logged(caplog, "Live calls not read; trying again"))
        assert (await workspace.call(claim.call_id)).state == "in_progress"
    await until(has_ended(workspace, claim))


@asynccontextmanager
async def away(workspace, table):
    """The database answers no question about this table."""
    async with workspace.engine.begin() as conn:
        await conn.execute(text(f"ALTER TABLE {table} RENAME TO away"))
    try:
        yield
    finally:
        async with workspace.engine.begin() as conn:
            await conn.execute(text(f"ALTER TABLE away RENAME TO {table}"))


async def test_news_whose_notification_was_lost_is_heard_once_the_connection_is_back(
    workspace, talking, news, notifications, claim, caplog
):
    await talking.answered(claim)
    async with workspace.engine.begin() as conn:
        # The connection that listens is cut, and the hang-up is written down while nobody can hear of it.
        await conn.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
            )
        )
        await conn.execute(text(f"UPDATE calls SET hang_up_requested_at = now() WHERE id = '{claim.call_id}'"))
    await until(has_ended(workspace, claim))
    assert "Database notifications lost" in caplog.messages


class Silent:
    """A socket nobody speaks into yet."""

    def send(self, message):
        pass

    def close(self, code=1000):
        pass
