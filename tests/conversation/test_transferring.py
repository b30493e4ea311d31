"""A warm transfer on a live call: what the callee hears while somebody else is asked, and where it is then."""

from contextlib import nullcontext
from itertools import pairwise

import pytest

from conversation.peers import Carrier, Stage
from outdial.conversation.commands import Transfer
from outdial.conversation.verb_results import NOT_TAKEN, TransferFailed
from outdial.conversation.warm import IfNotPossible, Warm
from outdial.telephony.failures import INTERRUPTED
from outdial.telephony.transfer import TransferOutcome

DESK, OTHER = "+15550003", "+15550004"
WARM = Warm(brief="Jane would like another day.")
HOLD = "agent: Please hold the line while I try to connect you."


async def asks_first(call):
    await call.say("One moment.")
    try:
        await call.transfer(DESK, warm=WARM)
    except TransferFailed as failed:
        await call.say(f"Back: {failed.result}.")


def pauses_s(stage):
    """Between the frames that the callee heard of us."""
    heard = [at_ms for at_ms, pcm in stage.tape.agent_frames if any(pcm)]
    return [(after - before) / 1000 for before, after in pairwise(heard)]


async def test_a_callee_is_connected_with_who_takes_the_call():
    stage = Stage(asks_first)
    end = await stage.run()
    assert (end.transferred, end.still_up, end.error) == (True, False, None)
    assert stage.switch.asked == [(DESK, WARM)]
    assert stage.switch.transfers == [DESK]
    assert stage.notes.lines == ["agent: One moment.", HOLD]


async def test_it_hears_music_meanwhile_and_never_silence_for_long():
    stage = Stage(asks_first)
    stage.switch.answers_after_s = 60.0
    await stage.run()
    assert max(pauses_s(stage)) < 4
    assert stage.now_s() > 60


@pytest.mark.parametrize("result", [TransferOutcome.BUSY, TransferOutcome.DECLINED, TransferOutcome.VOICEMAIL])
async def test_the_agent_goes_on_with_the_callee_of_whom_nobody_takes_the_call(result):
    stage = Stage(asks_first)
    stage.switch.refuses = TransferFailed(NOT_TAKEN, result)
    end = await stage.run()
    assert (end.transferred, end.still_up) == (False, True)
    assert stage.notes.lines == ["agent: One moment.", HOLD, f"agent: Back: {result}."]


@pytest.mark.parametrize("ends", [Carrier.stop, Carrier.cut])
async def test_nobody_is_asked_any_more_when_the_callee_leaves(ends):
    stage = Stage(asks_first)
    stage.at(8.0, ends, stage.carrier)
    end = await stage.run()
    assert not end.transferred
    assert stage.switch.let_go == 1
    assert stage.now_s() < 9


@pytest.mark.parametrize("ends", [Carrier.stop, Carrier.cut])
async def test_an_audio_that_ends_while_the_two_are_connected_is_no_loss(ends):
    stage = Stage(asks_first)
    stage.switch.when_joining = lambda: stage.loop.call_later(0.1, ends, stage.carrier)
    end = await stage.run()
    assert (end.transferred, end.still_up, end.error) == (True, False, None)
    assert not stage.session.lost.is_set()


async def test_a_server_that_stops_has_nobody_asked_any_more():
    stage = Stage(asks_first)
    stage.at(8.0, stage.session.interrupt, "")
    end = await stage.run()
    assert (end.error, end.transferred, stage.switch.let_go) == (INTERRUPTED, False, 1)


@pytest.mark.parametrize(("otherwise", "transferred"), [(IfNotPossible.COLD, True), (IfNotPossible.STAY, False)])
async def test_where_a_carrier_cannot_it_goes_as_declared(otherwise, transferred):
    async def agent(call):
        with nullcontext() if transferred else pytest.raises(TransferFailed):
            await call.transfer(DESK, warm=Warm(brief="Jane.", if_not_possible=otherwise))

    stage = Stage(agent)
    stage.switch.can_be_asked = False
    end = await stage.run()
    assert (end.transferred, stage.switch.asked) == (transferred, [])
    assert stage.switch.transfers == ([DESK] if transferred else [])


async def test_another_sentence_is_said_where_the_author_wrote_one_or_none():
    async def agent(call):
        await call.transfer(DESK, warm=Warm(brief="Jane.", hold="I will ask the front desk."))

    stage = Stage(agent)
    await stage.run()
    assert stage.notes.lines == ["agent: I will ask the front desk."]


def test_a_brief_that_nobody_would_listen_to_is_none():
    with pytest.raises(ValueError, match="800 characters"):
        Warm(brief="a" * 801)
    with pytest.raises(ValueError, match="5 to 60 seconds"):
        Warm(brief="", wait_s=2)


async def test_nobody_is_asked_any_more_once_somebody_outside_has_transferred_the_callee():
    stage = Stage(asks_first)
    stage.at(8.0, lambda: stage.commands.append(stage.loop.create_task(stage.session.carry_out(Transfer(to=OTHER)))))
    end = await stage.run()
    assert (end.transferred, stage.switch.transfers, stage.switch.let_go) == (True, [OTHER], 1)
