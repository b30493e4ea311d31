"""Does what was heard answer the question? Pure.

Digits come before words. Of words, the longest phrase that was said wins; between equals an author's own
comes before a no, a no before a yes, and then the first one written. "Said" means its words, whole and in
order, without case, punctuation and contractions, and not negated: "that doesn't work" holds no "works".
Only when nothing was said exactly are near spellings looked for, since recognisers mishear phone audio.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from outdial.agents.script import phrases
from outdial.conversation.live_call import Heard

MAX_WORDS = 60  # of an utterance: an answer comes early, and comparing takes time that live audio shares


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One answer: phrases as text ("yes" and "no" stand for all their forms), and digits."""

    words: Sequence[str] = ()
    digits: Sequence[str] = ()
    any_words: bool = False
    any_digits: bool = False


def match(heard: Heard, answers: Sequence[Expected]) -> int | None:
    """Which of `answers` was given, by position."""
    if heard.digits:
        return _by_digits(heard.digits, answers)
    said = _utterance(heard.text)
    if not said.words:
        return None
    found = _by_phrase(said, answers, _same)
    if found is None and (number := _as_number(said.words)):
        found = _by_digits(number, answers)
    if found is None:
        found = _by_phrase(said, answers, _alike)
    if found is None:
        found = next((index for index, answer in enumerate(answers) if answer.any_words), None)
    return found


def wants_no_more_calls(text: str, more: Iterable[str] = ()) -> bool:
    return match(Heard(text=text), [Expected(words=(*phrases.STOP_CALLING, *more))]) is not None


def is_greeting(text: str) -> bool:
    """Nothing but "hello?": the callee missed what was said, or asks whether anybody is there."""
    return re.fullmatch(phrases.GREETING, " ".join(_utterance(text).words)) is not None


def asks_to_repeat(text: str) -> bool:
    said = _utterance(text)
    return said.words in _SAY_AGAIN_ALONE or any(
        next(_places(said.words, phrase, _same), None) is not None for phrase in _SAY_AGAIN
    )


def is_listening(text: str) -> bool:
    """Nothing but "yes" or "okay": while a statement is being said it means "go on", not an answer."""
    return all(word in _LISTENING for word in _utterance(text).words)


@dataclass(frozen=True, slots=True)
class _Utterance:
    words: tuple[str, ...]
    clauses: tuple[int, ...]  # for each word, the number of its clause: a "not" reaches no further


_CONTRACTIONS = {
    "won't": "will not", "can't": "can not", "cannot": "can not", "shan't": "shall not",
    # Recognisers leave apostrophes out.
    "cant": "can not", "dont": "do not", "doesnt": "does not", "didnt": "did not", "isnt": "is not",
    "wasnt": "was not", "wont": "will not", "couldnt": "could not", "thats": "that is", "its": "it is",
    "im": "i am", "whos": "who is", "ok": "okay",
}
_ENDINGS = {
    "n't": " not", "'s": " is", "'m": " am", "'re": " are", "'ll": " will", "'ve": " have", "'d": " would",
}


@lru_cache(maxsize=4096)
def _utterance(text: str) -> _Utterance:
    words: list[str] = []
    clauses: list[int] = []
    plain = unicodedata.normalize("NFKC", text[:4000]).casefold().replace("\u2019", "'")
    for clause, part in enumerate(re.split(r"[.,;:!?](?:\s|$)", plain)):
        for word in re.findall(r"[^\W_]+(?:'[^\W_]+)*", part):
            for plain_word in _expand(word).split():
                words.append(plain_word)
                clauses.append(clause)
    return _Utterance(tuple(words[:MAX_WORDS]), tuple(clauses[:MAX_WORDS]))


def _expand(word: str) -> str:
    if word in _CONTRACTIONS:
        return _CONTRACTIONS[word]
    for ending, full in _ENDINGS.items():
        if word.endswith(ending) and len(word) > len(ending):
            return word.removesuffix(ending) + full
    return word.replace("'", "")


_OWN_KIND, _NO_KIND, _YES_KIND = range(3)  # what is tried first between phrases of the same length

_Words = tuple[str, ...]
_Compare = Callable[[str, str], bool]
_NEGATIONS = frozenset({"no", "not", "never", "nope", "nah"})


def _all(texts: Iterable[str]) -> frozenset[_Words]:
    return frozenset(_utterance(text).words for text in texts)


