"""What is sent to recognition."""

from outdial.conversation.detection.heard import AROUND_MS, near_audio
from outdial.conversation.detection.talk import Span, Spoken
from outdial.media.frames import BYTES_PER_MS

PCM = b"\x01\x00" * 8 * 5000  # 5 s
SPANS = (Span(start_ms=1000, end_ms=1500), Span(start_ms=2500, end_ms=3000))


def heard(behind_ms, from_ms=0):
    spoken = Spoken(now_ms=4000, spans=SPANS, behind_ms=behind_ms, level_dbfs=-20.0)
    return near_audio(PCM, from_ms, Span(start_ms=from_ms + 1000, end_ms=from_ms + 3000), spoken)


def test_it_is_the_utterance_with_a_little_around_it():
    assert len(heard(0)) == (2000 + 2 * AROUND_MS) * BYTES_PER_MS
    assert heard(0).count(b"\x01") == len(heard(0)) // 2


def test_where_somebody_talks_behind_the_near_voice_alone_is_left():
    left = heard(1000)
    assert len(left) == len(heard(0))
    assert left.count(b"\x01") == (1000 + 4 * AROUND_MS) * 8
    pause = left[(AROUND_MS + 1000) * BYTES_PER_MS : (AROUND_MS + 1200) * BYTES_PER_MS]
    assert not any(pause)


def test_audio_that_begins_later_is_cut_by_the_same_clock():
    assert len(heard(0, from_ms=500)) == (2000 + 2 * AROUND_MS) * BYTES_PER_MS
