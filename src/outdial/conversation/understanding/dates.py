"""Dates as people say them: "March third", "next Friday", "the day after tomorrow", "3/15". Pure.

A date without a year is the next one to come. "Friday" is the coming one, "next Friday" that of the next week; which
words mean which is the language's (date_words.py): "el próximo viernes" is the coming one.
"""

import re
from dataclasses import dataclass
from datetime import date, timedelta

from outdial.conversation.understanding.date_words import DateText, DateWords, date_words
from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.numbers import NumberWords, cardinal_at, number_words
from outdial.conversation.understanding.phrase_book import Words
from outdial.conversation.understanding.reading import is_taken_back
from outdial.conversation.understanding.utterance import Utterance

MAX_AHEAD = 400  # days or weeks ahead that can be counted
WEEK = 7
FAR_YEARS = 20   # of two digits: a year further ahead is one of the last century
FIRST_SHORT_YEAR = 32  # what is below may be a day, or minutes

_WRITTEN = re.compile(r"(\d{1,4})[/.](\d{1,2})(?:[/.](\d{2,4}))?")

Found = tuple[date | None, int] | None  # and where it ends
Number = tuple[int, int] | None         # and where it ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """What a date depends on."""

    today: date
    dates: DateWords
    numbers: NumberWords


def date_in(said: Utterance, today: date, language: Language) -> date | None:
    """The date that was meant; the last one where several are said ("the fourth, no, the fifth")."""
    calendar = Calendar(today=today, dates=date_words(language), numbers=number_words(language))
    text = calendar.dates.text(said)
    found: date | None = None
    place = 0
    while text.has(place):
        here = _at(text, place, calendar)
        if here and not _is_denied(said, text, place, language):
            found = here[0]  # also of one that there isn't: "February thirtieth" says no other day
        place = here[1] if here else place + 1
    return found


def _is_denied(said: Utterance, text: DateText, place: int, language: Language) -> bool:
    behind = text.raw[place - 1] + 1 if place else 0  # what was left out may stand between: "no el viernes"
    return is_taken_back(said, behind, language)


def _at(text: DateText, place: int, calendar: Calendar) -> Found:
    return (
        _week_from(text, place, calendar)
        or _weekday(text, place, calendar)
        or _relative(text, place, calendar)
        or _month_and_day(text, place, calendar)
        or _day_and_month(text, place, calendar)
        or _in_numbers(text, place, calendar)
        or _written(text, place, calendar)
        or _day_alone(text, place, calendar)
    )


# -- days by their distance ------------------------------------------------------------------------------------


def _relative(text: DateText, place: int, calendar: Calendar) -> Found:
    """ "Tomorrow", "in two weeks", "three days from now", "morgen in acht Tagen"."""
    for phrase, days in calendar.dates.relative.items():
        if text.begins(phrase, place):
            end = _behind_part_of_day(text, place + len(phrase), calendar)
            return _later_still(text, calendar.today + timedelta(days=days), end, calendar)
    return _ahead(text, place, calendar.today, calendar)


def _ahead(text: DateText, place: int, start: date, calendar: Calendar) -> Found:
    """ "In two weeks", "three days from now"; counted from `start`."""
    words, dates = text.words, calendar.dates
    begins = place + 1 if words[place] in dates.ahead else place
    count = _count(words, begins, calendar)
    if count is None or count[1] >= len(words):
        return None
    unit, end = words[count[1]], count[1] + 1
    from_now = next((phrase for phrase in dates.from_now if text.begins(phrase, end)), ())
    if not (from_now or begins > place) or not 0 <= count[0] <= MAX_AHEAD:
        return None
    if unit in dates.month_units:
        return _months_later(start, count[0]), end
    if unit not in dates.units:
        return None
    days = count[0] * dates.units[unit]
    return start + timedelta(days=dates.day_counts.get(days, days)), end + len(from_now)


def _later_still(text: DateText, day: date, end: int, calendar: Calendar) -> Found:
    """ "Lundi en huit", "Freitag in zwei Wochen": whole weeks after a day."""
    for phrase, days in calendar.dates.later.items():
        if text.begins(phrase, end):
            return day + timedelta(days=days), end + len(phrase)
    ahead = _ahead(text, end, day, calendar) if text.has(end) else None
    if ahead and ahead[0] and ahead[0] > day and (ahead[0] - day).days % WEEK == 0:
        return ahead
    return day, end