_YES = _all(phrases.YES)
_YES_ALONE = _all(phrases.YES_ALONE)
_NO = _all(phrases.NO)
_LISTENING = frozenset(phrases.LISTENING)
_FILLERS = frozenset(phrases.FILLERS)
_NUMBER_FILLERS = _FILLERS.union(phrases.NUMBER_FILLERS)
_DISTINCT = frozenset(phrases.DISTINCT)
_SAY_AGAIN = _all(phrases.SAY_AGAIN)
_SAY_AGAIN_ALONE = _all(phrases.SAY_AGAIN_ALONE)
# Their words are neither a yes nor a no, though they hold one.
_IDIOMS = frozenset(
    _SAY_AGAIN | _all(phrases.UNDECIDED) | {form for form in _YES if not _NEGATIONS.isdisjoint(form)}
)


def _by_digits(digits: str, answers: Sequence[Expected]) -> int | None:
    # "#" ends an entry, unless it is the answer itself.
    for entry in dict.fromkeys((digits, digits.rstrip("#"))):
        for index, answer in enumerate(answers):
            if entry in answer.digits:
                return index
    if not digits.rstrip("#"):
        return None
    return next((index for index, answer in enumerate(answers) if answer.any_digits), None)


def _by_phrase(said: _Utterance, answers: Sequence[Expected], same: _Compare) -> int | None:
    idioms = {
        place
        for idiom in _IDIOMS
        for start in _places(said.words, idiom, _same)
        for place in range(start, start + len(idiom))
    }
    best: tuple[int, int, int] | None = None
    for index, answer in enumerate(answers):
        for words in answer.words:
            for length, kind in _found(said, _utterance(words).words, idioms, same):
                rank = (-length, kind, index)
                best = rank if best is None or rank < best else best
    return best[2] if best else None


def _found(said: _Utterance, phrase: _Words, idioms: set[int], same: _Compare) -> Iterator[tuple[int, int]]:
    """For every way in which `phrase` was said: how many words it took, and its kind."""
    if phrase == ("yes",):
        if _core(said.words) in _YES_ALONE:
            yield 1, _YES_KIND
        for form in _YES:
            for start in _places(said.words, form, same):
                own = form in _IDIOMS
                if (own or not _overlaps(start, form, idioms)) and not _denied(said, start, form, idioms):
                    yield len(form), _YES_KIND
    elif phrase == ("no",):
        for form in _NO:
            for start in _places(said.words, form, same):
                if not _overlaps(start, form, idioms):
                    yield len(form), _NO_KIND
    else:
        for start in _places(said.words, phrase, same):
            if not _negated(said, start, phrase):
                yield len(phrase), _OWN_KIND


def _places(words: _Words, phrase: _Words, same: _Compare) -> Iterator[int]:
    if phrase:
        for start in range(len(words) - len(phrase) + 1):
            if all(map(same, words[start : start + len(phrase)], phrase)):
                yield start


def _overlaps(start: int, phrase: _Words, idioms: set[int]) -> bool:
    return not idioms.isdisjoint(range(start, start + len(phrase)))


def _denied(said: _Utterance, start: int, phrase: _Words, idioms: set[int]) -> bool:
    """A yes counts for nothing after any no ("no, that's fine"), or right before a not."""
    before = any(word in _NEGATIONS and place not in idioms for place, word in enumerate(said.words[:start]))
    return before or _not_follows(said, start + len(phrase))


def _negated(said: _Utterance, start: int, phrase: _Words) -> bool:
    """The author's own phrase near a not in the same clause; one that has its own not is meant so."""
    if not _NEGATIONS.isdisjoint(phrase):
        return False
    near = range(max(0, start - 3), start)
    before = any(said.words[i] in ("not", "never") and said.clauses[i] == said.clauses[start] for i in near)
    return before or _not_follows(said, start + len(phrase))


def _not_follows(said: _Utterance, end: int) -> bool:
    return end < len(said.words) and said.words[end] == "not" and said.clauses[end] == said.clauses[end - 1]


def _core(words: _Words) -> _Words:
    return tuple(word for word in words if word not in _FILLERS)


def _as_number(words: _Words) -> str:
    core = [word for word in words if word == "oh" or word not in _NUMBER_FILLERS]
    digits = [phrases.NUMBER_WORDS.get(word, word if re.fullmatch(r"[0-9]+", word) else "") for word in core]
    return "".join(digits) if all(digits) else ""


def _same(heard: str, expected: str) -> bool:
    return heard == expected


@lru_cache(maxsize=8192)
def _alike(heard: str, expected: str) -> bool:
    """Longer words that a recogniser takes for each other: "worked" for "works", "conferm" for "confirm"."""
    if heard == expected:
        return True
    if min(len(heard), len(expected)) < 5 or heard[0] != expected[0] or heard in _DISTINCT:
        return False
    return _stem(heard) == _stem(expected) or SequenceMatcher(None, heard, expected).ratio() >= 0.8


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word
