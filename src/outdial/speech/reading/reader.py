"""What an agent says, made into what its voice is given: read as people say it, in the agent's language."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from outdial.speech.base import base_of
from outdial.speech.reading.en.read import English
from outdial.speech.reading.marks import FIRST_KEPT, KEPT, MARKED, MOST_KEPT, Format, format_of, without_marks
from outdial.speech.reading.phones import read_international

KEEP_READ = 1024  # texts: what an agent says to everybody is read once

_KEPT = re.compile(f"[{KEPT}]")
_COUNTRIES = {"en": "US"}  # where a language is spoken whose tag names no country


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How an agent reads. `language` is a BCP 47 tag; `pronunciations` say words in their own way, whole words,
    whatever their case. In a language that has no rules here a text stays as it is written: only pronunciations,
    formats and phone numbers with a plus are read."""

    language: str = "en-US"
    pronunciations: tuple[tuple[str, str], ...] = ()

    def spoken(self, text: str) -> str:
        """`text` for the voice. Works sentence by sentence: no rule looks further than its own."""
        return _read(text, self.language, self.pronunciations)


AMERICAN = Reading()


def has_rules(language: str) -> bool:
    return base_of(language) == "en"


@lru_cache(KEEP_READ)
def _read(text: str, language: str, said: tuple[tuple[str, str], ...]) -> str:
    rules = _language(language)
    kept: list[str] = []

    def keep(words: str) -> str:
        if len(kept) >= MOST_KEPT:
            return words
        kept.append(words)
        return chr(FIRST_KEPT + len(kept) - 1)

    def read_marked(found: re.Match[str]) -> str:
        inside = without_marks(found[2])
        match format_of(found[1]):
            case Format.DIGITS:
                return keep(rules.digits(inside))
            case Format.SPELL:
                return keep(rules.spell(inside))
            case Format.NUMBER:
                return keep(rules.number(inside))

    text = _KEPT.sub("", text)
    text = MARKED.sub(read_marked, text)
    text = rules.addresses(text)
    if said:
        text = _Pronounced.of(said).read(text, keep)
    text = rules.sentence(text)
    return without_marks(_KEPT.sub(lambda found: kept[ord(found[0]) - FIRST_KEPT], text))


class _Unread:
    """A language without rules: digits stay digits, which its voice knows how to say."""

    def __init__(self, country: str) -> None:
        self._country = country

    def addresses(self, text: str) -> str:
        return text

    def sentence(self, text: str) -> str:
        return read_international(text, self._country, " ".join, "+").replace("+ ", "") if "+" in text else text

    def digits(self, text: str) -> str:
        return " ".join(character for character in text if character.isdecimal())

    def spell(self, text: str) -> str:
        return ", ".join(character for character in text if character.isalnum())

    def number(self, text: str) -> str:
        return text


@lru_cache(64)
def _language(tag: str) -> "English | _Unread":
    language, *subtags = tag.split("-")
    country = next((subtag.upper() for subtag in subtags if len(subtag) == 2), _COUNTRIES.get(language.lower(), "ZZ"))
    return English(country) if has_rules(tag) else _Unread(country)


class _Pronounced:
    """A list of words that are said in their own way, made ready once."""

    def __init__(self, said: tuple[tuple[str, str], ...]) -> None:
        self._how = {" ".join(word.casefold().split()): words for word, words in said}
        # Few letters begin any of the words: looking at them first makes long lists as fast as short ones.
        first = "".join(sorted({re.escape(letter) for word in self._how for letter in (word[0], word[0].upper())}))
        self._pattern = re.compile(rf"(?<!\w)(?=[{first}]){_either(_tree(self._how))}", re.IGNORECASE)

    @staticmethod
    @lru_cache(256)
    def of(said: tuple[tuple[str, str], ...]) -> "_Pronounced":
        return _Pronounced(said)

    def read(self, text: str, keep: Callable[[str], str]) -> str:
        def read(found: re.Match[str]) -> str:
            how = self._how.get(" ".join(found[0].casefold().split()))
            return found[0] if how is None else keep(how)

        return self._pattern.sub(read, text)


_Tree: TypeAlias = "dict[str, _Tree]"
_END = ""


def _tree(words: Iterable[str]) -> _Tree:
    """Words by their characters: what several begin with is in it once."""
    tree: _Tree = {}
    for word in words:
        place = tree
        for character in word:
            place = place.setdefault(character, {})
        place[_END] = {}
    return tree


def _either(tree: _Tree) -> str:
    """A pattern of the longest of its words, which ends where a word of the text does. Of words that begin alike it
    looks at their beginning once, so that a list of them costs as much as one."""
    ways = [
        (r"\s+" if character == " " else re.escape(character)) + _either(rest)
        for character, rest in tree.items()
        if character != _END
    ]
    if _END in tree:
        ways.append(r"(?!\w)")
    return ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})"
