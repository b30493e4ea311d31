"""What somebody hears who listens in: both sides, sample by sample, soon; and what the call notices of it: nothing."""

import numpy as np
import pytest

from conversation.peers import Stage, sound
from outdial.live.listening_in.tap import BLOCK_MS, KEPT_BLOCKS, Tap
from outdial.media.frames import BYTES_PER_MS
from outdial.media.g711 import pcm_to_ulaw
from virtual_time import run

GREETING = "Hello Jane, this is the assistant of the clinic."
REPLY = "Yes, this is Jane speaking."
SECONDS = 12.0
ULAW_PER_MS = BYTES_PER_MS // 2


async def talks(call):
    await call.say(GREETING)
    await call.listen(no_reply_s=4)
    await call.say("Thank you, goodbye.")


class Ear:
    """Somebody who listens from an instant on, and takes what is there every so often; `heard`: when, and what."""

    def __init__(self, stage: Stage, *, from_s: float, every_s: float = 0.05, until_s: float = SECONDS) -> None:
        self.stage, self.every_s, self.until_s = stage, every_s, until_s
        self.heard = []
        self.tap = self.listener = None
        stage.at(from_s, self._begin)

    def _begin(self) -> None:
        self.tap = Tap(self.stage.media_line, over=lambda: None)
        self.listener = self.tap.add()
        self._take()

    def _take(self) -> None:
        self.heard += [(self.stage.now_s() * 1000, block) for block in self.listener._blocks]
        self.listener._blocks.clear()
        if not self.listener.is_over:
            self.stage.loop.call_later(self.every_s, self._take)

    @property
    def blocks(self):
        return [block for _, block in self.heard]


def track(frames, from_ms: int, until_ms: int) -> bytes:
    """What a recording has of one side in that time, as µ-law."""
    pcm = bytearray((until_ms - from_ms) * BYTES_PER_MS)
    for at_ms, frame in frames:
        start = (at_ms - from_ms) * BYTES_PER_MS
        piece = frame[max(0, -start) :]
        start = max(0, start)
        pcm[start : start + len(piece)] = piece[: max(0, len(pcm) - start)]
    return pcm_to_ulaw(bytes(pcm))


async def test_both_sides_are_heard_sample_by_sample_from_then_on():
    stage = Stage(talks)
    stage.at(4.0, stage.callee_says, REPLY)
    ear = Ear(stage, from_s=0.73)
    await stage.run()
    blocks = ear.blocks
    first, end = blocks[0].at_ms, blocks[-1].at_ms + BLOCK_MS
    assert 730 <= first <= 830
    assert [block.at_ms for block in blocks] == list(range(first, end, BLOCK_MS))
    for name, recorded in (("agent", stage.tape.agent_frames), ("callee", stage.tape.callee_frames)):
        heard = b"".join(getattr(block, name) for block in blocks)
        assert heard == track(recorded, first, end)
        assert heard.count(b"\xff") < len(heard) * 0.9  # somebody spoke
    assert end - first > 4000


async def test_it_is_heard_well_within_a_second():
    stage = Stage(talks)
    stage.at(4.0, stage.callee_says, REPLY)
    ear = Ear(stage, from_s=1.0)
    await stage.run()
    assert max(at_ms - block.at_ms for at_ms, block in ear.heard) <= 300


async def test_a_barge_in_is_heard_as_the_callee_hears_it():
    stage = Stage(talks)
    stage.at(1.6, stage.callee_says, "Wait, who is calling me there?")
    ear = Ear(stage, from_s=0.2)
    await stage.run()
    blocks = ear.blocks
    first, end = blocks[0].at_ms, blocks[-1].at_ms + BLOCK_MS
    assert any(message == "clear" for _, message in stage.carrier.sent)
    assert b"".join(block.agent for block in blocks) == track(stage.tape.agent_frames, first, end)


async def test_frames_the_network_held_up_are_heard_in_their_place():
    stage = Stage(talks)
    stage.at(4.0, stage.callee_says, REPLY)
    stage.at(4.5, stage.carrier.hold_up, 0.08)
    ear = Ear(stage, from_s=0.5)
    await stage.run()
    first, end = ear.blocks[0].at_ms, ear.blocks[-1].at_ms + BLOCK_MS
    assert b"".join(block.callee for block in ear.blocks) == track(stage.tape.callee_frames, first, end)


async def call_with(listeners: int):
    """Who never take anything. What the carrier was sent and when, what was written down, and the listeners."""
    stage = Stage(talks)
    stage.at(4.0, stage.callee_says, REPLY)
    ears = []

    def begin():
        tap = Tap(stage.media_line, over=lambda: None)
        ears.extend(tap.add() for _ in range(listeners))

    if listeners:
        stage.at(0.5, begin)
    await stage.run()
    return stage.carrier.sent, stage.notes.turns, ears


@pytest.mark.parametrize("listeners", [1, 12])
def test_the_call_is_the_same_however_many_listen_and_how_slowly(listeners):
    sent, turns, ears = run(call_with(listeners))
    assert (sent, turns, []) == run(call_with(0))  # to the tick
    assert len(ears) == listeners
    assert all(len(ear._blocks) == KEPT_BLOCKS and ear.dropped > 20 and ear.is_over for ear in ears)


async def test_who_is_slow_loses_the_oldest_and_then_hears_what_is_said_now():
    stage = Stage(talks)
    slow = Ear(stage, from_s=0.5, every_s=3.0)
    await stage.run()
    assert slow.listener.dropped > 0
    taken = [at_ms - block.at_ms for at_ms, block in slow.heard]
    assert max(taken) <= KEPT_BLOCKS * BLOCK_MS + 300


async def test_a_line_that_nobody_listens_to_any_more_knows_nothing_of_it():
    stage = Stage(talks)
    ear = Ear(stage, from_s=0.5)
    stage.at(1.0, lambda: ear.tap.remove(ear.listener))
    followers = []
    stage.at(1.1, lambda: followers.extend(stage.media_line._listeners))
    await stage.run()
    assert followers == [stage.session]
    assert ear.listener.is_over


async def test_a_tap_that_breaks_ends_for_its_listeners_alone(caplog):
    stage = Stage(talks)
    ear = Ear(stage, from_s=0.5)
    stage.at(1.0, lambda: setattr(ear.tap._callee, "take", None))
    end = await stage.run()
    assert ear.listener.is_over
    assert end.error is None
    assert [turn.text for turn in stage.notes.turns][-1] == "Thank you, goodbye."
    assert [record.message for record in caplog.records] == ["Listening in failed"]


async def test_after_the_event_loop_stood_still_it_goes_on_with_what_is_said_now():
    stage = Stage(talks)
    ear = Ear(stage, from_s=0.5)
    stage.at(2.0, lambda: setattr(ear.tap, "_at_ms", ear.tap._at_ms - 5000))
    await stage.run()
    at = [block.at_ms for block in ear.blocks]
    assert np.all(np.diff(at) >= BLOCK_MS)
    assert len(at) > 20


def test_every_block_has_as_much_of_both_sides():
    assert len(pcm_to_ulaw(sound(7, BLOCK_MS))) == BLOCK_MS * ULAW_PER_MS
