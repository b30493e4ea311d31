"""The benchmark's simulated vendors, read by the codecs that the product has for the real ones."""

import json

import pytest

from bench.vendors import tags
from bench.vendors.hearing import WORDS, Flux, Nova
from bench.vendors.voice import Cartesia, Sound
from outdial.media.g711 import pcm_to_ulaw, ulaw_to_pcm
from outdial.speech.base import TurnTold
from outdial.speech.cartesia.synthesis_codec import CartesiaSynthesis
from outdial.speech.deepgram.flux import FluxCodec
from outdial.speech.deepgram.nova import NovaCodec
from outdial.speech.stream.codec import Settled
from outdial.speech.stream.words import Piece, Turn
from outdial.speech.voice.codec import Audio, Complete, Words

NOISE = pcm_to_ulaw(b"\x10\x00\xf0\xff" * 80)
VOICE = pcm_to_ulaw(b"\x00\x10\x00\xf0" * 80)
SAID = " ".join(WORDS)


class Heard:
    """A connection whose client is a codec of ours."""

    def __init__(self, codec):
        self.codec = codec
        self.told = []
        self.is_closed = False

    def send(self, data):
        self.told.extend(self.codec.receive(data.decode()))

    def close(self):
        self.is_closed = True


def hear(side, *frames):
    for frame in frames:
        side.receive(frame, text=False)


@pytest.mark.parametrize("mulaw", [True, False])
def test_flux_tells_the_words_of_a_turn_and_when_it_has_ended(mulaw):
    peer, ended = Heard(FluxCodec()), []
    side = Flux(peer, lambda number, at: ended.append(number), mulaw=mulaw)
    frames = [tags.marked(42, NOISE), *[NOISE] * 20, *[VOICE] * 60, *[NOISE] * 25]
    hear(side, *(frame if mulaw else ulaw_to_pcm(frame) for frame in frames))
    turns = [told.told for told in peer.told if isinstance(told, Turn)]
    assert turns[0] is TurnTold.OPEN
    assert turns.count(TurnTold.ENDED) == 1
    final = [told for told in peer.told if isinstance(told, Piece) and told.final]
    assert [piece.text for piece in final] == [SAID]
    assert ended == [42]
    side.receive(FluxCodec().last().encode(), text=True)
    assert peer.is_closed


def test_nova_says_at_a_pause_what_is_final_and_when_asked():
    peer, ended, due = Heard(NovaCodec()), [], []
    side = Nova(peer, lambda number, at: ended.append(number), lambda s, then: due.append(then), mulaw=True)
    hear(side, tags.marked(7, NOISE), *[VOICE] * 60)
    assert [told.final for told in peer.told if isinstance(told, Piece)] == [False, False]
    hear(side, *[NOISE] * 10)
    assert [told.text for told in peer.told if isinstance(told, Piece) and told.final] == [SAID]
    side.receive(NovaCodec().ask()[-1].encode(), text=True)
    due.pop()()
    assert isinstance(peer.told[-1], Settled)
    assert ended == [7]


def test_cartesia_speaks_a_text_with_its_words_and_says_when_it_has_ended():
    codec, spoken, due = CartesiaSynthesis({"model_id": "sonic-3"}), [], []
    peer = Heard(codec)
    side = Cartesia(peer, Sound(VOICE * 100), lambda number, *at: spoken.append(number), lambda s, *do: due.append(do))
    text = f"{tags.word(42)}, that works well for us. "
    for message in [*codec.begin(), *codec.text(text), *codec.end()]:
        side.receive(message.encode(), text=True)
    while due:
        then, *arguments = due.pop(0)
        then(*arguments)
    words, *audio, complete = peer.told
    assert isinstance(words, Words)
    assert [word.text for word in words.words] == text.split()
    assert {type(piece) for piece in audio} == {Audio}
    assert isinstance(complete, Complete)
    assert spoken == [42]


def test_cartesia_stops_what_is_cancelled():
    codec, due = CartesiaSynthesis({}), []
    peer = Heard(codec)
    side = Cartesia(peer, Sound(VOICE * 100), lambda *spoken: None, lambda s, *do: due.append(do))
    for message in [*codec.begin(), *codec.text("Hello there. ")]:
        side.receive(message.encode(), text=True)
    side.receive(json.dumps({"context_id": "turn-1", "cancel": True}).encode(), text=True)
    then, *arguments = due.pop()
    then(*arguments)
    assert (peer.told, due) == ([], [])
