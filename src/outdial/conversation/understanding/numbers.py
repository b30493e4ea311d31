"""Numbers as people say them: "twenty-five", "a hundred and five", "seven and a half", "seven out of ten". Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.phrase_book import PhraseBook, Words
from outdial.conversation.understanding.reading import around_repairs
from outdial.conversation.understanding.utterance import Utterance

_NUMERAL = re.compile(r"\d{1,15}(?:,\d{3})*(?:\.\d{1,6})?")
_ORDINAL = re.compile(r"(\d{1,2})(?:st|nd|rd|th|er|\u00ba|\u00aa|e)")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Spoken:
    """`words[start:end]` say `value`."""

    start: int
    end: int
    value: Decimal


class NumberWords:
    """How a language says numbers; from the section [numbers] of its file."""

    def __init__(self, language: Language) -> None:
        data = language.data.get("numbers", {})
        plain = language.plain
        self.small = {plain(phrase): value for phrase, value in _table(data).items()}
        self.longest = max((len(phrase) for phrase in self.small), default=1)
        self.ordinals = {plain(phrase): value for phrase, value in data.get("ordinals", {}).items()}
        self.homophones: dict[str, int] = data.get("homophones", {})
        self.times: dict[str, int] = data.get("times", {})
        self.scales: dict[str, int] = data.get("scales", {})
        self.keys: dict[str, str] = data.get("keys", {})
        self.only_in_runs = frozenset(data.get("only_in_runs", ()))
        self.one = frozenset(data.get("one", ()))
        self.joins = frozenset(data.get("joins", ()))
        self.between_digits = frozenset(data.get("between_digits", ())) | language.fillers
        repairs = language.in_place["repair"]
        self.repairs = frozenset(word for word in language.fillers if repairs.whole((word,)))
        self.point = frozenset(data.get("point", ()))
        self.minus = frozenset(data.get("minus", ()))
        self.fillers = frozenset(data.get("fillers", "").split()) | language.fillers
        self.unwanted = PhraseBook({}, plain)
        self.unwanted.add("unwanted", data.get("unwanted", ()))
        self.fractions = {plain(phrase): Decimal(str(value)) for phrase, value in data.get("fractions", {}).items()}

    def small_at(self, words: Words, place: int) -> tuple[int, int] | None:
        """The longest number below a hundred that is spelled out at `place`, and where it ends."""
        return _longest(self.small, words, place, self.longest)

    def ordinal_at(self, words: Words, place: int) -> tuple[int, int] | None:
        if place < len(words) and (numeral := _ORDINAL.fullmatch(words[place])):
            return int(numeral[1]), place + 1
        return _longest(self.ordinals, words, place, 4)


@cache
def number_words(language: Language) -> NumberWords:
    return NumberWords(language)


def _table(data: dict[str, dict[str, int]]) -> dict[str, int]:
    """Everything below a hundred, put together as the language does it."""
    table = dict(data.get("below_hundred", {}))
    for form in data.get("compound", ()):
        for ten, tens in data.get("tens", {}).items():
            for one, value in data.get("units", {}).items():
                if value:
                    table.setdefault(form.format(tens=ten, unit=one), tens + value)
    return {**table, **data.get("tens", {}), **data.get("units", {})}


def _longest(table: dict[Words, int], words: Words, place: int, longest: int) -> tuple[int, int] | None:
    for length in range(min(longest, len(words) - place), 0, -1):
        if (value := table.get(words[place : place + length])) is not None:
            return value, place + length
    return None


def spoken_numbers(said: Utterance, language: Language) -> list[Spoken]:
    """Every number in it, in order; not what only sounds like one ("that one", "one moment")."""
    numbers = number_words(language)
    words = said.words
    unwanted = {place for one in numbers.unwanted.find(words) for place in range(one.start, one.end)}
    found: list[Spoken] = []
    place = 0
    while place < len(words):
        one = None if place in unwanted else cardinal_at(words, place, numbers)
        if one:
            found.append(one)
            place = one.end
        else:
            place += 1
    return found


def the_number(said: Utterance, language: Language, least: Decimal | None, most: Decimal | None) -> Decimal | None:
    """The one number that was meant; None when there is none, or when it can't be told which of several."""
    numbers = number_words(language)
    found = spoken_numbers(said, language) or _sounds_like_one(said, numbers)
    inside = [one for one in found if (least is None or one.value >= least) and (most is None or one.value <= most)]
    if meant := _not_slips(said, language, inside):
        inside = meant
    if len({one.value for one in inside}) == 1:
        return inside[0].value
    return None


