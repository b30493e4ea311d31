"""What a vendor's messages are read as, those that are hostile or cut short, too."""

import json
from urllib.parse import parse_qs

import pytest

from outdial.speech.assemblyai.streaming_codec import AssemblyAICodec, streaming_path
from outdial.speech.base import TurnTold
from outdial.speech.choice import RecognitionChoice
from outdial.speech.deepgram.flux import FluxCodec, flux_path
from outdial.speech.deepgram.nova import NovaCodec, nova_path
from outdial.speech.openai.transcription import text_of, wav_of
from outdial.speech.stream.clock import StreamClock
from outdial.speech.stream.codec import Ready, Settled
from outdial.speech.stream.words import HeardWords, Piece, Turn, Word
from outdial.speech.wire.failures import Fault, VendorFailed

NOVA = {
    "type": "Results", "channel_index": [0, 1], "duration": 1.02, "start": 3.4, "is_final": True, "from_finalize": True,
    "channel": {"alternatives": [{"transcript": "yes please", "words": [
        {"word": "yes", "start": 3.5, "end": 3.7, "punctuated_word": "Yes"},
        {"word": "please", "start": 3.8, "end": 4.1},
    ]}]}, "new_in_spring": {"a": []},
}  # fmt: skip
FLUX = {
    "type": "TurnInfo", "sequence_id": 7, "event": "EndOfTurn", "turn_index": 2, "audio_window_start": 0.0,
    "audio_window_end": 2.4, "transcript": "Yes, please.", "words": [{"word": "Yes,", "confidence": 0.99}],
}  # fmt: skip
TURN = {
    "type": "Turn", "turn_order": 1, "end_of_turn": False, "transcript": "my",
    "words": [{"text": "my", "start": 1216, "end": 1400, "word_is_final": True},
              {"text": "na", "start": 1410, "end": 1500, "word_is_final": False}],
}  # fmt: skip


def receive(codec, message):
    return list(codec.receive(json.dumps(message)))


def test_novas_results_are_a_piece_with_the_times_of_its_words():
    words = (Word(text="Yes", start_ms=3500, end_ms=3700), Word(text="please", start_ms=3800, end_ms=4100))
    piece = Piece(key=3400, text="yes please", start_ms=3400, end_ms=4420, words=words, final=True)
    assert receive(NovaCodec(), NOVA) == [piece, Settled()]


def test_fluxs_end_of_turn_is_told_with_all_of_its_words():
    piece = Piece(key=2, text="Yes, please.", start_ms=0, end_ms=2400, final=True)
    assert receive(FluxCodec(), FLUX) == [piece, Turn(told=TurnTold.ENDED, at_ms=2400)]
    assert receive(FluxCodec(), FLUX | {"event": "EagerEndOfTurn"})[1].told is TurnTold.LIKELY
    assert receive(FluxCodec(), FLUX | {"event": "SomethingNew"})[0].final is False


def test_assemblyais_newest_word_is_a_guess_of_its_own():
    codec = AssemblyAICodec()
    assert receive(codec, {"type": "Begin", "id": "x", "expires_at": 1}) == [Ready()]
    frames = list(codec.audio(b"\xff" * 160))
    assert frames == []
    assert [len(frame) for frame in codec.audio(b"\xff" * 480)] == [640]
    piece, turn = receive(codec, TURN)
    assert (piece.text, piece.final, turn) == ("my na", False, Turn(told=TurnTold.OPEN, at_ms=80))
    [ended, told] = receive(codec, TURN | {"end_of_turn": True, "transcript": "My name."})
    assert (ended.text, ended.final, told.told) == ("My name.", True, TurnTold.ENDED)


@pytest.mark.parametrize("codec", [NovaCodec, FluxCodec, AssemblyAICodec])
def test_what_is_no_message_is_told_and_what_is_unknown_passed_over(codec):
    for broken in ("{", "[]", "7", "", b"\x00"):
        with pytest.raises(ValueError, match=r".*"):
            list(codec().receive(broken))
    for unknown in ({}, {"type": 7}, {"type": "Heartbeat"}, {"type": ["Results"]}):
        assert receive(codec(), unknown) == []


@pytest.mark.parametrize(
    "odd",
    [
        {"start": "x", "duration": None}, {"start": 1e999}, {"channel": []}, {"channel": {"alternatives": {}}},
        {"channel": {"alternatives": [{"transcript": 7, "words": [{"word": 1, "start": 0, "end": 1}, "x"]}]}},
    ],
)  # fmt: skip
def test_odd_values_are_taken_for_nothing(odd):
    piece, _ = receive(NovaCodec(), NOVA | odd)
    assert 0 <= piece.start_ms <= piece.end_ms
    assert isinstance(piece.text, str)


