"""What was heard, as words that can be compared: no case, no punctuation, no contractions. Pure."""

import re
import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass

MAX_CHARACTERS = 4000
MAX_WORDS = 60  # of an utterance: an answer comes early, and comparing takes time that live audio shares

Expand = Callable[[str], str]

_CLAUSE = re.compile(r"([.,;:!?\u00bf\u00a1])(?=\s|$)|[\u00bf\u00a1]|\s[\u2013\u2014-]\s|[\u2026]|\.\.+")
# "2:30", "1,000.50", "3/15" stay whole.
_WORD = re.compile(r"\d+(?:[.,:/]\d+)+|[^\W_]+(?:['\u2019][^\W_]+)*|[$\u20ac\u00a3]")
_ACCENTS = re.compile("[\u0300-\u036f]")
_HALF_OF_DAY = re.compile(r"(?<![^\W\d_])([ap])\.\s?m\b\.?")
_SYMBOLS = {"$": " $ ", "\u20ac": " \u20ac ", "\u00a3": " \u00a3 ", "%": " percent "}
CURRENCIES = frozenset("$\u20ac\u00a3")


@dataclass(frozen=True, slots=True)
class Utterance:
    """For each word the number of its clause: a "not" reaches no further. `asked`: clauses that end in "?"."""

    words: tuple[str, ...]
    clauses: tuple[int, ...]
    asked: frozenset[int] = frozenset()

    def text(self, start: int, end: int) -> str:
        return " ".join(self.words[start:end])

    def without(self, places: Collection[int]) -> "Utterance":
        kept = [place for place in range(len(self.words)) if place not in places]
        return Utterance(
            tuple(self.words[place] for place in kept), tuple(self.clauses[place] for place in kept), self.asked
        )

    def begins_clause(self, place: int) -> bool:
        return place == 0 or self.clauses[place] != self.clauses[place - 1]


def read_words(text: str, expand: Expand) -> Utterance:
    """`expand` writes a word out: "don't" as "do not"."""
    words: list[str] = []
    clauses: list[int] = []
    asked: set[int] = set()
    plain = without_accents(text[:MAX_CHARACTERS]).casefold().replace("\u2019", "'")
    plain = _HALF_OF_DAY.sub(r"\1m ", plain)
    for symbol, written in _SYMBOLS.items():
        plain = plain.replace(symbol, written)
    clause = start = 0
    for mark in _CLAUSE.finditer(plain):
        _add(plain[start : mark.start()], clause, expand, words, clauses)
        if mark[1] == "?":
            asked.add(clause)
        clause, start = clause + 1, mark.end()
    _add(plain[start:], clause, expand, words, clauses)
    return Utterance(tuple(words[:MAX_WORDS]), tuple(clauses[:MAX_WORDS]), frozenset(asked))


def without_accents(text: str) -> str:
    """Recognisers write them or not."""
    return unicodedata.normalize("NFKC", _ACCENTS.sub("", unicodedata.normalize("NFKD", text)))


def _add(part: str, clause: int, expand: Expand, words: list[str], clauses: list[int]) -> None:
    for word in _WORD.findall(part):
        for plain_word in expand(word).split():
            words.append(plain_word)
            clauses.append(clause)
