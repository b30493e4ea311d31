"""The weights, and what is made of them."""

from importlib.resources import files

import pytest

from outdial.conversation.detection.features import NAMES, TIMING
from outdial.conversation.detection.weights import Weights, weights
from outdial.telephony.verdict import AnsweredBy

HUMAN, MACHINE, MENU = AnsweredBy.HUMAN, AnsweredBy.MACHINE, AnsweredBy.MENU
STUMP = [[0, 1.0, 1, 2], [90, 10, 0, 0, 0], [20, 80, 0, 0, 0]]
CATEGORIES = (HUMAN, MACHINE, MENU, AnsweredBy.SCREENING, AnsweredBy.NETWORK)
FLAT = [[0.0, 0.0]] * 5


def test_trees_and_table_count_the_same():
    found = Weights(CATEGORIES, [STUMP], FLAT, [0.0], [1.0]).probabilities([0.5])
    assert found[HUMAN] == pytest.approx((0.9 + 0.2) / 2)
    found = Weights(CATEGORIES, [STUMP], FLAT, [0.0], [1.0]).probabilities([1.5])
    assert found[MACHINE] == pytest.approx((0.8 + 0.2) / 2)


@pytest.mark.parametrize(("words", "names"), [(True, NAMES), (False, TIMING)])
def test_those_of_the_package_fit_the_features(words, names):
    likely = weights(words=words).probabilities([0.0] * len(names))
    assert sum(likely.values()) == pytest.approx(1)
    assert {HUMAN, MACHINE} <= likely.keys()
    with pytest.raises(ValueError, match="zip"):
        weights(words=words).probabilities([0.0] * (len(names) + 1))


def test_they_are_a_small_file():
    assert files("outdial.conversation.detection").joinpath("weights.json").stat().st_size < 100_000
