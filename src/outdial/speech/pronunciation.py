"""How words sound, and how alike two texts sound. Pure, once a dictionary is read.

A recogniser that mishears an answer writes words that sound like it: "fix" for "six", "the port" for "support". On a
telephone f, s and th are nearly the same, and so are p, t and k.
"""

import re
from collections.abc import Sequence
from functools import cache
from itertools import product

Sounds = tuple[str, ...]  # ARPAbet, without stress: ("S", "IH", "K", "S")

GAP = 0.8                # a sound too many or too few
OTHER_VOWEL = 0.7
OTHER_CONSONANT = 0.8
NEAR = 0.4               # one that is easily taken for the other
VOWEL_FOR_CONSONANT = 1.0
MOST_WAYS = 12           # in which a text may be said
PLAIN, PLAIN_AHEAD = 0.75, 0.15  # alike by so much, and so much more than anything else: there is little to doubt

VOWELS = frozenset(("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"))
_NEAR_CONSONANTS = (
    "P B", "T D", "K G", "F TH", "V DH", "S Z", "SH ZH", "SH CH", "SH JH", "ZH CH", "ZH JH", "CH JH", "M N", "M NG",
    "N NG", "L R", "W V", "Y IY", "F S", "TH S", "T K", "P T", "P K", "B D", "D G", "T CH", "D JH",
)  # fmt: skip
_NEAR_VOWELS = (
    "IH IY", "EH AE", "EH EY", "IH EH", "AA AO", "AA AH", "AH UH", "UH UW", "AO OW", "AY AA", "AY OY", "AW AA", "AH EH",
    "AH IH", "ER AH", "ER AO", "AE AY", "AE EY", "EY IY", "OW UW", "AW AE", "ER UH",
)  # fmt: skip
_ALIKE = frozenset(frozenset(pair.split()) for pair in (*_NEAR_CONSONANTS, *_NEAR_VOWELS))
_WORD = re.compile(r"[a-z']+")


class Pronunciations:
    """`written` is CMU's dictionary: a line for each way to say a word, "read R EH D", "read(2) R IY D"."""

    def __init__(self, written: bytes) -> None:
        self._written = b"\n" + written
        self.of = cache(self._of)
        self.alike = cache(self._alike)

    def _of(self, word: str) -> tuple[Sounds, ...]:
        """Every way to say it; empty for a word that isn't known."""
        ways = []
        for key in (word, *(f"{word}({way})" for way in range(2, 6))):
            start = self._written.find(f"\n{key} ".encode())
            if start < 0:
                break
            end = self._written.find(b"\n", start + 1)
            line = self._written[start + 1 : end if end >= 0 else None]
            ways.append(tuple(line.decode().split()[1:]))
        return tuple(ways)

    def knows(self, text: str) -> bool:
        words = words_of(text)
        return bool(words) and all(self.of(word) for word in words)

    def _alike(self, heard: str, phrase: str) -> float:
        """1 for what sounds the same, 0 for what has nothing in common or isn't known."""
        ways = product(self._ways(heard), self._ways(phrase))
        return max((_likeness(one, other) for one, other in ways), default=0.0)

    def _ways(self, text: str) -> Sequence[Sounds]:
        ways: list[Sounds] = [()]
        for word in words_of(text):
            ways = [before + sounds for before in ways for sounds in self.of(word)][:MOST_WAYS]
        return [way for way in ways if way]


def is_plain(alike: float, other_alike: float) -> bool:
    return alike >= PLAIN and alike - other_alike >= PLAIN_AHEAD


def words_of(text: str) -> list[str]:
    return _WORD.findall(text.casefold().replace("\u2019", "'"))


def _likeness(one: Sounds, other: Sounds) -> float:
    return 1 - _distance(one, other) / max(len(one), len(other))


def _distance(one: Sounds, other: Sounds) -> float:
    above = [GAP * place for place in range(len(other) + 1)]
    for row, sound in enumerate(one, 1):
        here = [GAP * row]
        for column, expected in enumerate(other, 1):
            changed = above[column - 1] + _change(sound, expected)
            here.append(min(above[column] + GAP, here[-1] + GAP, changed))
        above = here
    return above[-1]


@cache
def _change(heard: str, expected: str) -> float:
    if heard == expected:
        return 0.0
    if frozenset((heard, expected)) in _ALIKE:
        return NEAR
    if (heard in VOWELS) != (expected in VOWELS):
        return VOWEL_FOR_CONSONANT
    return OTHER_VOWEL if heard in VOWELS else OTHER_CONSONANT
