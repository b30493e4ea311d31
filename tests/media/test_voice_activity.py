import logging

import numpy as np
import pytest

from outdial.media import tones
from outdial.media.frames import frames, silence
from outdial.media.g711 import pcm_to_ulaw, ulaw_to_pcm
from outdial.media.voice_activity import MAX_BACKLOG_BYTES, WINDOW_BYTES, VoiceActivity


@pytest.fixture
def activity():
    return VoiceActivity()


def noise(seed, windows=12):
    """Something the model's state depends on."""
    return np.random.default_rng(seed).normal(0, 3000, windows * 256).astype("<i2").tobytes()


def probabilities(activity, pcm):
    heard = []
    stream = activity.open(heard.append)
    for frame in frames(pcm):
        stream.feed(frame)
        activity.run_once()
    while activity.run_once():
        pass
    stream.close()
    return heard


@pytest.mark.parametrize(
    "sound",
    [
        silence(2000),
        tones.ringback(4000),
        tones.busy(2000),
        tones.beep(1500),
        b"".join(tones.dtmf(key, 150) + silence(80) for key in "0123456789*#"),
        tones.fax_cng(4000),
        tones.fax_ced(3000),
        np.random.default_rng(1).normal(0, 200, 16000).astype("<i2").tobytes(),
    ],
    ids=["silence", "ringback", "busy", "beep", "digits", "fax call", "fax answer", "line noise"],
)
def test_the_sounds_of_the_network_are_not_speech(activity, sound):
    assert max(probabilities(activity, ulaw_to_pcm(pcm_to_ulaw(sound)))) < 0.3


def test_every_32_ms_are_reported_once(activity):
    assert len(probabilities(activity, silence(1000))) == 1000 // 32


def test_a_window_that_is_reported_late_tells_how_old_it_is(activity):
    waiting = []
    stream = activity.open(lambda probability: waiting.append(stream.waiting_ms))
    stream.feed(silence(100))
    batch = activity.collect()
    stream.feed(silence(40))  # comes during the inference
    activity.deliver(batch, activity.infer(batch))
    while activity.run_once():
        pass
    assert waiting == [140 - 32, 140 - 64, 140 - 96, 140 - 128]


def test_a_detector_that_is_behind_takes_several_windows_at_once_and_hears_the_same(activity):
    expected = probabilities(VoiceActivity(), noise(1))
    heard, waiting = [], []

    def on_window(probability):
        heard.append(probability)
        waiting.append(stream.waiting_ms)

    stream = activity.open(on_window)
    stream.feed(noise(1))
    batches = 0
    while activity.run_once():
        batches += 1
    assert batches == 1
    assert np.allclose(heard, expected, atol=1e-6)
    assert waiting == [32 * after for after in reversed(range(12))]


def test_a_call_that_is_behind_alone_keeps_no_other_waiting(activity):
    late, others = activity.open(lambda probability: None), [activity.open(lambda probability: None) for _ in range(3)]
    late.feed(noise(1))
    for other in others:
        other.feed(noise(2, windows=1))
    assert activity.run_once() == 4
    assert late.waiting_ms == 11 * 32


def test_a_call_hears_the_same_alone_and_among_others(activity):
    alone = [probabilities(VoiceActivity(), noise(seed)) for seed in range(20)]
    together = [[] for _ in alone]
    streams = [activity.open(heard.append) for heard in together]
    for seed, stream in enumerate(streams):
        stream.feed(noise(seed))
    while activity.run_once():
        pass
    assert np.allclose(alone, together, atol=1e-4)


def test_calls_come_and_go_between_the_windows_of_others(activity):
    expected = probabilities(VoiceActivity(), noise(1))
    heard = []
    stream = activity.open(heard.append)
    for at in range(0, len(noise(1)), WINDOW_BYTES):
        passing = activity.open(lambda probability: None)
        passing.feed(noise(at, windows=1))
        stream.feed(noise(1)[at : at + WINDOW_BYTES])
        activity.run_once()
        passing.close()
    assert np.allclose(heard, expected, atol=1e-4)


def test_a_new_call_inherits_nothing_from_the_last_one_in_its_place(activity):
    expected = probabilities(VoiceActivity(), noise(1))
    probabilities(activity, noise(2))
    assert np.allclose(probabilities(activity, noise(1)), expected, atol=1e-6)


def test_a_call_that_ends_during_an_inference_hears_no_more_and_spoils_nothing(activity):
    expected = probabilities(VoiceActivity(), noise(1))
    ended, heard = [], []
    ending = activity.open(ended.append)
    ending.feed(noise(2))
    batch = activity.collect()
    ending.close()
    successor = activity.open(heard.append)  # in the same place
    successor.feed(noise(1))
    activity.deliver(batch, activity.infer(batch))
    while activity.run_once():
        pass
    assert ended == []
    assert np.allclose(heard, expected, atol=1e-6)


