"""Does the callee want no more calls? Pure.

Neither too eager nor too narrow: "don't call me at work" and "don't call me Bob" are other wishes, "lose this number"
is this one.
"""

from dataclasses import dataclass

from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.near_spelling import same_word
from outdial.conversation.understanding.phrase_book import Found, Same
from outdial.conversation.understanding.reading import denial, denied
from outdial.conversation.understanding.utterance import Utterance


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsWish:
    """Words about calls, with the "not" that is about them; `no_more` when it is a wish for no more of them."""

    start: int
    end: int
    no_more: bool


def wishes_about_calls(said: Utterance, language: Language, same: Same = same_word) -> list[CallsWish]:
    words, book = said.words, language.in_place
    others = [range(one.start, one.end) for one in book["not_do_not_call"].find(words)]
    longest: dict[int, Found] = {}
    for one in sorted(book["do_not_call"].find(words, same), key=lambda one: (one.start, -one.end)):
        longest.setdefault(one.start, one)
    wishes = []
    for one in longest.values():
        inside = any(one.start in other and one.end <= other.stop for other in others)
        nots = tuple(place for place, word in enumerate(words[: one.start]) if word in language.denials)
        is_denied = denied(said, language, nots, one.start, one.start)
        wishes.append(
            CallsWish(
                start=denial(said, language, nots, one.start) if is_denied else one.start,
                end=one.end,
                no_more=not (inside or is_denied or _limited(said, language, one) or _names(said, language, one)),
            )
        )
    return wishes


def _limited(said: Utterance, language: Language, one: Found) -> bool:
    """A time or a place follows, in the same clause."""
    if one.end >= len(said.words) or said.clauses[one.end] != said.clauses[one.end - 1]:
        return False
    return language.in_place["do_not_call_limit"].longest_at(said.words, one.end) > one.end


def _names(said: Utterance, language: Language, one: Found) -> bool:
    """ "Don't call me Bob"."""
    words = said.words
    if one.end >= len(words) or said.clauses[one.end] != said.clauses[one.end - 1]:
        return False
    naming = any(found.end == one.end for found in language.in_place["naming"].find(words[: one.end]))
    return naming and language.in_place["do_not_call_goes_on"].longest_at(words, one.end) == one.end
