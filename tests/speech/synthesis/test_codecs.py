"""What vendors' voices tell on their websockets, message by message."""

import json

from outdial.speech.cartesia.synthesis_codec import CartesiaSynthesis
from outdial.speech.voice.codec import Complete
from outdial.speech.wire.failures import Fault, VendorFailed

CHUNK = {"type": "chunk", "context_id": "turn-1", "data": "/////w=="}
DONE = {"type": "done", "context_id": "turn-1"}


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
