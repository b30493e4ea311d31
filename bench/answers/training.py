"""The detector's weights, from the training split alone: `python -m bench.answers train`. Needs scikit-learn, which
nothing else here does. Seeded: the same streams give the same weights.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.answers.streams import unpacked
from outdial.conversation.detection import features as numbers
from outdial.conversation.detection.evidence import Gathering
from outdial.conversation.detection.heard import Window, Words
from outdial.conversation.understanding.language import language_of

CATEGORIES = ("human", "machine", "screening", "menu", "network", "silence", "unknown")  # a fax is told by its tone
EVERY_MS = 640      # between two samples of an opening, besides one after each recognition
TREES, LEAVES, LEAST_LEAF = 60, 16, 4
SEED = 17


@dataclass(slots=True)
class Samples:
    features: list[list[float]] = field(default_factory=list)
    category: list[int] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)
    group: list[str] = field(default_factory=list)

    def add(self, stored: dict[str, Any], *, words: bool) -> None:
        """The moments of one opening; together they weigh as much as those of any other."""
        if stored["category"] not in CATEGORIES:
            return
        gathering = Gathering(language_of("en") if words else None)
        rows = []
        next_ms = EVERY_MS
        for heard in unpacked(stored):
            gathering.take(heard)
            if isinstance(heard, Window) and heard.at_ms >= next_ms:
                next_ms += EVERY_MS
                rows.append(numbers.features(gathering.at(heard.at_ms)))
            elif isinstance(heard, Words) and words:
                rows.append(numbers.features(gathering.at(heard.at_ms)))
        self.features += rows
        self.category += [CATEGORIES.index(stored["category"])] * len(rows)
        self.weight += [1 / len(rows)] * len(rows)
        self.group += [stored["template"]] * len(rows)

    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        return np.array(self.features), np.array(self.category), np.array(self.weight) * len(self.weight)


def samples_of(streams: Iterable[dict[str, Any]], *, words: bool) -> Samples:
    samples = Samples()
    for stored in streams:
        samples.add(stored, words=words)
    return samples


def trained(samples: Samples) -> dict[str, Any]:
    """Weights as weights.json has them."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    features, category, weight = samples.arrays()
    weight = weight / weight.mean()
    forest = RandomForestClassifier(
        TREES, max_leaf_nodes=LEAVES, min_samples_leaf=LEAST_LEAF, max_features=0.4, random_state=SEED
    ).fit(features, category, weight)
    mean, scale = features.mean(axis=0), np.maximum(features.std(axis=0), 0.05)
    table = LogisticRegression(C=0.3, max_iter=3000).fit((features - mean) / scale, category, weight)
    classes = [CATEGORIES[place] for place in forest.classes_]
    return {
        "categories": classes,
        "features": list(numbers.NAMES[: features.shape[1]]),
        "trees": [_nodes(one.tree_) for one in forest.estimators_],
        "table": [[*map(_short, row), _short(one)] for row, one in zip(table.coef_, table.intercept_, strict=True)],
        "mean": [_short(one) for one in mean],
        "scale": [_short(one) for one in scale],
    }


def _nodes(tree: Any) -> list[list[float]]:
    nodes: list[list[float]] = []
    for place in range(tree.node_count):
        if tree.children_left[place] < 0:
            share = tree.value[place][0] / tree.value[place][0].sum()
            nodes.append([round(float(100 * one)) for one in share])
        else:
            threshold = _short(tree.threshold[place])
            nodes.append(
                [int(tree.feature[place]), threshold, int(tree.children_left[place]), int(tree.children_right[place])]
            )
    return nodes


def _short(number: float) -> float:
    return float(f"{number:.4g}")


def write(weights: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(weights, separators=(",", ":")) + "\n", encoding="utf-8")
