import asyncio
from itertools import pairwise

import pytest

from conversation.peers import Carrier, PlainCodec, Tape, sound
from outdial.conversation.media_line import MARK_GRACE_MS, MAX_BAD_FRAMES, MAX_REFUSALS_LOGGED, MediaLine
from outdial.media.frames import FRAME_MS, SILENT_FRAME, silence
from outdial.media.pacer import TICK_S, Pacer


class Follower:
    """A media line's listener that writes down what it is told."""

    def __init__(self):
        self.told = []

    def on_started(self, started):
        self.told.append(("started", started.stream_id))

    def on_audio(self, pcm, at_ms):
        self.told.append(("audio", at_ms, pcm))

    def on_digit(self, digit, at_ms):
        self.told.append(("digit", at_ms, digit))

    def on_closed(self, *, orderly):
        self.told.append(("closed", orderly))


class Call:
    def __init__(self, codec=PlainCodec):
        self.loop = asyncio.get_running_loop()
        self.began = self.loop.time()
        self.carrier = Carrier()
        self.follower = Follower()
        self.tape = Tape()
        self.pacer = Pacer()
        self.media_line = MediaLine(codec(), self.carrier, self.pacer, self.follower, lambda: self.tape)
        self.carrier.media_line = self.media_line

    def now_ms(self):
        return round((self.loop.time() - self.began) * 1000)

    def sent_audio(self):
        """(ms, place in the utterance in ms) of every frame sent."""
        frames = [at for at, message in self.carrier.sent if isinstance(message, bytes)]
        return [(round((at - self.began) * 1000, 3), place * FRAME_MS) for place, at in enumerate(frames)]

    def sent_words(self):
        return [message for _, message in self.carrier.sent if isinstance(message, str)]


@pytest.fixture
async def call():
    call = Call()
    call.carrier.start()
    yield call
    call.media_line.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


# -- out -----------------------------------------------------------------------------------------------------


async def test_frames_leave_at_real_time_plus_the_lead(call):
    playback = call.media_line.play()
    playback.feed(sound(7, 10_000))
    playback.finish()
    assert await playback.done == 10_000
    for at_ms, place_ms in call.sent_audio():
        due_ms = max(0, place_ms + FRAME_MS - PlainCodec.lead_ms)
        assert due_ms <= at_ms <= due_ms + TICK_S * 1000 + 0.01


async def test_how_large_the_lead_is_says_the_codec():
    class Eager(PlainCodec):
        lead_ms = 60

    call = Call(Eager)
    call.carrier.start()
    playback = call.media_line.play()
    playback.feed(sound(7, 1000))
    playback.finish()
    await playback.done
    assert [at_ms for at_ms, place_ms in call.sent_audio() if place_ms < Eager.lead_ms] == [0, 0, 0]
    for at_ms, place_ms in call.sent_audio():
        due_ms = max(0, place_ms + FRAME_MS - Eager.lead_ms)
        assert due_ms <= at_ms <= due_ms + TICK_S * 1000 + 0.01
    call.media_line.close()


async def test_the_first_frame_leaves_as_soon_as_it_was_synthesised(call):
    playback = call.media_line.play()
    await asyncio.sleep(0.0333)
    playback.feed(sound(7, 20))
    assert call.sent_audio() == [(pytest.approx(33.3), 0)]
    assert playback.begun.done()
    assert playback.start_ms == 33


async def test_audio_in_odd_pieces_arrives_whole_and_filled_up_with_silence(call):
    playback = call.media_line.play()
    pcm = sound(7, 110)
    for at in range(0, len(pcm), 333):
        playback.feed(pcm[at : at + 333])
    playback.finish()
    assert await playback.done == 120
    assert b"".join(frame for _, frame in call.carrier.ear()) == pcm + bytes(160)


async def test_a_media_line_never_sends_before_the_stream_has_started():
    call = Call()
    playback = call.media_line.play()
    playback.feed(sound(7, 100))
    playback.finish()
    await asyncio.sleep(1)
    assert call.carrier.sent == []
    call.carrier.start()
    assert await playback.done == 100
    call.media_line.close()


