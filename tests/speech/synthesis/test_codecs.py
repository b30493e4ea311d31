"""What vendors' voices tell on their websockets, message by message."""

import json

from outdial.speech.cartesia.synthesis_codec import CartesiaSynthesis
from outdial.speech.deepgram.synthesis_codec import DeepgramSynthesis
from outdial.speech.voice.codec import Complete
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
