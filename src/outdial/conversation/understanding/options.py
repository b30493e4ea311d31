"""Which of the author's own phrases were said? Pure.

A phrase is found anywhere, as whole words in their order, unless a "not" denies it: "I don't want to move it" isn't
"move it". Who takes a word back means the later one: "Tuesday, no wait, Thursday". Utterances have their numbers in
words here (written_numbers.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.meaning import KEYWORDS, Option
from outdial.conversation.understanding.near_spelling import LEAST, same_word
from outdial.conversation.understanding.phrase_book import Same, Words
from outdial.conversation.understanding.reading import around_repairs, denied
from outdial.conversation.understanding.utterance import Utterance
from outdial.conversation.understanding.written_numbers import phrase_forms


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The place of an option, and of its phrase in the utterance."""

    option: int
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


def best_option(said: Utterance, language: Language, options: Sequence[Option], same: Same = same_word) -> Said | None:
    """The longest phrase, and of the same length the first one written."""
    found = list(said_options(said, language, options, same))
    for before, after in around_repairs(said, language, found):
        if {one.option for one in before} != {one.option for one in after}:
            found = after
            break
    return min(found, key=lambda one: (-len(one), one.option, one.start), default=None)


def said_options(
    said: Utterance, language: Language, options: Sequence[Option], same: Same = same_word
) -> Iterator[Said]:
    """Every one that isn't denied."""
    places = list(_places(said, language, options, same))
    nots = tuple(place for place, word in enumerate(said.words) if word in language.negations)
    inside = [range(one.start, one.end) for one in places]
    for one in places:
        phrase = said.words[one.start : one.end]
        own = not language.negations.isdisjoint(phrase)  # a phrase that has its own "not" is meant so
        # What a "not" denies is the first phrase behind it: "not Thursday Friday".
        taken = {
            place
            for place in nots
            if said.words[place] in language.noes
            or any(place < other.start and other.stop <= one.start for other in inside)
        }
        if own or not denied(said, language, tuple(place for place in nots if place not in taken), one.start, one.end):
            yield one


def _places(said: Utterance, language: Language, options: Sequence[Option], same: Same) -> Iterator[Said]:
    by_word: dict[str, list[int]] = {}
    for place, word in enumerate(said.words):
        by_word.setdefault(word, []).append(place)

    def starts(phrase: Words) -> list[int]:
        if not phrase:
            return []
        if same is same_word or len(phrase[0]) < LEAST:
            return by_word.get(phrase[0], [])
        return [place for place, word in enumerate(said.words) if same(word, phrase[0])]

    for index, option in enumerate(options):
        for text in option.words:
            if text.strip().casefold() in KEYWORDS:
                continue
            for phrase in phrase_forms(text, language):
                for start in starts(phrase):
                    if _is_at(said.words, start, phrase, same):
                        yield Said(option=index, start=start, end=start + len(phrase))


def _is_at(words: Words, start: int, phrase: Words, same: Same) -> bool:
    here = words[start : start + len(phrase)]
    return len(here) == len(phrase) and all(map(same, here, phrase))
