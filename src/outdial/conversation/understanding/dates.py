"""Dates as people say them: "March third", "next Friday", "the day after tomorrow", "3/15". Pure.

A date without a year is the next one to come. "Friday" is the coming one, "next Friday" that of the next week.
"""

import re
from datetime import date, timedelta
from functools import cache

from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.numbers import NumberWords, cardinal_at, number_words
from outdial.conversation.understanding.phrase_book import Words
from outdial.conversation.understanding.utterance import Utterance

MAX_AHEAD = 400  # days or weeks ahead that can be counted

_WRITTEN = re.compile(r"(\d{1,4})[/.](\d{1,2})(?:[/.](\d{2,4}))?")


class DateWords:
    """From the section [dates] of a language's file."""

    def __init__(self, language: Language) -> None:
        data = language.data.get("dates", {})
        plain = language.plain
        self.weekdays: dict[str, int] = data.get("weekdays", {})
        self.months: dict[str, int] = data.get("months", {})
        self.relative = {plain(phrase): days for phrase, days in data.get("relative", {}).items()}
        self.units: dict[str, int] = data.get("units", {})
        self.next = frozenset(data.get("next", ()))
        self.this = frozenset(data.get("this", ()))
        self.after_next = [plain(phrase) for phrase in data.get("after_next", ())]
        self.ahead = frozenset(data.get("ahead", ()))
        self.from_now = [plain(phrase) for phrase in data.get("from_now", ())]
        self.week_from = [plain(phrase) for phrase in data.get("week_from", ())]
        self.skipped = frozenset(data.get("skipped", ()))
        self.month_first = bool(data.get("month_first", False))
        self.one = frozenset(data.get("one", ()))


@cache
def date_words(language: Language) -> DateWords:
    return DateWords(language)


def date_in(said: Utterance, today: date, language: Language) -> date | None:
    """The date that was meant; the last one where several are said ("the fourth, no, the fifth")."""
    dates, numbers = date_words(language), number_words(language)
    words = tuple(word for word in said.words if word not in dates.skipped)
    found: date | None = None
    place = 0
    while place < len(words):
        here = _at(words, place, today, dates, numbers)
        denied = place > 0 and words[place - 1] in language.denials
        if here and not denied:
            found = here[0]  # also of one that there isn't: "February thirtieth" says no other day
        place = here[1] if here else place + 1
    return found


Found = tuple[date | None, int] | None  # and where it ends


def _at(words: Words, place: int, today: date, dates: DateWords, numbers: NumberWords) -> Found:
    return (
        _week_from(words, place, today, dates, numbers)
        or _weekday(words, place, today, dates, numbers)
        or _relative(words, place, today, dates, numbers)
        or _month_and_day(words, place, today, dates, numbers)
        or _day_and_month(words, place, today, dates, numbers)
        or _written(words, place, today, dates)
        or _day_alone(words, place, today, numbers)
    )


def _relative(words: Words, place: int, today: date, dates: DateWords, numbers: NumberWords) -> Found:
    """ "Tomorrow", "in two weeks", "three days from now"."""
    for length in range(min(6, len(words) - place), 0, -1):
        days = dates.relative.get(words[place : place + length])
        if days is not None:
            return today + timedelta(days=days), place + length
    begins = place + 1 if words[place] in dates.ahead else place
    count = _count(words, begins, dates, numbers)
    if count is None or count[1] >= len(words) or words[count[1]] not in dates.units:
        return None
    end = count[1] + 1
    for phrase in dates.from_now:
        if words[end : end + len(phrase)] == phrase:
            return _later(today, count[0], dates.units[words[end - 1]], end + len(phrase))
    return _later(today, count[0], dates.units[words[end - 1]], end) if begins > place else None


def _later(today: date, count: int, days: int, end: int) -> Found:
    return (today + timedelta(days=count * days), end) if 0 <= count <= MAX_AHEAD else None


def _count(words: Words, place: int, dates: DateWords, numbers: NumberWords) -> tuple[int, int] | None:
    if place >= len(words):
        return None
    if words[place] in dates.one:
        return 1, place + 1
    found = cardinal_at(words, place, numbers)
    return (int(found.value), found.end) if found and found.value == int(found.value) else None


def _week_from(words: Words, place: int, today: date, dates: DateWords, numbers: NumberWords) -> Found:
    """ "A week from Tuesday"."""
    for phrase in dates.week_from:
        start = place + len(phrase)
        if words[place:start] == phrase and start < len(words):
            found = _relative(words, start, today, dates, numbers) or _weekday(words, start, today, dates, numbers)
            if found and found[0]:
                return found[0] + timedelta(days=7), found[1]
    return None


