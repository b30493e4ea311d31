"""Words that a recogniser takes for each other: "worked" for "works", "conferm" for "confirm". Pure."""

from difflib import SequenceMatcher
from functools import lru_cache

LEAST = 5  # characters; shorter words that look alike are other words


def same_word(heard: str, expected: str) -> bool:
    return heard == expected


class NearSpelling:
    """`distinct` are words that mean something else than their neighbours in spelling: days, months, numbers."""

    def __init__(self, distinct: frozenset[str]) -> None:
        self._distinct = distinct
        self._cached = lru_cache(maxsize=8192)(self._alike)

    def __call__(self, heard: str, expected: str) -> bool:
        return heard == expected or self._cached(heard, expected)

    def _alike(self, heard: str, expected: str) -> bool:
        if min(len(heard), len(expected)) < LEAST or heard[0] != expected[0] or heard in self._distinct:
            return False
        return _stem(heard) == _stem(expected) or SequenceMatcher(None, heard, expected).ratio() >= 0.8


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word
