"""What vendors' voices tell on their websockets, message by message."""

import json

import pytest

from outdial.speech.cartesia.synthesis_codec import CartesiaSynthesis
from outdial.speech.deepgram.synthesis_codec import DeepgramSynthesis
from outdial.speech.elevenlabs.synthesis_codec import ElevenLabsSynthesis
from outdial.speech.voice.codec import Audio, Complete
from outdial.speech.wire.failures import Fault, VendorFailed

CHUNK = {"type": "chunk", "context_id": "turn-1", "data": "/////w=="}
DONE = {"type": "done", "context_id": "turn-1"}
FLUSH = '{"type":"Flush"}'


def receive(codec, message):
    return list(codec.receive(json.dumps(message)))


def cartesia(*texts):
    codec = CartesiaSynthesis({})
    codec.begin()
    for text in texts:
        codec.text(text)
    return codec


def test_a_text_that_cartesia_was_sent_as_its_context_ran_out_is_not_lost():
    codec = cartesia("One moment. ")
    receive(codec, CHUNK)
    codec.text("Here it is. ")  # on its way while `done` is
    codec.end()
    [failure] = receive(codec, DONE)
    assert isinstance(failure, VendorFailed)
    assert failure.fault is Fault.LOST


def test_a_context_of_cartesias_that_runs_out_between_two_texts_is_followed_by_another_one():
    codec = cartesia("One moment. ")
    receive(codec, CHUNK)
    assert receive(codec, DONE) == []
    [message] = codec.text("Here it is. ")
    assert json.loads(message)["context_id"] == "turn-2"
    codec.end()
    receive(codec, CHUNK | {"context_id": "turn-2"})
    assert receive(codec, DONE | {"context_id": "turn-2"}) == [Complete()]


def test_each_text_of_auras_is_flushed_while_flushes_are_left_and_the_last_one_is_the_ends():
    now = 0.0
    codec = DeepgramSynthesis(lambda: now)
    codec.begin()
    assert sum(FLUSH in codec.text("Yes. ") for _ in range(30)) == 18
    assert list(codec.end()) == [FLUSH]
    assert not codec.is_free
    now = 61.0
    assert codec.is_free


def test_an_utterance_of_auras_that_was_all_there_before_its_end_waits_for_nothing():
    codec = DeepgramSynthesis(lambda: 0.0)
    codec.begin()
    codec.text("Yes. ")
    assert receive(codec, {"type": "Flushed", "sequence_id": 0}) == []
    assert codec.is_waiting
    assert codec.end() == ()
    assert not codec.is_waiting


CODECS = {
    "cartesia": lambda: CartesiaSynthesis({}),
    "deepgram": lambda: DeepgramSynthesis(lambda: 0.0),
    "elevenlabs": lambda: ElevenLabsSynthesis({}),
}


@pytest.fixture(params=CODECS)
def codec(request):
    codec = CODECS[request.param]()
    codec.begin()
    codec.text("Yes. ")
    return codec


@pytest.mark.parametrize("message", [
    [], None, 3, "yes", {}, {"type": 5}, {"type": "new", "contextId": "turn-1", "context_id": "turn-1"},
    {"type": "chunk", "context_id": 7, "contextId": 7, "data": {}, "audio": 3},
    {"type": "chunk", "context_id": "turn-1", "contextId": "turn-1", "data": "?", "audio": "?"},
    {"type": "timestamps", "context_id": "turn-1", "word_timestamps": {"words": None, "start": "now"}},
])  # fmt: skip
def test_a_message_of_another_form_is_passed_over(codec, message):
    assert receive(codec, message) == []
    assert codec.is_waiting


@pytest.mark.parametrize("message", ["", "{", "yes", '{"type": "chunk", "data": "//', '{"new":' + "[" * 100_000])
def test_what_is_no_json_is_not_the_vendors_protocol(codec, message):
    with pytest.raises(ValueError):
        list(codec.receive(message))


@pytest.mark.parametrize("alignment", [None, {}, {"chars": None}, {"chars": ["a"], "charStartTimesMs": "0"}, 5])
def test_elevenlabs_audio_is_heard_whatever_they_tell_of_its_words(alignment):
    codec = CODECS["elevenlabs"]()
    codec.begin()
    codec.text("Yes. ")
    message = {"audio": "/////w==", "contextId": "turn-1", "alignment": alignment}
    assert receive(codec, message) == [Audio(ulaw=b"\xff\xff\xff\xff")]


@pytest.mark.parametrize(
    ("fields", "fault", "word"),
    [
        ({"error": "quota_exceeded", "error_code": "quota_exceeded", "err_code": "quota_exceeded", "code": "C-1"},
         Fault.NO_CREDIT, "quota_exceeded"),
        ({"error": {"of": "another"}, "error_code": 5, "err_code": [], "code": {}, "message": 7, "status_code": "402"},
         Fault.LOST, ""),
    ],
)  # fmt: skip
def test_an_error_is_told_whatever_form_its_fields_have(codec, fields, fault, word):
    [failure] = receive(codec, {"type": "error", "context_id": "turn-1", **fields} | _as_deepgram(codec))
    assert (failure.fault, failure.word) == (fault, word)


def _as_deepgram(codec):
    return {"type": "Error"} if isinstance(codec, DeepgramSynthesis) else {}
