"""Times of day as people say them: "half past two", "two thirty", "quarter to nine", "14:30". Pure.

Without a half of the day, 7 to 11 are in the morning, and 12 to 6 in the afternoon. What follows an hour in some
languages ("las tres y media", "trois heures moins dix"), and what an hour is behind in others ("fünf vor halb vier"),
is in the section [times] of a language's file.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from outdial.conversation.understanding.halves_of_day import KNOWN, HalvesOfDay
from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.numbers import NumberWords, number_words
from outdial.conversation.understanding.phrase_book import PhraseBook, Words
from outdial.conversation.understanding.reading import around_repairs, is_taken_back
from outdial.conversation.understanding.utterance import Utterance

DAY_MIN = 24 * 60

_WRITTEN = re.compile(r"(\d{1,2})[:.h](\d{2})")
_WITH_HALF = re.compile(r"(\d{1,2})(?:[:.](\d{2}))?(am|pm)")
_WITH_H = re.compile(r"(\d{1,2})h")

Clock = tuple[int, int, int]  # hour, minute, and where it ends


class TimeWords:
    """`at` are words before an hour, `weak_hours` numbers that are hours only there or before an "o'clock"; `plus` and
    `minus` stand between an hour and its minutes, `after_hour` has those that have a name."""

    def __init__(self, language: Language) -> None:
        data = language.data.get("times", {})
        plain = language.plain
        self.named = {plain(phrase): clock for phrase, clock in data.get("named", {}).items()}
        self.past = {plain(phrase): minutes for phrase, minutes in data.get("past", {}).items()}
        self.to = {plain(phrase): minutes for phrase, minutes in data.get("to", {}).items()}
        self.before_next = {plain(phrase): minutes for phrase, minutes in data.get("before_next", {}).items()}
        self.after_hour = {plain(phrase): minutes for phrase, minutes in data.get("after_hour", {}).items()}
        self.minutes_past = [plain(phrase) for phrase in data.get("minutes_past", ())]
        self.minutes_to = [plain(phrase) for phrase in data.get("minutes_to", ())]
        self.plus = frozenset(data.get("plus", ()))
        self.minus = frozenset(data.get("minus", ()))
        self.oclock = frozenset(data.get("oclock", ()))
        self.at = frozenset(data.get("at", ()))
        self.between = frozenset(data.get("between", ()))
        self.weak_hours = frozenset(data.get("weak_hours", ()))
        self.halves = HalvesOfDay(language)
        self.unwanted = PhraseBook({}, plain)
        self.unwanted.add("unwanted", data.get("unwanted", ()))


@cache
def time_words(language: Language) -> TimeWords:
    return TimeWords(language)


@dataclass(frozen=True, slots=True)
class _Time:
    """`words[start:end]` say it. `sure` when they can't be a mere number: "um drei", not "drei"."""

    start: int
    end: int
    text: str
    sure: bool


def time_in(said: Utterance, language: Language) -> str | None:
    """ "HH:MM"; the last one where several are said, and a mere number only if there is no other: "um drei, wir sind
    zwei"."""
    found = list(_times(said, language))
    meant = next((after for _, after in around_repairs(said, language, found)), found)
    return next((one.text for sure in (True, False) for one in reversed(meant) if one.sure is sure), None)


def _times(said: Utterance, language: Language) -> Iterator[_Time]:
    """Those that nobody denies."""
    times, words = time_words(language), said.words
    for place, (hour, minute, clock_end) in _clocks(said, times, number_words(language)):
        end = clock_end + 1 if clock_end < len(words) and words[clock_end] in times.oclock else clock_end
        sure = not times.at or hour >= KNOWN or end - place > 1 or _is_at(words, place, times)
        hour = times.halves.hour(hour, times.halves.around(words, place, end))
        if hour < 24 and minute < 60 and not is_taken_back(said, _with_at(words, place, times), language):
            yield _Time(place, end, f"{hour:02}:{minute:02}", sure)


def _clocks(said: Utterance, times: TimeWords, numbers: NumberWords) -> Iterator[tuple[int, Clock]]:
    """Every time there is, with its place; not what only sounds like one."""
    unwanted = {place for one in times.unwanted.find(said.words) for place in range(one.start, one.end)}
    unwanted |= times.halves.inside(said.words)
    place = 0
    while place < len(said.words):
        clock = None if place in unwanted else _at(said.words, place, times, numbers)
        if clock:
            yield place, clock
        place = clock[2] if clock else place + 1


def _at(words: Words, place: int, times: TimeWords, numbers: NumberWords) -> Clock | None:
    for length in range(min(3, len(words) - place), 0, -1):
        if clock := times.named.get(words[place : place + length]):
            hour, minute = map(int, clock.split(":"))
            end, more = _minutes_behind(words, place + length, times, numbers)
            half_hour = _minutes(words, end, numbers) if times.after_hour and not more else None
            if half_hour and 10 <= half_hour[0] < 60:
                return _known(hour, half_hour[0], half_hour[1])  # "midi trente"
            return _known(hour, minute + more, end)
    if written := _WRITTEN.fullmatch(words[place]):
        return int(written[1]), int(written[2]), place + 1
    if written := _WITH_HALF.fullmatch(words[place]):
        half, minute = written[3], int(written[2] or 0)
        return times.halves.hour(int(written[1]), half) + KNOWN, minute, place + 1
    if written := _WITH_H.fullmatch(words[place]):
        end, more = _minutes_behind(words, place + 1, times, numbers)
        return _moved(int(written[1]), more, end)
    clock = _around_the_hour(words, place, times, numbers) or _hour_and_minute(words, place, times, numbers)
    return None if clock and _is_weak(words, place, clock[2], times) else clock