@pytest.mark.parametrize(
    ("codec", "message", "fault"),
    [
        (NovaCodec, {"type": "Error", "variant": "SchemaError", "description": "…"}, Fault.REFUSED),
        (FluxCodec, {"type": "Error", "code": "INTERNAL_SERVER_ERROR", "description": "…"}, Fault.BUSY),
        (AssemblyAICodec, {"type": "Error", "error_code": 1008, "error": "Unauthorized"}, Fault.UNAUTHORIZED),
        (AssemblyAICodec, {"type": "Error", "error_code": 3009, "error": "Too many"}, Fault.BUSY),
        (AssemblyAICodec, {"type": "Error", "error_code": 3008, "error": "Session Expired"}, Fault.LOST),
    ],
)
def test_an_error_is_read_as_what_may_be_done_about_it(codec, message, fault):
    [failure] = receive(codec(), message)
    assert isinstance(failure, VendorFailed)
    assert failure.fault is fault


def test_handshakes_ask_for_a_phones_audio_as_it_is():
    options = {"keyterms": ("Quince", "a b"), "endpointing_ms": 300, "smart_format": True}
    path = nova_path(RecognitionChoice(vendor="deepgram", model="nova-3", options=options), "de-DE")
    assert path == (
        "/v1/listen?model=nova-3&encoding=mulaw&sample_rate=8000&channels=1&interim_results=true&punctuate=true"
        "&language=de&endpointing=300&smart_format=true&keyterm=Quince&keyterm=a+b"
    )
    flux = RecognitionChoice(vendor="deepgram", model="flux-general-en", options={"eot_threshold": 0.8})
    assert flux_path(flux, "en-US").partition("?")[::2] == (
        "/v2/listen", "model=flux-general-en&encoding=mulaw&sample_rate=8000&eot_threshold=0.8",
    )  # fmt: skip
    turns = RecognitionChoice(vendor="assemblyai", model="u3-rt-pro", options={"max_turn_silence_ms": 900})
    assert streaming_path(turns, "de-DE").partition("?")[::2] == (
        "/v3/ws", "sample_rate=8000&encoding=pcm_mulaw&speech_model=u3-rt-pro&max_turn_silence=900"
        "&language_codes=%5B%22de%22%5D",
    )  # fmt: skip


@pytest.mark.parametrize(("model", "options", "language", "codes"), [
    ("u3-rt-pro", {}, "fr-CA", '["fr"]'),
    ("u3-rt-pro", {"language": "es"}, "fr-CA", '["es"]'),
    ("u3-rt-pro", {"language": "multi"}, "fr-CA", None),
    ("universal-streaming-multilingual", {}, "fr-CA", None),
    ("universal-streaming-english", {}, "en-US", None),
])  # fmt: skip
def test_assemblyai_is_told_the_language_where_its_model_takes_one(model, options, language, codes):
    choice = RecognitionChoice(vendor="assemblyai", model=model, options=options)
    query = parse_qs(streaming_path(choice, language).partition("?")[2])
    assert query.get("language_codes", [None]) == [codes]


def test_a_late_guess_takes_nothing_back():
    heard = HeardWords()
    final = Piece(key=0, text="yes please", start_ms=0, end_ms=1000, final=True)
    heard.add(final)
    heard.add(Piece(key=0, text="yes", start_ms=0, end_ms=500))
    assert heard.text(0, 2000) == "yes please"
    heard.add(Piece(key=1000, text="and", start_ms=1000, end_ms=1200))
    heard.add(Piece(key=1000, text="and thanks", start_ms=1000, end_ms=1900))
    assert heard.text(0, 2000) == "yes please and thanks"
    heard.forget_guesses()
    assert (heard.text(0, 2000), heard.covered_ms) == ("yes please", 1000)


def test_a_gap_in_the_line_is_sent_as_silence_and_a_long_one_left_out():
    clock = StreamClock()
    assert clock.gap_ms(1000, 20) == 0
    assert clock.gap_ms(1030, 20) == 0           # a little late
    assert clock.gap_ms(1140, 20) == pytest.approx(100)
    assert clock.in_call(clock.sent_ms) == pytest.approx(1160)
    assert clock.gap_ms(60_000, 20) == 0
    assert clock.in_call(clock.sent_ms) == pytest.approx(60_020)
    assert clock.in_call(10) == pytest.approx(1010)


def test_a_transcription_is_read_from_whatever_a_server_sends():
    assert text_of(b'{"text": " Yes,\\n please. "}') == "Yes, please."
    for broken in (b"", b"{", b"[]", b'{"text": 7}', b'{"detail": "x"}'):
        with pytest.raises(VendorFailed):
            text_of(broken)
    assert wav_of(b"\1\0")[:4] == b"RIFF"
    assert len(wav_of(b"\1\0")) == 46
