"""Numbers in words whatever way they were written, so that "March 3rd" and "March third" are the same. Pure."""

import re
from functools import cache, lru_cache

from outdial.conversation.understanding.date_words import date_words
from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.numbers import number_words
from outdial.conversation.understanding.phrase_book import Words
from outdial.conversation.understanding.utterance import Utterance

_ORDINAL = re.compile(r"(\d{1,2})(?:st|nd|rd|th)")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")


def in_words(said: Utterance, language: Language) -> Utterance:
    """The same utterance; what is above a hundred stays as it is."""
    words: list[str] = []
    clauses: list[int] = []
    for word, clause in zip(said.words, said.clauses, strict=True):
        for spelled in _spelled(word, language):
            words.append(spelled)
            clauses.append(clause)
    return Utterance(tuple(words), tuple(clauses), said.asked)


@lru_cache(maxsize=8192)  # phrases have callees' names in them
def phrase_forms(phrase: str, language: Language) -> frozenset[Words]:
    """How an author's phrase may be said: a day of a month as "third" and as "three"."""
    words = in_words(language.utterance(phrase), language).words
    forms = {words}
    if not date_words(language).months.keys().isdisjoint(words):
        numbers = number_words(language)
        ordinals = {value: words for words, value in numbers.ordinals.items()}
        for place in range(len(words)):
            if (ordinal := numbers.ordinal_at(words, place)) and (spelled := _cardinals(language).get(ordinal[0])):
                forms.add(words[:place] + spelled + words[ordinal[1] :])
                break
            small = numbers.small_at(words, place)
            if small and small[0] in ordinals:
                forms.add(words[:place] + ordinals[small[0]] + words[small[1] :])
                break
    return frozenset(forms)


def _spelled(word: str, language: Language) -> Words:
    if not word[0].isdigit():
        return (word,)
    if ordinal := _ORDINAL.fullmatch(word):
        return _ordinals(language).get(int(ordinal[1]), (word,))
    if clock := _CLOCK.fullmatch(word):
        hour, minute = (_cardinals(language).get(int(part), (part,)) for part in clock.groups())
        return hour if clock[2] == "00" else (*hour, *minute)
    return _cardinals(language).get(int(word), (word,)) if re.fullmatch(r"[1-9]?\d", word) else (word,)


@cache
def _cardinals(language: Language) -> dict[int, Words]:
    """The first way in which each is said."""
    said: dict[int, Words] = {}
    for words, value in number_words(language).small.items():
        said.setdefault(value, words)
    return said


@cache
def _ordinals(language: Language) -> dict[int, Words]:
    said: dict[int, Words] = {}
    for words, value in number_words(language).ordinals.items():
        said.setdefault(value, words)
    return said
