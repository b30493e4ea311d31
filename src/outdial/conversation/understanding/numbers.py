"""Numbers as people say them: "twenty-five", "a hundred and five", "seven and a half", "seven out of ten". Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from outdial.conversation.understanding.joined_numbers import below_hundred
from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.phrase_book import PhraseBook, Words
from outdial.conversation.understanding.reading import around_repairs, is_taken_back
from outdial.conversation.understanding.utterance import Utterance

HUNDRED, THOUSAND, MILLION = 100, 1000, 1_000_000

_ORDINAL = re.compile(r"(\d{1,2})(?:st|nd|rd|th|er|\u00ba|\u00aa|e)")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Spoken:
    """`words[start:end]` say `value`."""

    start: int
    end: int
    value: Decimal


class NumberWords:
    """How a language says numbers; from the section [numbers] of its file.

    `hundreds` are those in one word ("doscientos"), `articles` numbers that are an article, too ("un", "ein").
    """

    def __init__(self, language: Language) -> None:
        data = language.data.get("numbers", {})
        plain = language.plain
        self.small = {plain(phrase): value for phrase, value in below_hundred(data).items()}
        self.longest = max((len(phrase) for phrase in self.small), default=1)
        self.ordinals = {plain(phrase): value for phrase, value in _ordinals(data).items()}
        self.homophones: dict[str, int] = data.get("homophones", {})
        self.times = {plain(phrase): value for phrase, value in data.get("times", {}).items()}
        self.scales: dict[str, int] = data.get("scales", {})
        self.hundreds: dict[str, int] = data.get("hundreds", {})
        self.keys: dict[str, str] = data.get("keys", {})
        self.only_in_runs = frozenset(data.get("only_in_runs", ()))
        self.one = frozenset(data.get("one", ()))
        self.half = frozenset(data.get("half", ()))  # "medio millón"
        self.articles = frozenset(data.get("articles", ()))
        self.joins = frozenset(data.get("joins", ()))
        self.plus = frozenset(data.get("plus", ()))
        self.runs_on = bool(data.get("runs_on", False))  # among digits, too, what follows a hundred belongs to it
        self.between_digits = frozenset(data.get("between_digits", ())) | language.fillers
        repairs = language.in_place["repair"]
        self.repairs = frozenset(word for word in language.fillers if repairs.whole((word,)))
        self.point = frozenset(data.get("point", ()))
        self.minus = frozenset(data.get("minus", ()))
        self.fillers = frozenset(data.get("fillers", "").split()) | language.fillers
        self.unwanted = PhraseBook({}, plain)
        self.unwanted.add("unwanted", data.get("unwanted", ()))
        self.fractions = {plain(phrase): Decimal(str(value)) for phrase, value in data.get("fractions", {}).items()}
        self.numeral = language.joined_numbers.value
        money = language.data.get("money", {})
        self.units_of_money = frozenset([*money.get("whole", ()), *money.get("cents", ())])

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


def _ordinals(data: dict[str, dict[str, int]]) -> dict[str, int]:
    """With every ending: "fünfte", "fünften"."""
    ordinals = data.get("ordinals", {})
    endings = ("", *data.get("ordinal_endings", ()))
    return {f"{phrase}{ending}": value for ending in endings for phrase, value in ordinals.items()}


def _longest(table: dict[Words, int], words: Words, place: int, longest: int) -> tuple[int, int] | None:
    for length in range(min(longest, len(words) - place), 0, -1):
        if (value := table.get(words[place : place + length])) is not None:
            return value, place + length
    return None


def spoken_numbers(said: Utterance, language: Language) -> list[Spoken]:
    """Every number in it, in order; not what only sounds like one ("that one", "one moment", "une note de huit")."""
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
    return [one for one in found if not _is_article(words, one, numbers)] or found


def _is_article(words: Words, one: Spoken, numbers: NumberWords) -> bool:
    if one.end - one.start > 1 or words[one.start] not in numbers.articles:
        return False
    return one.end >= len(words) or words[one.end] not in numbers.units_of_money


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
    return [one for one in found if not is_taken_back(said, one.start, language)]


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
    whole = whole_at(words, place, numbers)
    if whole is None:
        return None
    value, place = _fraction(words, whole.end, numbers, whole.value)
    return Spoken(start, place, sign * value)


def whole_at(words: Words, place: int, numbers: NumberWords, *, among_digits: bool = False) -> Spoken | None:
    """Without a sign and a fraction. `among_digits`: a digit followed by another belongs to no hundred before it."""
    start, least, total = place, 0, Decimal(0)
    part = _first_part(words, place, numbers, among_digits)
    while part:
        value, end = part
        scale = 1
        while end < len(words) and numbers.scales.get(words[end], 0) >= THOUSAND:
            scale, end = scale * numbers.scales[words[end]], end + 1
        if least and value * scale >= least:
            break
        total, place = total + value * scale, end
        if scale == 1:
            break
        least = scale
        behind = place + 1 if place < len(words) and words[place] in numbers.joins else place
        part = _below_thousand(words, behind, numbers, among_digits)
    return Spoken(start, place, total) if place > start else None


Part = tuple[Decimal, int] | None  # and where it ends


def _first_part(words: Words, place: int, numbers: NumberWords, among_digits: bool) -> Part:
    """Of a number: a numeral, what is below a thousand, or nothing before a "thousand"."""
    if (numeral := numbers.numeral(words[place])) is not None:
        if _scale(words, place + 1, numbers) == HUNDRED:
            return _with_rest(words, numeral * HUNDRED, place + 2, numbers, among_digits)
        return numeral, place + 1
    if part := _below_thousand(words, place, numbers, among_digits):
        return part
    if words[place] in numbers.only_in_runs:
        return None
    if words[place] in numbers.half and _scale(words, place + 1, numbers) >= THOUSAND:
        return Decimal("0.5"), place + 1
    if _scale(words, place, numbers):
        return Decimal(1), place
    return (Decimal(1), place + 1) if words[place] in numbers.one and _scale(words, place + 1, numbers) else None


def _below_thousand(words: Words, place: int, numbers: NumberWords, among_digits: bool) -> Part:
    """ "Five", "two hundred and five", "doscientos cinco", "nineteen hundred", too."""
    if place >= len(words) or words[place] in numbers.only_in_runs:
        return None
    if hundreds := numbers.hundreds.get(words[place]):
        return _with_rest(words, Decimal(hundreds), place + 1, numbers, among_digits)
    value, end = numbers.small_at(words, place) or (1, place)
    if end == place and words[place] in numbers.one:
        end += 1
    if _scale(words, end, numbers) == HUNDRED:
        return _with_rest(words, Decimal(value * HUNDRED), end + 1, numbers, among_digits)
    return (Decimal(value), end) if numbers.small_at(words, place) else None


def _with_rest(words: Words, value: Decimal, place: int, numbers: NumberWords, among_digits: bool) -> Part:
    """With what follows "hundred" in the same number: "and five"."""
    start = place + 1 if place < len(words) and words[place] in numbers.joins else place
    if start >= len(words) or words[start] in numbers.only_in_runs:
        return value, place
    rest = numbers.small_at(words, start)
    if rest is None or _scale(words, rest[1], numbers) == HUNDRED:
        return value, place
    goes_on = rest[1] < len(words) and bool(digit_at(words, rest[1], numbers))
    if among_digits and (rest[0] == 0 or (rest[0] < 10 and goes_on)):
        return value, place
    return value + rest[0], rest[1]


def _scale(words: Words, place: int, numbers: NumberWords) -> int:
    return numbers.scales.get(words[place], 0) if place < len(words) else 0


def _fraction(words: Words, place: int, numbers: NumberWords, whole: Decimal) -> tuple[Decimal, int]:
    """ "Point five", "and a half": of a million where these were said."""
    for length in (4, 3, 2, 1):
        if part := numbers.fractions.get(words[place : place + length]):
            scale = _scale(words, place + length, numbers)
            if scale >= THOUSAND:
                return (whole + part) * scale, place + length + 1
            unit = _scale(words, place - 1, numbers) if place else 0
            return whole + part * (unit if unit >= MILLION else 1), place + length
    if place + 1 < len(words) and words[place] in numbers.point:
        digits, end = "", place + 1
        while end < len(words) and (found := digit_at(words, end, numbers)):
            digits, end = digits + found, end + 1
        if not digits and (tens := numbers.small_at(words, end)):
            digits, end = str(tens[0]), tens[1]
        if digits:
            scale = _scale(words, end, numbers)
            large = scale >= THOUSAND
            return (whole + Decimal(f"0.{digits[:6]}")) * (scale if large else 1), end + large
    return whole, place


def digit_at(words: Words, place: int, numbers: NumberWords) -> str:
    """A single digit, or a numeral; "" for anything else."""
    if _DIGITS.fullmatch(words[place]):
        return words[place]
    value = numbers.small.get((words[place],))
    return str(value) if value is not None and value < 10 else ""