async def test_slow_synthesis_leaves_gaps_but_loses_nothing_and_bunches_nothing(call):
    playback = call.media_line.play()
    for _ in range(5):
        playback.feed(sound(7, 100))
        await asyncio.sleep(0.4)
    playback.finish()
    assert await playback.done == 500
    heard = [at for at, _ in call.carrier.ear()]
    assert len(heard) == 25
    assert all(later - earlier > 0.0199 for earlier, later in pairwise(heard))
    assert playback.end_ms == 1700


async def test_marks_prove_that_everything_was_played(call):
    playback = call.media_line.play()
    playback.feed(sound(7, 1000))
    playback.finish()
    await playback.done
    assert playback.complete
    assert call.now_ms() == 1000
    assert (playback.start_ms, playback.end_ms) == (0, 1000)
    assert call.sent_words() == ["mark utterance-1"]


async def test_a_playback_ends_even_when_its_mark_never_comes(call):
    call.carrier.marks_come = False
    playback = call.media_line.play()
    playback.feed(sound(7, 1000))
    playback.finish()
    assert await playback.done == 1000
    assert not playback.complete
    assert call.now_ms() == pytest.approx(1000 + MARK_GRACE_MS, abs=10)
    assert playback.end_ms == 1000


async def test_an_utterance_without_audio_is_played_at_once(call):
    playback = call.media_line.play()
    playback.finish()
    assert await playback.done == 0
    assert playback.complete
    assert playback.start_ms is playback.end_ms is None


async def test_utterances_follow_each_other_without_a_gap(call):
    for number in (1, 2, 3):
        playback = call.media_line.play()
        playback.feed(sound(number, 300))
        playback.finish()
        assert await playback.done == 300
    starts = [round((at - call.began) * 1000) for at, _ in call.carrier.ear()]
    assert starts == list(range(0, 900, 20))


async def test_only_one_utterance_is_played_at_a_time(call):
    call.media_line.play()
    with pytest.raises(RuntimeError):
        call.media_line.play()


# -- barge-in ------------------------------------------------------------------------------------------------


async def test_an_interruption_drops_what_the_carrier_holds_and_tells_what_was_heard(call):
    playback = call.media_line.play()
    playback.feed(sound(7, 5000))
    playback.finish()
    await asyncio.sleep(1.25)
    call.media_line.clear()
    assert await playback.done == 1250
    assert call.sent_words() == ["clear"]
    assert (playback.start_ms, playback.end_ms) == (0, 1250)
    await asyncio.sleep(5)
    assert len(call.carrier.ear()) == 63  # frames begun in 1250 ms
    assert max(at for at, _ in call.tape.agent_frames) < 1250


async def test_after_a_hold_it_goes_on_with_a_word_and_not_with_the_pause_before_it(call):
    playback = call.media_line.play()
    playback.feed(sound(7, 400) + silence(600) + sound(9, 400))
    playback.finish()
    await asyncio.sleep(0.5)
    call.media_line.hold()
    await asyncio.sleep(1.0)
    call.media_line.resume()
    assert await playback.done == 1400
    assert playback.complete
    assert playback.end_ms == pytest.approx(1500 + 400, abs=60)


async def test_a_mark_that_returns_after_a_clear_proves_nothing(call):
    playback = call.media_line.play()
    playback.feed(sound(7, 150))
    playback.finish()  # all of it and the mark are at the carrier now
    await asyncio.sleep(0.05)
    call.media_line.clear()
    assert await playback.done == 50
    await asyncio.sleep(0.1)
    assert not playback.complete
    following = call.media_line.play()
    following.feed(sound(8, 400))
    following.finish()
    assert await following.done == 400
    assert following.complete


async def test_a_clear_counts_only_audio_that_was_there_to_be_heard(call):
    playback = call.media_line.play()
    playback.feed(sound(7, 100))
    await asyncio.sleep(1)
    playback.feed(sound(7, 100))
    await asyncio.sleep(0.05)
    call.media_line.clear()
    assert await playback.done == 150


async def test_clearing_before_the_first_frame_counts_nothing(call):
    playback = call.media_line.play()
    call.media_line.clear()
    assert await playback.done == 0
    playback.feed(sound(7, 100))  # synthesis that comes too late
    playback.finish()
    await asyncio.sleep(1)
    assert call.sent_audio() == []


async def test_clearing_an_idle_media_line_does_nothing(call):
    call.media_line.clear()
    assert call.carrier.sent == []


# -- in ------------------------------------------------------------------------------------------------------