def _known(hour: int, minutes: int, end: int) -> Clock:
    """Half past noon is 12:30 and a quarter to midnight 23:45, whatever half of the day is said."""
    of_day = (hour * 60 + minutes) % DAY_MIN
    return of_day // 60 + KNOWN, of_day % 60, end


def _minutes_behind(words: Words, end: int, times: TimeWords, numbers: NumberWords) -> tuple[int, int]:
    """ "Y media", "menos diez" or "y veinte" behind an hour: where it ends, and the minutes."""
    for phrase, minutes in times.after_hour.items():
        if words[end : end + len(phrase)] == phrase:
            return end + len(phrase), minutes
    if end < len(words) and words[end] in times.plus | times.minus:
        minutes_at = _minutes(words, end + 1, numbers)
        if minutes_at and 0 < minutes_at[0] < 60:
            return minutes_at[1], -minutes_at[0] if words[end] in times.minus else minutes_at[0]
    return end, 0


def _around_the_hour(words: Words, place: int, times: TimeWords, numbers: NumberWords) -> Clock | None:
    """ "Half past two", "ten to six", "fünf vor halb vier"."""
    for table, sign in ((times.past, 1), (times.to, -1), (times.before_next, -1)):
        for phrase, minutes in table.items():
            start = place + len(phrase)
            if words[place:start] == phrase and (hour := _small(words, start, numbers)) and hour[0] <= 24:
                return _moved(hour[0], sign * minutes, hour[1])
    minutes_at = _small(words, place, numbers)
    if not minutes_at or not 0 < minutes_at[0] < 60:
        return None
    for phrases, sign in ((times.minutes_past, 1), (times.minutes_to, -1)):
        for phrase in phrases:
            start = minutes_at[1] + len(phrase)
            if words[minutes_at[1] : start] == phrase and (hour_at := _hour_or_part(words, start, times, numbers)):
                return _moved(hour_at[0], sign * minutes_at[0] - hour_at[1], hour_at[2])
    return None


def _hour_or_part(words: Words, place: int, times: TimeWords, numbers: NumberWords) -> Clock | None:
    """An hour, and how many minutes before it: "vier", "halb vier"."""
    for phrase, minutes in times.before_next.items():
        start = place + len(phrase)
        if words[place:start] == phrase and (hour := _small(words, start, numbers)) and hour[0] <= 24:
            return hour[0], minutes, hour[1]
    hour = _small(words, place, numbers)
    return (hour[0], 0, hour[1]) if hour else None


def _moved(hour: int, minutes: int, end: int) -> Clock:
    if minutes >= 0:
        return hour, minutes, end
    return (hour - 1 if hour > 1 else 12), 60 + minutes, end


def _hour_and_minute(words: Words, place: int, times: TimeWords, numbers: NumberWords) -> Clock | None:
    """ "Two", "two thirty", "nine oh five", "neun Uhr dreißig"; "230" and "1430" as recognisers write them."""
    if re.fullmatch(r"\d{3,4}", words[place]) and int(words[place][:-2]) < 24 and int(words[place][-2:]) < 60:
        return int(words[place][:-2]), int(words[place][-2:]), place + 1
    hour = _small(words, place, numbers)
    if hour and hour[0] > 24:
        hour = _small(words[: place + 1], place, numbers)  # "veinte y cinco"
    if hour is None or hour[0] > 24:
        return None
    end = hour[1]
    if end < len(words) and words[end] in numbers.only_in_runs and (minute := _small(words, end + 1, numbers)):
        return (hour[0], minute[0], minute[1]) if minute[0] < 10 else None
    oclock = end + 1 if end < len(words) and words[end] in times.oclock else end
    behind, more = _minutes_behind(words, oclock, times, numbers)
    if behind > oclock and not _is_between(words, place, times):
        return _moved(hour[0], more, behind)
    if oclock > end and (minute := _minutes(words, oclock, numbers)):
        return (hour[0], minute[0], minute[1]) if minute[0] < 60 else None
    minute = _minutes(words, end, numbers)
    if minute and minute[0] < 60 and (minute[0] >= 10 or minute[1] - end > 1):
        return hour[0], minute[0], minute[1]
    return hour[0], 0, end


def _minutes(words: Words, place: int, numbers: NumberWords) -> tuple[int, int] | None:
    """A number below a hundred; "zero five", too."""
    first = _small(words, place, numbers)
    if first is None or first[0] != 0:
        return first
    second = _small(words, first[1], numbers)
    return second if second and 0 < second[0] < 10 else first


def _small(words: Words, place: int, numbers: NumberWords) -> tuple[int, int] | None:
    if place >= len(words) or words[place] in numbers.only_in_runs:
        return None
    if re.fullmatch(r"\d{1,2}", words[place]):
        return int(words[place]), place + 1
    return numbers.small_at(words, place)


def _is_at(words: Words, place: int, times: TimeWords) -> bool:
    return place > 0 and words[place - 1] in times.at


def _with_at(words: Words, place: int, times: TimeWords) -> int:
    """Where what is said for a time begins: "a las tres"."""
    while _is_at(words, place, times):
        place -= 1
    return place


def _is_between(words: Words, place: int, times: TimeWords) -> bool:
    """ "Entre dos y cinco" are two hours."""
    start = _with_at(words, place, times)
    return start > 0 and words[start - 1] in times.between


def _is_weak(words: Words, place: int, end: int, times: TimeWords) -> bool:
    """ "Ein Termin", "une bonne heure" have no hour in them, "ein Uhr" and "a la una" do."""
    if end - place > 1 or words[place] not in times.weak_hours:
        return False
    return not _is_at(words, place, times) and (end >= len(words) or words[end] not in times.oclock)
