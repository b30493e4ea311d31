"""What a call's speech costs, by the operator's prices."""

from outdial.live.speech_prices import dollars, priced

PRICES = {"cartesia": {"voice": 0.05}, "deepgram": {"recognition": 0.006}, "assemblyai": {"recognition": 0.006}}


def test_characters_are_paid_by_the_thousand():
    assert dollars({"part": "voice", "vendor": "cartesia", "characters": 412}, PRICES) == 0.0206
    assert dollars({"part": "voice", "vendor": "deepgram", "characters": 412}, PRICES) is None


def test_audio_is_paid_by_the_minute_or_the_session_by_the_minute_that_it_is_open():
    heard = {"part": "recognition", "audio_ms": 90_000, "open_ms": 120_000}
    assert dollars({**heard, "vendor": "deepgram"}, PRICES) == 0.009
    assert dollars({**heard, "vendor": "assemblyai"}, PRICES) == 0.012


def test_only_what_tells_of_use_is_priced():
    told = []
    event = priced(lambda type_, data: told.append((type_, data)), PRICES)
    event("limit", {"a": 1})
    event("speech_used", {"part": "voice", "vendor": "cartesia", "characters": 1000})
    assert told == [
        ("limit", {"a": 1}),
        ("speech_used", {"part": "voice", "vendor": "cartesia", "characters": 1000, "dollars": 0.05}),
    ]
