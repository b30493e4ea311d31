"""Digits as people say them, as one string: "double four seven one", "five five five, twelve thirty-four". Pure."""

import re
from dataclasses import dataclass

from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.numbers import NumberWords, number_words, whole_at
from outdial.conversation.understanding.phrase_book import Words
from outdial.conversation.understanding.reading import around_repairs
from outdial.conversation.understanding.utterance import Utterance

TEN = 10      # digits of a North American number
LONG_RUN = 4  # digits in a row that are a number whatever is said around them

_NUMERAL = re.compile(r"\d+(?:[.,:/]\d+)*")


@dataclass(frozen=True, slots=True)
class Run:
    """`words[start:end]` say `digits`."""

    start: int
    end: int
    digits: str


def keys_said(said: Utterance, language: Language) -> str:
    """The digits of a reply that says nothing else, or so many of them that they must be meant; "" for neither."""
    numbers = number_words(language)
    kept = _without_unwanted(said, numbers)
    runs = digit_runs(kept, language)
    inside = {place for run in runs for place in range(run.start, run.end)}
    others = [
        word for place, word in enumerate(kept.words) if place not in inside and word not in numbers.fillers
    ]
    if not runs:
        return _lone(others, kept, numbers)
    if not others:
        return "".join(run.digits for run in runs)
    long = [run.digits for run in runs if len(run.digits) >= LONG_RUN]
    return long[-1] if long else ""


def fitting(digits: str, least: int | None, most: int | None) -> str:
    """`digits` when they are of such a length, "" otherwise. Ten may have the 1 before them that North Americans dial.
    """
    if most == TEN and len(digits) == TEN + 1 and digits[0] == "1":
        digits = digits[1:]
    return digits if (least or 1) <= len(digits) <= (most or len(digits)) else ""


def digits_in(said: Utterance, language: Language, lengths: range | None = None) -> str:
    """The digits that were asked for: all that were said, or the run of a length in `lengths`; "" for none."""
    numbers = number_words(language)
    kept = _without_unwanted(said, numbers)
    runs = digit_runs(kept, language)
    runs = [run for run in runs if run.end - run.start > 1 or kept.words[run.start] not in numbers.articles] or runs
    runs = next((after for _, after in around_repairs(kept, language, runs)), runs)
    whole = [run.digits for run in runs if lengths and len(run.digits) in lengths]
    together = "".join(run.digits for run in runs)
    if lengths and len(together) in lengths:
        return together
    return whole[-1] if whole else together


def says_plus(said: Utterance, language: Language) -> bool:
    """Whether the first digits have the "plus" of an international number before them."""
    first = next(iter(digit_runs(said, language)), None)
    return first is not None and first.start > 0 and said.words[first.start - 1] in number_words(language).plus


def digit_runs(said: Utterance, language: Language) -> list[Run]:
    """Digits, one after the other, with nothing but an "um" or a "dash" between."""
    numbers = number_words(language)
    runs: list[Run] = []
    place = 0
    while place < len(said.words):
        run = _run(said, place, numbers)
        if run:
            runs.append(run)
            place = run.end
        else:
            place += 1
    return runs


def _without_unwanted(said: Utterance, numbers: NumberWords) -> Utterance:
    """Without "out of ten", "that one"."""
    unwanted = {place for one in numbers.unwanted.find(said.words) for place in range(one.start, one.end)}
    return said.without(unwanted)


def _lone(others: list[str], said: Utterance, numbers: NumberWords) -> str:
    """A key by its name, or what only sounds like a number, when nothing else is said."""
    if len(others) == 1 and others[0] in numbers.keys:
        return numbers.keys[others[0]]
    alike = [word for word in said.words if word in numbers.homophones]
    if len(alike) == 1 and all(word in numbers.homophones for word in others):
        return str(numbers.homophones[alike[0]])
    return ""


def _run(said: Utterance, start: int, numbers: NumberWords) -> Run | None:
    words, place, end, digits = said.words, start, start, ""
    while place < len(words):
        piece = _piece(said, place, numbers, begun=bool(digits))
        if piece:
            digits, place = digits + piece[0], piece[1]
            end = place
        elif digits and words[place] in numbers.between_digits - numbers.repairs and place - end < 2:
            place += 1
        else:
            break
    return Run(start, end, digits) if digits else None


def _piece(said: Utterance, place: int, numbers: NumberWords, *, begun: bool) -> tuple[str, int] | None:
    """The next digits, and where what says them ends."""
    words = said.words
    word = words[place]
    if _NUMERAL.fullmatch(word):
        return re.sub(r"\D", "", word), place + 1
    for phrase, times in numbers.times.items():
        end = place + len(phrase)
        if words[place:end] == phrase and end < len(words) and (digit := _digit(words, end, numbers)):
            return digit * times, end + 1
    if word in numbers.only_in_runs or word in numbers.homophones:
        return _only_in_run(said, place, numbers, begun=begun)
    if numbers.runs_on:
        whole = whole_at(words, place, numbers, among_digits=True)
        return (str(whole.value), whole.end) if whole else None
    if word in numbers.one and place + 1 < len(words) and words[place + 1] in numbers.scales:
        return _scaled(words, 1, place + 1, numbers)
    if found := numbers.small_at(words, place):
        return _scaled(words, *found, numbers)
    return None


def _digit(words: Words, place: int, numbers: NumberWords) -> str:
    if re.fullmatch(r"\d", words[place]):
        return words[place]
    value = numbers.small.get((words[place],))
    if value is None:
        value = numbers.homophones.get(words[place])
    return str(value) if value is not None and value < 10 else ""


def _only_in_run(said: Utterance, place: int, numbers: NumberWords, *, begun: bool) -> tuple[str, int] | None:
    """ "Oh" and "to" are digits beside others: an "oh" before them, too, a "to" between or behind them."""
    words, word = said.words, said.words[place]
    value = numbers.homophones.get(word)
    if value is None:
        value = numbers.small.get((word,), 0)
    follows = (
        place + 1 < len(words)
        and said.clauses[place + 1] == said.clauses[place]
        and (bool(_digit(words, place + 1, numbers)) or words[place + 1 : place + 2] in numbers.times)
    )
    last = place + 1 == len(words)
    counts = (begun and (follows or last)) or (word in numbers.only_in_runs and (follows or begun))
    return (str(value), place + 1) if counts else None


def _scaled(words: Words, value: int, place: int, numbers: NumberWords) -> tuple[str, int]:
    """ "Eight hundred five five five" is 800 555, "one hundred five" 105: it has a rest when nothing follows that."""
    while place < len(words) and words[place] in numbers.scales:
        scale = numbers.scales[words[place]]
        value, place = value * scale, place + 1
        joined = place < len(words) and words[place] in numbers.joins
        rest = place + 1 if joined else place
        if rest >= len(words) or words[rest] in numbers.only_in_runs:
            continue
        found = numbers.small_at(words, rest)
        if found is None or found[0] >= scale:
            continue
        if scale > 100 and found[1] < len(words) and words[found[1]] in numbers.scales:
            inner, end = _scaled(words, *found, numbers)
            found = (int(inner), end)
        if joined or not _number_follows(words, found[1], numbers):
            value, place = value + found[0], found[1]
    return str(value), place


def _number_follows(words: Words, place: int, numbers: NumberWords) -> bool:
    return place < len(words) and (bool(_NUMERAL.fullmatch(words[place])) or numbers.small_at(words, place) is not None)
