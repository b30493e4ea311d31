"""The weights, and what is made of them."""

from importlib.resources import files

import pytest

from outdial.conversation.detection.features import NAMES, TIMING
from outdial.conversation.detection.weights import Weights, read_weights, weights
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
    with pytest.raises(ValueError, match=f"features, not {len(names)}"):
        weights(words=words).probabilities([0.0] * (len(names) + 1))


def test_a_feature_that_they_were_not_trained_on_counts_for_nothing():
    features = [name for name in TIMING if name != "onset_s"]
    stump = [[features.index("beep"), 0.5, 1, 2], *STUMP[1:]]
    numbers = {"mean": [0.0] * len(features), "scale": [1.0] * len(features)}
    table = [[0.0] * (len(features) + 1)] * 5
    stored = {"categories": CATEGORIES, "features": features, "trees": [stump], "table": table, **numbers}
    likely = [
        read_weights(stored).probabilities([float(one in heard) for one in TIMING])[MACHINE]
        for heard in ((), ("onset_s",), ("beep",))
    ]
    assert likely[0] == likely[1] < likely[2]
    with pytest.raises(ValueError, match="not in tuple"):
        read_weights(stored | {"features": ["gone_s", *features[1:]]})


def test_they_are_a_small_file():
    assert files("outdial.conversation.detection").joinpath("weights.json").stat().st_size < 100_000
