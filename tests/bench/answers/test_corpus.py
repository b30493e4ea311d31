"""The corpus: what it is made of, and that no part of what is trained on is in what is tested."""

import numpy as np
import pytest

from bench.answers import sounds
from bench.answers.corpus import OPENINGS, openings
from bench.answers.scoring import interval, quantile
from bench.answers.streams import packed, unpacked
from bench.answers.voices import SPEAKERS
from outdial.conversation.detection.heard import Window, Words
from outdial.conversation.detection.talk import Span
from outdial.media.tone_tracker import Tone, ToneKind


def texts(split):
    kinds = [forms for kind, forms in OPENINGS[split].items() if kind != "fillings"]
    return {text for forms in kinds for each in forms.values() for text in each}


def parts(split, name):
    return set(OPENINGS[split]["fillings"][name])


@pytest.mark.parametrize("trained", ["train", "more"])
def test_the_test_split_shares_nothing_with_what_is_trained_on(trained):
    short = {"Hello?", "Hi.", "Yes?", "Are you there?"}  # what everybody says
    assert texts(trained) & texts("test") <= short
    assert not parts(trained, "names") & parts("test", "names")
    assert not parts(trained, "biz") & parts("test", "biz")
    assert not set(SPEAKERS["train"]) & set(SPEAKERS["test"])


def test_an_opening_is_the_same_whenever_it_is_made(tmp_path):
    """Of those in which nobody speaks: no voice is needed."""
    wanted = [place for place in range(400) if _kind(place) in ("fax", "silence", "music")][:3]
    first, again = (list(openings("train", wanted, tmp_path)) for _ in range(2))
    assert first == again
    assert {one.category for one in first} <= {"fax", "silence", "unknown"}


def _kind(place):
    from bench.answers.corpus import SEEDS, SHARES

    rng = np.random.default_rng((SEEDS["train"], place))
    return str(rng.choice(list(SHARES), p=[share / 100 for share in SHARES.values()]))


def test_a_stream_comes_back_as_it_was_kept(tmp_path):
    (opening,) = openings("train", [next(place for place in range(99) if _kind(place) == "fax")], tmp_path)
    heard = [
        Window(at_ms=32, voice=0.2, power=1e-4),
        Window(at_ms=64, voice=0.8, power=1e-2),
        Tone(kind=ToneKind.BEEP, start_ms=10, end_ms=60, hz=(1000.0,)),
        Words(at_ms=90, span=Span(start_ms=0, end_ms=64), text="Hello."),
    ]
    back = unpacked(packed(opening, heard))
    assert [type(one) for one in back] == [type(one) for one in heard]
    assert back[2:] == heard[2:]
    assert (back[1].voice, back[1].power) == (pytest.approx(0.8, abs=0.01), pytest.approx(1e-2, rel=0.1))


def test_a_telephone_carries_no_bass():
    rng = np.random.default_rng(1)
    low, middle = (
        np.frombuffer(sounds.telephone(sounds.tone((hz,), 1.0), rng), dtype="<i2").astype(float) for hz in (100, 1000)
    )
    assert np.std(middle) > 5 * np.std(low)


def test_shares_come_with_their_interval():
    assert interval(0, 100) == "0.0 % (0 of 100; 0.0 to 3.7)"
    assert interval(0, 0) == "none"
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
