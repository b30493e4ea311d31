"""What a call's models and speech cost, from its events."""

import pytest

from outdial.history.usage import in_all
from outdial.vendor_settings import speech_servers


def test_a_calls_conversations_are_added_up():
    voice = {"part": "voice", "vendor": "cartesia", "characters": 100, "dollars": 0.005, "took_ms": [180]}
    figures = [
        ("model", {"model": "m", "tokens": 100, "dollars": 0.001}),
        ("model", {"model": "m", "tokens": 50, "dollars": 0.0005}),
        ("speech_used", voice),
        ("speech_used", voice | {"took_ms": [200, 950]}),
        ("speech_used", {"part": "recognition", "vendor": "x", "audio_ms": 1500, "open_ms": 2000, "dollars": None}),
    ]
    assert in_all(figures) == {
        "models": [{"model": "m", "tokens": 150, "dollars": 0.0015}],
        "speech": [
            {
                "part": "voice", "vendor": "cartesia", "characters": 200, "audio_s": None, "open_s": None,
                "dollars": 0.01, "times": {"count": 3, "median_ms": 200, "longest_ms": 950},
            },
            {
                "part": "recognition", "vendor": "x", "characters": None, "audio_s": 1.5, "open_s": 2.0,
                "dollars": None, "times": None,
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
