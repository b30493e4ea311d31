"""Who is asked to take a callee, on a media stream of their own: heard, answered, connected or let go."""

import asyncio
import json
from collections import deque
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from asking import DESK, REFUSED, SECOND, WARM, Asking
from live.talking import Line
from outdial.db.consultation_tables import consultations
from outdial.db.tables import attempts
from workspace import until


class Desk(Line):
    """Whoever picks up: what is said is played at once, as its marks tell."""

    def send(self, message):
        super().send(message)
        told = json.loads(message)
        if told["event"] == "mark":
            asyncio.get_running_loop().call_soon(self.media_line.received, json.dumps(told))


@pytest.fixture
async def asking(workspace, talking, claim):
    await talking.answered(claim)
    asking = Asking(workspace, claim)
    yield asking
    await asking.aclose()


async def picks_up(workspace, talking, claim):
    token = workspace.carrier.dialed[-1].stream_url.rpartition("/")[2]
    start = await talking.open(claim, token=token)
    assert start is not None
    desk = Desk()
    desk.media_line = start(desk)
    desk.starts()
    return desk


async def until_asked(desk):
    async def is_asked():
        return any(json.loads(message)["event"] == "mark" for message in desk.sent)

    await until(is_asked)


async def test_who_presses_one_is_connected_and_not_hung_up_on(workspace, talking, claim, asking):
    await asking.is_dialled()
    desk = await picks_up(workspace, talking, claim)
    await until_asked(desk)
    desk.presses("1")
    await asking.task
    assert workspace.carrier.joined[0][1] == SECOND

    async def is_done():
        return desk.closed_with is not None

    await until(is_done)
    assert (await asking.transfer()).accepted_by == "key"
    assert workspace.carrier.hung_up == []


async def test_who_presses_two_hears_a_goodbye_and_is_hung_up_on(workspace, talking, claim, asking):
    await asking.is_dialled()
    desk = await picks_up(workspace, talking, claim)
    await until_asked(desk)
    desk.presses("2")
    assert (await asking.fails()).result == "declined"
    await asking.hung_up(SECOND)
    assert talking.voice.spoken[-1] == "All right, thank you. Goodbye."


async def test_a_token_is_not_good_once_the_callee_has_left(workspace, talking, claim, asking):
    await asking.is_dialled()
    async with workspace.engine.begin() as conn:
        await conn.execute(update(attempts).values(owner="worker_other"))
    token = workspace.carrier.dialed[-1].stream_url.rpartition("/")[2]
    assert await talking.open(claim, token=token) is None


async def test_a_process_that_ends_leaves_nobody_ringing(workspace, talking, claim):
    async def transfers(call):
        talking.begun.set()
        await call.transfer(DESK, warm=replace(WARM, hold=""))

    talking.agents.conversation = transfers
    await talking.answered(claim)

    async def is_dialled():
        async with workspace.engine.connect() as conn:
            return await conn.scalar(select(consultations.c.carrier_call_id)) is not None

    await until(is_dialled)
    workspace.carrier.refuses_ends_of[SECOND] = deque([REFUSED] * 2)  # and it is tried again
    hurry = asyncio.Event()
    hurry.set()
    await talking.conversations.aclose(hurry=hurry)
    assert SECOND in workspace.carrier.hung_up