def _months_later(day: date, months: int) -> date:
    """The same day of the month, or its last one."""
    years, month = divmod(day.month - 1 + months, 12)
    return next(made for back in range(4) if (made := _made(day.year + years, month + 1, day.day - back)))


def _count(words: Words, place: int, calendar: Calendar) -> Number:
    if place >= len(words):
        return None
    if words[place] in calendar.dates.one:
        return 1, place + 1
    found = cardinal_at(words, place, calendar.numbers)
    return (int(found.value), found.end) if found and found.value == int(found.value) else None


def _week_from(text: DateText, place: int, calendar: Calendar) -> Found:
    """ "A week from Tuesday"."""
    for phrase in calendar.dates.week_from:
        start = place + len(phrase)
        if text.begins(phrase, place) and text.has(start):
            found = _relative(text, start, calendar) or _weekday(text, start, calendar)
            if found and found[0]:
                return found[0] + timedelta(days=WEEK), found[1]
    return None


# -- weekdays --------------------------------------------------------------------------------------------------


def _weekday(text: DateText, place: int, calendar: Calendar) -> Found:
    """ "Friday", "next Friday", "next week Friday", "Friday the fifth", "Friday, March fifth"."""
    words, dates = text.words, calendar.dates
    weeks, begins = None, place
    for phrase, ahead in dates.before.items():
        if text.begins(phrase, place):
            weeks, begins = ahead, place + len(phrase)
            break
    if begins >= len(words) or words[begins] not in dates.weekdays:
        return None
    end = _behind_part_of_day(text, begins + 1, calendar)
    if exact := _exact_day(text, end, calendar):
        return exact
    day = dates.weekdays[words[begins]]
    for phrase, ahead in dates.weeks.items():
        if text.begins(phrase, end):
            weeks, end = ahead, end + len(phrase)
            break
    end += len(next((phrase for phrase in dates.this_behind if text.begins(phrase, end)), ()))
    today = calendar.today
    if weeks is not None:
        return today + timedelta(days=WEEK * weeks - today.weekday() + day), end
    coming = today + timedelta(days=(day - today.weekday()) % WEEK or WEEK)
    return _later_still(text, coming, end, calendar)


def _exact_day(text: DateText, place: int, calendar: Calendar) -> Found:
    """Of the month, behind its weekday."""
    if not text.has(place):
        return None
    return (
        _month_and_day(text, place, calendar)
        or _day_and_month(text, place, calendar)
        or _day_alone(text, place, calendar, behind_weekday=True)
    )


def _behind_part_of_day(text: DateText, place: int, calendar: Calendar) -> int:
    """ "Freitag Morgen" is no tomorrow."""
    return place + len(next((phrase for phrase in calendar.dates.parts_of_day if text.begins(phrase, place)), ()))


# -- days of a month -------------------------------------------------------------------------------------------


def _month_and_day(text: DateText, place: int, calendar: Calendar) -> Found:
    words, months = text.words, calendar.dates.months
    if words[place] not in months or place + 1 >= len(words):
        return None
    day = _day(words, place + 1, calendar.numbers)
    return _with_year(words, months[words[place]], day[0], day[1], calendar) if day else None


def _day_and_month(text: DateText, place: int, calendar: Calendar) -> Found:
    words, months = text.words, calendar.dates.months
    day = _day(words, place, calendar.numbers)
    if day is None or day[1] >= len(words):
        return None
    if words[day[1]] in months:
        return _with_year(words, months[words[day[1]]], day[0], day[1] + 1, calendar)
    month = _ordinal_month(text, place, day[1], calendar)
    return _with_year(words, month[0], day[0], month[1], calendar) if month else None


def _ordinal_month(text: DateText, place: int, behind: int, calendar: Calendar) -> Number:
    """ "Am fünften dritten", "am 5. 3."."""
    words, numbers = text.words, calendar.numbers
    if not calendar.dates.ordinal_months:
        return None
    month = numbers.ordinal_at(words, behind) if numbers.ordinal_at(words, place) else None
    if month is None and place in text.articled and words[place].isdigit() and words[behind].isdigit():
        month = _whole(words, behind, numbers)
        if month and month[1] < len(words) and words[month[1]] in calendar.dates.clock_words:
            return None
    return month if month and 1 <= month[0] <= 12 else None


