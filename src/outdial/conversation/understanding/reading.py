"""One utterance, with everything in it that means something by itself. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from outdial.conversation.understanding.language import AT_END, MEANINGS, Language
from outdial.conversation.understanding.near_spelling import same_word
from outdial.conversation.understanding.phrase_book import Found, Same, cover
from outdial.conversation.understanding.utterance import Utterance

NOT_REACH = 6  # words behind a "not" that it denies


@dataclass(frozen=True, slots=True)
class Reading:
    """`spans` are the phrases that mean something, none over another; `nots` the places of a "not" outside them."""

    language: Language
    said: Utterance
    spans: tuple[Found, ...]
    nots: tuple[int, ...]
    alone: frozenset[str]  # what all of it means, when it means something only when nothing else is said

    def of(self, *tags: str) -> list[Found]:
        return [span for span in self.spans if span.tag in tags]

    def has(self, *tags: str) -> bool:
        return any(span.tag in tags for span in self.spans)

    def words(self, span: Found) -> str:
        return self.said.text(span.start, span.end)

    def core_place(self, place: int) -> tuple[int, int]:
        """How many words that say something are before and from `place` on."""
        fillers = self.language.fillers
        before = sum(word not in fillers for word in self.said.words[:place])
        return before, sum(word not in fillers for word in self.said.words[place:])

    def is_denied(self, start: int, end: int) -> bool:
        """Whether a "not" outside every phrase is about these words: before them in their clause, or right behind."""
        return denied(self.said, self.language, self.nots, start, end)


def read_utterance(
    said: Utterance, language: Language, same: Same = same_word, apart: Sequence[range] = ()
) -> Reading:
    """`apart` are words that are about something else, and say neither yes nor no."""
    found = (
        replace(one, tag=one.tag.removesuffix(AT_END))
        for one in language.meanings.find(said.words, same)
        if not any(one.start < other.stop and other.start < one.end for other in apart)
        and (not one.tag.endswith(AT_END) or _ends_clause(said, language, one.end))
    )
    spans = [*cover(found, MEANINGS), *(Found(one.start, one.stop, "neutral") for one in apart)]
    inside = {place for span in spans for place in range(span.start, span.end)}
    nots = tuple(
        place
        for place, word in enumerate(said.words)
        if word in language.negations and place not in inside
    )
    core = language.core(said.words)
    alone = language.alone.whole(core, same) | language.alone.whole(said.words, same)
    return Reading(language, said, tuple(spans), nots, alone)


def _ends_clause(said: Utterance, language: Language, end: int) -> bool:
    while end < len(said.words) and said.clauses[end] == said.clauses[end - 1] and said.words[end] in language.fillers:
        end += 1
    return end >= len(said.words) or said.clauses[end] != said.clauses[end - 1]


def denied(said: Utterance, language: Language, nots: tuple[int, ...], start: int, end: int) -> bool:
    if end in nots and end < len(said.words) and said.clauses[end] == said.clauses[end - 1]:
        return True
    return denial(said, language, nots, start) < start


def denial(said: Utterance, language: Language, nots: tuple[int, ...], start: int) -> int:
    """The place of the "not" before `start` that is about it; `start` when there is none."""
    for place in range(start - 1, max(-1, start - 1 - NOT_REACH), -1):
        if said.clauses[place] != said.clauses[start] or said.words[place] in language.breaks:
            return start
        if place in nots:
            return place
    return start


def is_taken_back(said: Utterance, start: int, language: Language) -> bool:
    """Whether a "not" is right before `start`: "not Friday"."""
    if start == 0:
        return False
    return said.words[start - 1] in language.denials or _no_denies(said, start - 1, language)


def _no_denies(said: Utterance, place: int, language: Language) -> bool:
    """Of "siete, no once" the second is denied, of "siete, no, once" the first: where "no" is the only "not"."""
    if not language.no_denies or said.words[place] not in language.noes or place + 1 >= len(said.words):
        return False
    alone = said.clauses[0] == said.clauses[-1]  # without a comma nobody can tell
    return not alone and said.begins_clause(place) and not said.begins_clause(place + 1)


class Placed(Protocol):
    """What `words[start:end]` of an utterance say."""

    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...


P = TypeVar("P", bound=Placed)


def around_repairs(said: Utterance, language: Language, found: Sequence[P]) -> Iterator[tuple[list[P], list[P]]]:
    """What of `found` is before and behind each "no, sorry" that has some on both sides, the last of them first: who
    takes a word back means the later one."""
    for repair in sorted(language.in_place["repair"].find(said.words), key=lambda one: (-one.end, one.start)):
        if _no_denies(said, repair.start, language):
            continue
        before = [one for one in found if one.end <= repair.start]
        after = [one for one in found if one.start >= repair.end]
        if before and after:
            yield before, after


def clause_starts(reading: Reading) -> Iterator[int]:
    """Where something new may begin: behind the fillers that a clause begins with, and behind a yes or a no."""
    said, skipped = reading.said, reading.language.before_question
    ends = {span.end for span in reading.of("yes", "no", "yes_firm", "yes_soft", "wait", "condition")}
    for place in range(len(said.words)):
        if said.begins_clause(place) or place in ends:
            yield place
            while place < len(said.words) and said.words[place] in skipped:
                place += 1
            if place < len(said.words):
                yield place
