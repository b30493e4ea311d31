"""What every carrier's codec of the media stream says of itself, held against what it does."""

import json

import pytest

from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.media.frames import FRAME_BYTES, FRAME_MS, SILENT_FRAME
from outdial.media.stream import (
    BadFrame,
    DigitPressed,
    MarkReached,
    MarksAtClear,
    StreamCodec,
    StreamEnded,
    StreamStarted,
)

ULAW = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
START = {
    CarrierName("twilio"): {
        "event": "start",
        "streamSid": "MZ1",
        "start": {"streamSid": "MZ1", "callSid": "CA1", "mediaFormat": ULAW},
    },
    CarrierName("telnyx"): {
        "event": "start",
        "stream_id": "s1",
        "start": {
            "call_control_id": "v3:1",
            "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
        },
    },
    CarrierName("vonage"): {"event": "websocket:connected", "content-type": "audio/l16;rate=8000"},
}
MARK = {
    CarrierName("twilio"): {"event": "mark", "streamSid": "MZ1", "mark": {"name": "utterance-1"}},
    CarrierName("telnyx"): {"event": "mark", "stream_id": "s1", "mark": {"name": "utterance-1"}},
    CarrierName("vonage"): {"event": "websocket:notify", "payload": {"mark": "utterance-1"}},
}
STOP = {
    CarrierName("twilio"): {"event": "stop", "streamSid": "MZ1"},
    CarrierName("telnyx"): {"event": "stop", "stream_id": "s1"},
}


@pytest.fixture(params=list(CARRIERS))
def carrier(request) -> CarrierName:
    return request.param


def started(carrier: CarrierName) -> StreamCodec:
    codec = CARRIERS[carrier].stream_codec()
    assert isinstance(codec.receive(json.dumps(START[carrier])), StreamStarted)
    return codec


def test_the_lead_is_whole_frames(carrier):
    lead_ms = started(carrier).lead_ms
    assert lead_ms % FRAME_MS == 0
    assert FRAME_MS <= lead_ms <= 1000, "that much is thrown away when the callee barges in"


def test_a_frame_is_one_message(carrier):
    codec = started(carrier)
    assert len(SILENT_FRAME) == FRAME_BYTES
    assert codec.audio(SILENT_FRAME)


def test_a_mark_whose_audio_was_played_comes_back(carrier):
    codec = started(carrier)
    codec.mark("utterance-1")
    assert codec.receive(json.dumps(MARK[carrier])) == MarkReached("utterance-1")


def test_a_mark_that_was_pending_at_a_clear_is_worth_what_the_codec_says(carrier):
    codec = started(carrier)
    codec.mark("utterance-1")
    codec.clear()
    returned = codec.receive(json.dumps(MARK[carrier]))
    assert returned == (MarkReached("utterance-1") if codec.marks_at_clear is MarksAtClear.RETURNED else None)


def test_who_announces_the_end_of_a_stream_is_understood(carrier):
    codec = started(carrier)
    assert codec.says_stop is (carrier in STOP)
    if codec.says_stop:
        assert codec.receive(json.dumps(STOP[carrier])) == StreamEnded()


DIGIT = {
    CarrierName("twilio"): {"event": "dtmf", "streamSid": "MZ1", "dtmf": {"digit": "5"}},
    CarrierName("telnyx"): {"event": "dtmf", "stream_id": "s1", "dtmf": {"digit": "5"}},
    CarrierName("vonage"): {"event": "websocket:dtmf", "digit": "5", "duration": 260},
}


@pytest.mark.parametrize("odd", ["", "16", "e", "\uff15", 5, None])
def test_an_odd_key_is_refused_however_often_and_the_next_is_heard(carrier, odd):
    codec = started(carrier)
    pressed = json.dumps(DIGIT[carrier])
    for _ in range(20):
        with pytest.raises(BadFrame):
            codec.receive(pressed.replace('"5"', json.dumps(odd)))
        assert codec.receive(pressed) == DigitPressed("5")