def test_a_window_waits_for_the_state_that_an_inference_on_its_way_will_give(activity):
    activity.open(lambda probability: None).feed(noise(1, windows=2))
    batch = activity.collect()
    assert activity.collect() is None
    activity.deliver(batch, activity.infer(batch))
    assert activity.collect() is not None


def test_windows_too_faint_for_a_voice_are_no_speech_without_being_looked_at(activity):
    heard = []
    stream = activity.open(heard.append)
    stream.feed(silence(64))
    for _ in range(2):
        batch = activity.collect()
        assert (batch.streams, batch.faint) == ([], [stream])
        activity.deliver(batch, activity.infer(batch))
    assert heard == [0.0, 0.0]


def test_faint_windows_are_reported_where_inference_of_others_fails(activity):
    quiet, loud = [], []
    activity.open(quiet.append).feed(silence(32))
    activity.open(loud.append).feed(noise(1, windows=1))
    activity.deliver(activity.collect(), None)
    assert (quiet, loud) == ([0.0], [])


def test_a_voice_after_long_silence_is_heard_as_it_would_be_at_once(activity):
    """The model isn't told of faint windows: its state is that of the last one it has seen."""
    at_once = probabilities(VoiceActivity(), silence(32) + noise(1))[1:]
    assert probabilities(activity, silence(3200) + noise(1))[100:] == pytest.approx(at_once, abs=1e-6)


def test_windows_below_the_level_of_the_callee_are_not_looked_at(activity):
    stream = activity.open(lambda probability: None)
    stream.feed(noise(1, windows=2))  # at -21 dBFS
    batch = activity.collect()
    assert batch.streams == [stream]
    activity.deliver(batch, activity.infer(batch))
    stream.far_power = 0.1
    assert activity.collect().faint == [stream]


def test_a_failed_inference_costs_one_window(activity):
    heard = []
    activity.open(heard.append).feed(noise(1, windows=2))
    activity.deliver(activity.collect(), None)
    assert activity.run_once() == 1
    assert len(heard) == 1


def test_a_batch_is_delivered_once(activity):
    activity.open(lambda probability: None).feed(noise(1, windows=1))
    batch = activity.collect()
    activity.deliver(batch, activity.infer(batch))
    with pytest.raises(ValueError, match="not the batch"):
        activity.deliver(batch, activity.infer(batch))


def test_one_calls_fault_does_not_silence_the_others(activity, caplog):
    def fails(probability):
        raise RuntimeError("fault of one call")

    heard = []
    for callback in (fails, heard.append):
        activity.open(callback).feed(noise(1, windows=2))
    with caplog.at_level(logging.ERROR):
        while activity.run_once():
            pass
    assert len(heard) == 2
    assert caplog.messages == ["Voice detection result not handled by its call"]


def test_a_call_may_end_another_from_its_callback(activity):
    heard = []
    second = None
    activity.open(lambda probability: second.close()).feed(noise(1, windows=1))
    second = activity.open(heard.append)
    second.feed(noise(1, windows=1))
    assert activity.run_once() == 2
    assert heard == []
    second.close()  # again: harmless
    assert len(activity) == 1


def test_audio_that_nobody_works_off_does_not_pile_up(activity, caplog):
    worked_off, heard = [], []
    stream = activity.open(heard.append)
    for _ in range(10):
        stream.feed(bytes(MAX_BACKLOG_BYTES // 4))
    while batch := activity.collect():
        worked_off.append(len(batch.input))
        activity.deliver(batch, activity.infer(batch))
    assert 32 <= sum(worked_off) <= 64
    assert heard == [0.0] * 160  # what was dropped was silent
    assert set(caplog.messages) == {"Voice detection fell behind"}


def test_who_may_speak_in_what_was_dropped_is_not_taken_for_silent(activity):
    heard = []

    def on_window(probability):
        heard.append((probability, stream.waiting_ms))

    stream = activity.open(on_window)
    stream.feed(silence(32))
    batch = activity.collect()
    stream.feed(silence(320) + noise(1, windows=54) + silence(32 * 40))  # 104 windows, while one is being looked at
    activity.deliver(batch, activity.infer(batch))
    while activity.run_once():
        pass
    assert [waiting_ms for _, waiting_ms in heard] == [32 * after for after in reversed(range(105))]
    told = [probability for probability, _ in heard]
    assert told[:11] == [0.0] * 11
    assert told[11:65] == [1.0] * 54
    assert max(told[66:]) < 0.5
