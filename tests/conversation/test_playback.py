"""An utterance that ends between two words, and one that was fed before it is played."""

import pytest

from conversation.peers import sound
from outdial.conversation.playback import PAUSE_FRAMES, WORD_FRAMES, Playback
from outdial.media.frames import FRAME_BYTES, FRAME_MS, silence

WORD, PAUSE = sound(6000, 400), silence(100)


@pytest.fixture
async def playback():
    playback = Playback()
    playback.feed(WORD + PAUSE + WORD + PAUSE + WORD)
    return playback


def send(playback, frames):
    for _ in range(frames):
        playback.recent.append(playback.frames.popleft())
        playback.sent += 1


def left_ms(playback):
    return len(playback.frames) * FRAME_MS


async def test_it_ends_at_the_next_pause(playback):
    send(playback, 5)
    playback.shorten([])
    assert left_ms(playback) == 400 - 5 * FRAME_MS
    assert playback.finished


async def test_in_a_pause_nothing_more_is_said(playback):
    send(playback, 20)
    playback.shorten([])
    assert left_ms(playback) == 0


async def test_a_stop_in_the_middle_of_a_word_is_no_pause():
    playback = Playback()
    closure = silence((PAUSE_FRAMES - 1) * FRAME_MS)
    playback.feed(sound(6000, 100) + closure + sound(6000, 200) + PAUSE + WORD)
    playback.shorten([])
    assert left_ms(playback) == 100 + len(closure) // 16 + 200


@pytest.mark.parametrize(("ends_ms", "expected_ms"), [([80, 620, 900], 520), ([80, 100, 380], 0), ([80, 5000], 300)])
async def test_where_the_voice_tells_its_words_it_ends_behind_one(playback, ends_ms, expected_ms):
    send(playback, 5)
    playback.shorten(ends_ms)
    assert left_ms(playback) == expected_ms


async def test_who_talks_without_a_pause_is_cut_where_it_is_quietest():
    playback = Playback()
    playback.feed(sound(6000, 300) + sound(900, PAUSE_FRAMES * FRAME_MS) + sound(6000, 4000))
    playback.shorten([])
    assert left_ms(playback) == 300
    assert left_ms(playback) < WORD_FRAMES * FRAME_MS


async def test_what_comes_after_is_not_said_and_its_mark_proves_nothing(playback):
    playback.shorten([])
    left = left_ms(playback)
    playback.feed(WORD)
    playback.finish()
    playback.marked()
    assert left_ms(playback) == left
    assert not playback.complete


async def test_what_was_whole_all_the_same_is():
    playback = Playback()
    playback.feed(WORD)
    playback.finish()
    playback.shorten([])
    playback.marked()
    assert left_ms(playback) == 400
    assert playback.complete


async def test_it_may_be_fed_before_it_is_played():
    pumped = []
    playback = Playback()
    playback.feed(bytes(FRAME_BYTES))
    playback.plays("utterance-1", lambda: pumped.append(len(playback.frames)))
    playback.feed(bytes(FRAME_BYTES))
    assert (playback.mark, pumped) == ("utterance-1", [2])