def _in_numbers(text: DateText, place: int, calendar: Calendar) -> Found:
    """ "Quinze zéro trois quatre-vingt-quatre", "5. 3. 2027": with a year, as it is anything else without."""
    if not calendar.dates.numeric_months:
        return None
    words, numbers = text.words, calendar.numbers
    day = _day(words, place, numbers)
    month = day and _whole(words, day[1], numbers)
    if month and month[0] == 0:
        month = _whole(words, month[1], numbers)
    if not day or not month or not 1 <= month[0] <= 12:
        return None
    year = _year(words, month[1], calendar)
    return _date(year[0], month[0], day[0], calendar.today, year[1]) if year else None


def _day(words: Words, place: int, numbers: NumberWords) -> Number:
    found = numbers.ordinal_at(words, place) or _whole(words, place, numbers)
    return found if found and 1 <= found[0] <= 31 else None


def _whole(words: Words, place: int, numbers: NumberWords) -> Number:
    if place < len(words) and re.fullmatch(r"\d{1,2}", words[place]):
        return int(words[place]), place + 1
    return numbers.small_at(words, place)


def _day_alone(text: DateText, place: int, calendar: Calendar, *, behind_weekday: bool = False) -> Found:
    """ "The fifteenth": of this month, or of the next that has one."""
    found = calendar.numbers.ordinal_at(text.words, place) or _cardinal_day(text, place, calendar, behind_weekday)
    if found is None or not 1 <= found[0] <= 31:
        return None
    month = calendar.today.replace(day=1)
    for _ in range(3):
        day = _made(month.year, month.month, found[0])
        if day and day >= calendar.today:
            return day, found[1]
        month = (month + timedelta(days=32)).replace(day=1)
    return None


def _cardinal_day(text: DateText, place: int, calendar: Calendar, behind_weekday: bool) -> Number:
    """ "El quince", "viernes quince": not "quince" alone, nor "quince horas"."""
    words, dates = text.words, calendar.dates
    may_be = place in text.articled or (behind_weekday and dates.cardinal_days)
    if not may_be or words[place] in dates.no_days:
        return None
    found = _whole(words, place, calendar.numbers)
    if found is None or found[1] >= len(words):
        return found
    behind = words[found[1]]
    is_other = behind in calendar.numbers.scales or behind in dates.units or behind in dates.clock_words
    return None if is_other else found


def _with_year(words: Words, month: int, day: int, end: int, calendar: Calendar) -> Found:
    year = _year(words, end, calendar)
    if year is None:
        return _date(None, month, day, calendar.today, end)
    return _date(year[0], month, day, calendar.today, year[1])


def _year(words: Words, place: int, calendar: Calendar) -> Number:
    """ "2027", "twenty twenty-seven", "nineteen eighty-four", "two thousand and five", "ochenta y cuatro"."""
    numbers = calendar.numbers
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
    if whole and 1900 <= whole.value <= 2100:
        return int(whole.value), whole.end
    short = _whole(words, place, numbers) if calendar.dates.short_years else None
    return (1900 + short[0], short[1]) if short and short[0] >= FIRST_SHORT_YEAR else None


def _written(text: DateText, place: int, calendar: Calendar) -> Found:
    """ "3/15", "15.3.2027", "2027/3/15", "15.3.84"."""
    found = _WRITTEN.fullmatch(text.words[place])
    if not found:
        return None
    today, end = calendar.today, place + 1
    first, second, third = int(found[1]), int(found[2]), found[3]
    if len(found[1]) == 4:
        return _date(first, second, int(third), today, end) if third else None
    year = None if third is None else int(third)
    if year is not None and len(third) == 2:
        year += 2000 if 2000 + year <= today.year + FAR_YEARS else 1900
    month, day = (first, second) if calendar.dates.month_first else (second, first)
    if month > 12:
        month, day = day, month
    return _date(year, month, day, today, end)


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
