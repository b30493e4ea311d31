"""The detector's weights, from the training split alone: `python -m bench.answers train`. Needs scikit-learn, which
nothing else here does. Seeded: the same streams give the same weights.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.answers.corpus import written
from bench.answers.streams import unpacked
from outdial.conversation.detection import features as numbers
from outdial.conversation.detection.evidence import Gathering
from outdial.conversation.detection.heard import Window, Words
from outdial.conversation.detection.wording import LIKE, NOTHING_SAID, pairs, read_wording
from outdial.conversation.understanding.language import language_of
from outdial.telephony.verdict import AnsweredBy

CATEGORIES = ("human", "machine", "screening", "menu", "network", "silence", "unknown")  # a fax is told by its tone
EVERY_MS = 640      # between two samples of an opening, besides one after each recognition
TREES, LEAVES, LEAST_LEAF = 60, 16, 4
SEED = 17
PARTS = 5           # of the sentences: how much a wording is like each category is told by what the others taught
LEAST_SENTENCES = 3 # in which a word or a pair is, so that no name is learned
LEAST_SCORE = 30    # hundredths; less tells hardly anything
HEARD_WEIGHT = 3.0  # of all that was recognised of a sentence, beside the sentence itself
SHORT_WORDS = 8
EVERY_UNHEARD, UNHEARD_WEIGHT = 3, 0.3  # so many openings count once more, without their wording: as in other languages


@dataclass(slots=True)
class Samples:
    features: list[list[float]] = field(default_factory=list)
    category: list[int] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)
    group: list[str] = field(default_factory=list)
    words: list[tuple[str, ...]] = field(default_factory=list)

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
            elif not isinstance(heard, Words) or not words:
                continue
            evidence = gathering.at(heard.at_ms)
            rows.append(numbers.features(evidence))
            self.words.append(evidence.said.words if stored["language"] == "en" else ())
        self.features += rows
        self.category += [CATEGORIES.index(stored["category"])] * len(rows)
        self.weight += [1 / len(rows)] * len(rows)
        self.group += [stored["template"]] * len(rows)

    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        return np.array(self.features), np.array(self.category), np.array(self.weight) * len(self.weight)

    def texts(self) -> list["Text"]:
        """What was recognised of each opening, once."""
        seen: dict[tuple[str, tuple[str, ...]], Text] = {}
        for words, category, group in zip(self.words, self.category, self.group, strict=True):
            if words and CATEGORIES[category] in LIKE:
                seen[group, words] = Text(words=words, category=CATEGORIES[category], group=group)
        of_group = Counter(group for group, _ in seen)
        return [replace(one, weight=HEARD_WEIGHT / of_group[one.group]) for one in seen.values()]

    def judge_wording(self, texts: list["Text"]) -> None:
        """Has the features of wording told by what other sentences taught, as it will be on calls."""
        for part in range(PARTS):
            others = read_wording(wording_of([one for one in texts if _part(one.group) != part]))
            for place, group in enumerate(self.group):
                if _part(group) == part:
                    self.features[place][-len(LIKE) :] = others.like(self.words[place])

    def add_unheard(self) -> None:
        groups = {group: place for place, group in enumerate(dict.fromkeys(self.group))}
        for place, group in list(enumerate(self.group)):
            if groups[group] % EVERY_UNHEARD == 0:
                self.features.append([*self.features[place][: -len(LIKE)], *NOTHING_SAID])
                self.category.append(self.category[place])
                self.weight.append(UNHEARD_WEIGHT * self.weight[place])
                self.group.append(group)
                self.words.append(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    words: tuple[str, ...]
    category: str
    group: str
    weight: float = 1.0


def samples_of(streams: Iterable[dict[str, Any]], *, words: bool) -> Samples:
    samples = Samples()
    for stored in streams:
        samples.add(stored, words=words)
    return samples


def weights_of(streams: list[dict[str, Any]]) -> dict[str, Any]:
    """All of weights.json."""
    heard = samples_of(streams, words=True)
    texts = [*heard.texts(), *_written_texts()]
    heard.judge_wording(texts)
    heard.add_unheard()
    return {
        "words": trained(heard),
        "timing": trained(samples_of(streams, words=False)),
        "wording": wording_of(texts),
    }


def _written_texts() -> list[Text]:
    """Sentences as they are written, and the first half of each: recognition begins before the end."""
    english = language_of("en")
    texts = []
    for category, template, filled in written():
        words = english.utterance(filled).words
        texts.append(Text(words=words, category=category, group=template))
        if len(words) > SHORT_WORDS:
            texts.append(Text(words=words[: len(words) // 2], category=category, group=template, weight=0.5))
    return texts


def _part(group: str) -> int:
    return int(hashlib.md5(group.encode(), usedforsecurity=False).hexdigest(), 16) % PARTS


def wording_of(texts: list[Text]) -> dict[str, Any]:
    """As weights.json has it. Of a rare category, a text counts more."""
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression

    sentences: dict[str, set[str]] = {}
    for one in texts:
        for pair in pairs(one.words):
            sentences.setdefault(pair, set()).add(one.group)
    known = {pair for pair, found in sentences.items() if len(found) >= LEAST_SENTENCES}
    vectors = DictVectorizer()
    rows = vectors.fit_transform([dict.fromkeys(sorted(pairs(one.words) & known), 1.0) for one in texts])
    category = np.array([LIKE.index(AnsweredBy(one.category)) for one in texts])
    weight = np.array([one.weight for one in texts])
    of_category = np.array([weight[category == place].sum() for place in range(len(LIKE))])
    weight *= np.sqrt(of_category.mean() / of_category[category])
    model = LogisticRegression(C=2.0, max_iter=400, tol=1e-3).fit(rows, category, weight)
    scores = np.round(100 * model.coef_.T).astype(int).tolist()
    return {
        "constant": [_short(one) for one in model.intercept_],
        "scores": {
            pair: row
            for pair, row in zip(vectors.feature_names_, scores, strict=True)
            if max(map(abs, row)) >= LEAST_SCORE
        },
    }


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