def _not_slips(said: Utterance, language: Language, found: Sequence[Spoken]) -> list[Spoken]:
    """Those behind "no, sorry"; else those that aren't denied: "seven, not eleven"."""
    for _, after in around_repairs(said, language, found):
        return after
    return [one for one in found if not (one.start and said.words[one.start - 1] in language.denials)]


def _sounds_like_one(said: Utterance, numbers: NumberWords) -> list[Spoken]:
    """ "To" and "ate", when nothing else is said."""
    core = [place for place, word in enumerate(said.words) if word not in numbers.fillers or word in numbers.homophones]
    alike = [place for place in core if said.words[place] in numbers.homophones]
    if len(alike) != 1 or core != alike:
        return []
    return [Spoken(alike[0], alike[0] + 1, Decimal(numbers.homophones[said.words[alike[0]]]))]


def cardinal_at(words: Words, place: int, numbers: NumberWords) -> Spoken | None:
    """The number that begins at `place`."""
    start, sign = place, 1
    if words[place] in numbers.minus and place + 1 < len(words):
        sign, place = -1, place + 1
    if _NUMERAL.fullmatch(words[place]):
        whole, place = Decimal(words[place].replace(",", "")), place + 1
    else:
        spelled = _spelled(words, place, numbers)
        if spelled is None:
            return None
        whole, place = Decimal(spelled[0]), spelled[1]
    while place < len(words) and words[place] in numbers.scales:
        whole, place = whole * numbers.scales[words[place]], place + 1
        rest = _rest(words, place, numbers)
        if rest and rest[0] < numbers.scales[words[place - 1]]:
            whole, place = whole + rest[0], rest[1]
    whole, place = _fraction(words, place, numbers, whole)
    return Spoken(start, place, sign * whole)


def _spelled(words: Words, place: int, numbers: NumberWords) -> tuple[int, int] | None:
    if words[place] in numbers.only_in_runs:
        return None
    if found := numbers.small_at(words, place):
        return found
    if words[place] in numbers.scales:
        return 1, place
    if words[place] in numbers.one and place + 1 < len(words) and words[place + 1] in numbers.scales:
        return 1, place + 1
    return None


def _rest(words: Words, place: int, numbers: NumberWords) -> tuple[int, int] | None:
    """What follows "hundred" or "thousand" in the same number: "and five", "two hundred"."""
    if place < len(words) and words[place] in numbers.joins:
        place += 1
    if place >= len(words) or words[place] in numbers.only_in_runs:
        return None
    found = numbers.small_at(words, place)
    if found is None:
        return None
    value, place = found
    if place < len(words) and words[place] in numbers.scales and numbers.scales[words[place]] == 100:
        value, place = value * 100, place + 1
        if more := _rest(words, place, numbers):
            value, place = value + more[0], more[1]
    return value, place


def _fraction(words: Words, place: int, numbers: NumberWords, whole: Decimal) -> tuple[Decimal, int]:
    """ "Point five", "and a half"."""
    for length in (4, 3, 2, 1):
        if part := numbers.fractions.get(words[place : place + length]):
            return whole + part, place + length
    if place + 1 < len(words) and words[place] in numbers.point:
        digits, end = "", place + 1
        while end < len(words) and (found := digit_at(words, end, numbers)):
            digits, end = digits + found, end + 1
        if digits:
            return whole + Decimal(f"0.{digits[:6]}"), end
    return whole, place


def digit_at(words: Words, place: int, numbers: NumberWords) -> str:
    """A single digit, or a numeral; "" for anything else."""
    if _DIGITS.fullmatch(words[place]):
        return words[place]
    value = numbers.small.get((words[place],))
    return str(value) if value is not None and value < 10 else ""