def _weekday(words: Words, place: int, today: date, dates: DateWords, numbers: NumberWords) -> Found:
    """ "Friday", "next Friday", "next week Friday", "Friday the fifth", "Friday, March fifth"."""
    before = next((phrase for phrase in dates.after_next if words[place : place + len(phrase)] == phrase), ())
    begins = place + len(before) if before else place + (words[place] in dates.next | dates.this)
    if begins >= len(words) or words[begins] not in dates.weekdays:
        return None
    end = begins + 1
    exact = end < len(words) and (
        _month_and_day(words, end, today, dates, numbers)
        or _day_and_month(words, end, today, dates, numbers)
        or _day_alone(words, end, today, numbers)
    )
    if exact:
        return exact
    day = dates.weekdays[words[begins]]
    coming = today + timedelta(days=(day - today.weekday()) % 7 or 7)
    behind = next((phrase for phrase in dates.after_next if words[end : end + len(phrase)] == phrase), None)
    if behind:
        end += len(behind)
    if before or behind or (begins > place and words[place] in dates.next):
        return today + timedelta(days=7 - today.weekday() + day), end
    return coming, end


def _month_and_day(words: Words, place: int, today: date, dates: DateWords, numbers: NumberWords) -> Found:
    if words[place] not in dates.months or place + 1 >= len(words):
        return None
    day = _day(words, place + 1, numbers)
    if day is None:
        return None
    year = _year(words, day[1], numbers)
    return _date(year[0] if year else None, dates.months[words[place]], day[0], today, year[1] if year else day[1])


def _day_and_month(words: Words, place: int, today: date, dates: DateWords, numbers: NumberWords) -> Found:
    day = _day(words, place, numbers)
    if day is None or day[1] >= len(words) or words[day[1]] not in dates.months:
        return None
    end = day[1] + 1
    year = _year(words, end, numbers)
    return _date(year[0] if year else None, dates.months[words[day[1]]], day[0], today, year[1] if year else end)


def _day(words: Words, place: int, numbers: NumberWords) -> tuple[int, int] | None:
    found = numbers.ordinal_at(words, place)
    if found is None and re.fullmatch(r"\d{1,2}", words[place]):
        found = int(words[place]), place + 1
    if found is None:
        found = numbers.small_at(words, place)
    return found if found and 1 <= found[0] <= 31 else None


def _day_alone(words: Words, place: int, today: date, numbers: NumberWords) -> Found:
    """ "The fifteenth": of this month, or of the next that has one."""
    found = numbers.ordinal_at(words, place)
    if found is None or not 1 <= found[0] <= 31:
        return None
    month = today.replace(day=1)
    for _ in range(3):
        day = _made(month.year, month.month, found[0])
        if day and day >= today:
            return day, found[1]
        month = (month + timedelta(days=32)).replace(day=1)
    return None


def _year(words: Words, place: int, numbers: NumberWords) -> tuple[int, int] | None:
    """ "2027", "twenty twenty-seven", "nineteen eighty-four", "two thousand and five"."""
    if place >= len(words):
        return None
    if re.fullmatch(r"(?:19|20)\d\d", words[place]):
        return int(words[place]), place + 1
    first = numbers.small_at(words, place)
    if first and first[0] in (19, 20) and first[1] < len(words):
        second = numbers.small_at(words, first[1])
        if second and second[0] >= 10:
            return first[0] * 100 + second[0], second[1]
        if words[first[1]] in numbers.only_in_runs and first[1] + 1 < len(words):
            second = numbers.small_at(words, first[1] + 1)
            if second and second[0] < 10:
                return first[0] * 100 + second[0], second[1]
    whole = cardinal_at(words, place, numbers)
    return (int(whole.value), whole.end) if whole and 1900 <= whole.value <= 2100 else None


def _written(words: Words, place: int, today: date, dates: DateWords) -> Found:
    """ "3/15", "15.3.2027", "2027/3/15"."""
    found = _WRITTEN.fullmatch(words[place])
    if not found:
        return None
    first, second, third = int(found[1]), int(found[2]), found[3]
    if len(found[1]) == 4:
        return _date(first, second, int(third), today, place + 1) if third else None
    year = None if third is None else int(third) + (2000 if len(third) == 2 else 0)
    month, day = (first, second) if dates.month_first else (second, first)
    if month > 12:
        month, day = day, month
    return _date(year, month, day, today, place + 1)


def _date(year: int | None, month: int, day: int, today: date, end: int) -> Found:
    if year is not None:
        made = _made(year, month, day)
        return made, end
    for ahead in range(today.year, today.year + 9):  # the next 29 February may be eight years away
        made = _made(ahead, month, day)
        if made and made >= today:
            return made, end
    return None, end


def _made(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
