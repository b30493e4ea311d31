"""What a call's models and speech cost, from its events."""

import pytest

from outdial.history.usage import in_all
from outdial.live.speech_prices import dollars, priced
from outdial.vendor_settings import speech_servers

PRICES = {"cartesia": {"voice": 0.05}, "deepgram": {"recognition": 0.006}, "assemblyai": {"recognition": 0.006}}


def test_characters_are_paid_by_the_thousand_and_audio_by_the_minute():
    assert dollars({"part": "voice", "vendor": "cartesia", "characters": 412}, PRICES) == 0.0206
    heard = {"part": "recognition", "vendor": "deepgram", "audio_ms": 90_000, "open_ms": 120_000}
    assert dollars(heard, PRICES) in (0.009, 0.012)
    assert dollars({"part": "voice", "vendor": "deepgram", "characters": 412}, PRICES) is None


def test_only_what_tells_of_use_is_priced():
    told = []
    event = priced(lambda type_, data: told.append((type_, data)), PRICES)
    event("limit", {"a": 1})
    event("speech_used", {"part": "voice", "vendor": "cartesia", "characters": 1000})
    assert told == [
        ("limit", {"a": 1}),
        ("speech_used", {"part": "voice", "vendor": "cartesia", "characters": 1000, "dollars": 0.05}),
    ]


def test_a_calls_conversations_are_added_up():
    voice = {"part": "voice", "vendor": "cartesia", "characters": 100, "dollars": 0.005}
    figures = [
        ("model", {"model": "m", "tokens": 100, "dollars": 0.001}),
        ("model", {"model": "m", "tokens": 50, "dollars": 0.0005}),
        ("speech_used", voice),
        ("speech_used", voice),
        ("speech_used", {"part": "recognition", "vendor": "x", "audio_ms": 1500, "open_ms": 2000, "dollars": None}),
    ]
    assert in_all(figures) == {
        "models": [{"model": "m", "tokens": 150, "dollars": 0.0015}],
        "speech": [
            {
                "part": "voice", "vendor": "cartesia", "characters": 200, "audio_s": None, "open_s": None,
                "dollars": 0.01,
            },
            {
                "part": "recognition", "vendor": "x", "characters": None, "audio_s": 1.5, "open_s": 2.0,
                "dollars": None,
            },
        ],
        "dollars": 0.0115,
    }  # fmt: skip
    assert in_all([]) == {"models": [], "speech": [], "dollars": None}


def test_a_model_without_a_price_has_no_dollars():
    figures = [("model", {"model": "m", "tokens": 1, "dollars": None}), ("model", {"model": "m", "tokens": 1})]
    assert in_all(figures)["models"] == [{"model": "m", "tokens": 2, "dollars": None}]


class Written:
    def __init__(self, text):
        self.text = text

    def get_secret_value(self):
        return self.text


def test_prices_are_the_operators():
    assert speech_servers(Written('{"cartesia": {"prices": {"voice": 0.05}}}'))["cartesia"].prices == {"voice": 0.05}


@pytest.mark.parametrize("prices", ['{"voice": "a"}', '{"voice": -1}', '{"tone": 1}', "[]", '{"voice": true}'])
def test_a_price_that_cannot_be_is_refused(prices):
    with pytest.raises(ValueError, match="dollars"):
        speech_servers(Written('{"cartesia": {"prices": ' + prices + "}}"))