async def test_audio_and_digits_come_with_the_time_of_the_call_clock(call):
    call.carrier.say(5, 40)
    await asyncio.sleep(0.05)
    call.carrier.press("9")
    assert call.follower.told == [
        ("started", "stream-1"),
        ("audio", 20, sound(5, 20)),
        ("audio", 40, sound(5, 20)),
        ("digit", 50, "9"),
    ]
    assert call.tape.callee_frames == [(0, sound(5, 20)), (20, sound(5, 20))]


async def test_the_recording_is_written_about_every_second(call):
    await asyncio.sleep(5.01)
    assert call.tape.flushed == [1000, 2000, 3000, 4000, 5000]


async def test_audio_that_was_held_up_is_not_written_off():
    call = Call()
    call.media_line.received("start")
    for _ in range(99):
        await asyncio.sleep(0.02)
        call.media_line.received(sound(5, 20))
    await asyncio.sleep(0.9)
    call.media_line.received(sound(5, 20))
    assert call.tape.flushed[-1] == pytest.approx(2000, abs=100)
    call.media_line.close()


async def test_a_second_start_changes_nothing(call):
    await asyncio.sleep(1)
    call.media_line.received("start")
    assert call.media_line.now_ms() == 1000
    assert call.follower.told.count(("started", "stream-1")) == 1


async def test_audio_before_the_start_is_dropped():
    call = Call()
    call.media_line.received(SILENT_FRAME)
    assert call.follower.told == []


async def test_a_peer_that_speaks_no_known_protocol_is_disconnected(call):
    for _ in range(MAX_BAD_FRAMES - 1):
        call.media_line.received("what?")
    assert call.carrier.closed_with is None
    call.media_line.received("what?")
    assert call.carrier.closed_with == 1008
    assert call.follower.told[-1] == ("closed", False)


async def test_a_message_that_is_not_understood_says_nothing_while_others_are(call, caplog):
    """Keys of which one is sent in a new way, say: as many as there are in a call."""
    for _ in range(10 * MAX_BAD_FRAMES):
        for _ in range(MAX_BAD_FRAMES - 1):
            call.media_line.received("what?")
        call.media_line.received("digit 5")
    assert call.carrier.closed_with is None
    assert [told[0] for told in call.follower.told].count("digit") == 10 * MAX_BAD_FRAMES
    assert caplog.messages == ["Media frame refused"] * MAX_REFUSALS_LOGGED


# -- the end -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("end", "orderly"), [(Carrier.stop, True), (Carrier.cut, False)])
async def test_the_end_of_the_stream_ends_what_was_being_played(call, end, orderly):
    playback = call.media_line.play()
    playback.feed(sound(7, 5000))
    await asyncio.sleep(0.5)
    end(call.carrier)
    assert await playback.done == 500
    assert not playback.complete
    assert call.follower.told[-1] == ("closed", orderly)
    assert call.tape.closed_ms == 500
    assert max(at for at, _ in call.tape.agent_frames) < 500


@pytest.mark.parametrize("says_stop", [True, False])
async def test_where_no_stop_is_said_an_orderly_close_stands_for_it(call, says_stop):
    call.media_line._codec.says_stop = says_stop
    call.carrier.hang_up()
    assert call.follower.told[-1] == ("closed", not says_stop)


async def test_a_closed_media_line_takes_and_sends_nothing_more(call):
    call.media_line.close()
    told, sent = list(call.follower.told), list(call.carrier.sent)
    playback = call.media_line.play()
    playback.feed(sound(7, 100))
    playback.finish()
    assert await playback.done == 0
    call.media_line.clear()
    call.media_line.received(SILENT_FRAME)
    call.media_line.disconnected()
    call.media_line.close()
    await asyncio.sleep(1)
    assert (call.follower.told, call.carrier.sent) == (told, sent)


async def test_a_codec_that_fails_ends_its_own_call_only(call, caplog):
    broken = Call()
    broken.carrier.start()
    broken.media_line._codec.audio = None  # not callable
    well, ill = call.media_line.play(), broken.media_line.play()
    well.feed(sound(7, 1000))
    ill.feed(sound(7, 1000))
    well.finish()
    ill.finish()
    assert await ill.done == 0
    assert await well.done == 1000
    assert broken.follower.told[-1] == ("closed", False)
    assert [record.message for record in caplog.records] == ["Audio not sent"]
