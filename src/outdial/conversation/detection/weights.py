"""How likely each category is, by trained weights: the mean of small trees and of a logistic table. Pure.

The weights are in weights.json, which `bench/answers` makes; a few dozen microseconds in plain Python.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from outdial.conversation.detection.features import NAMES, TIMING
from outdial.telephony.verdict import AnsweredBy


@dataclass(frozen=True, slots=True)
class Weights:
    """`trees`: each a list of nodes, [feature, threshold, left, right] or a leaf's hundredths of each category;
    `table`: a row of coefficients a category, the constant last; `mean` and `scale` of the features. `places`:
    where each of these is among all that there are, `of` so many; None where they are the same."""

    categories: tuple[AnsweredBy, ...]
    trees: Sequence[Sequence[Sequence[float]]]
    table: Sequence[Sequence[float]]
    mean: Sequence[float]
    scale: Sequence[float]
    places: Sequence[int] | None = None
    of: int = 0

    def probabilities(self, features: Sequence[float]) -> Mapping[AnsweredBy, float]:
        """Raises ValueError for more or fewer features than there are."""
        if self.places is not None:
            if len(features) != self.of:
                raise ValueError(f"{len(features)} features, not {self.of}")
            features = [features[place] for place in self.places]
        by_trees = self._by_trees(features)
        by_table = self._by_table(features)
        return {
            category: (tree + table) / 2
            for category, tree, table in zip(self.categories, by_trees, by_table, strict=True)
        }

    def _by_trees(self, features: Sequence[float]) -> list[float]:
        total = [0.0] * len(self.categories)
        for nodes in self.trees:
            node = nodes[0]
            while len(node) == 4:  # there are more categories than that
                feature, threshold, left, right = node
                node = nodes[int(left if features[int(feature)] <= threshold else right)]
            for place, hundredths in enumerate(node):
                total[place] += hundredths
        whole = sum(total) or 1.0
        return [one / whole for one in total]

    def _by_table(self, features: Sequence[float]) -> list[float]:
        scaled = [(one - mean) / scale for one, mean, scale in zip(features, self.mean, self.scale, strict=True)]
        scores = [row[-1] + sum(map(float.__mul__, scaled, row)) for row in self.table]
        highest = max(scores)
        likely = [math.exp(score - highest) for score in scores]
        whole = sum(likely)
        return [one / whole for one in likely]


@cache
def weights(*, words: bool) -> Weights:
    """Those for a language whose words are known, or for timing and tones alone."""
    stored = json.loads(files("outdial.conversation.detection").joinpath("weights.json").read_text(encoding="utf-8"))
    return read_weights(stored["words" if words else "timing"])


def read_weights(stored: Mapping[str, Any]) -> Weights:
    """A feature that they weren't trained on counts for nothing. Raises ValueError for one that is no more."""
    names = TIMING if set(stored["features"]) <= set(TIMING) else NAMES
    return Weights(
        categories=tuple(map(AnsweredBy, stored["categories"])),
        trees=stored["trees"],
        table=[list(map(float, row)) for row in stored["table"]],
        mean=stored["mean"],
        scale=stored["scale"],
        places=[names.index(name) for name in stored["features"]],
        of=len(names),
    )
