"""Times of day as people say them: "half past two", "two thirty", "quarter to nine", "14:30". Pure.

Without a half of the day, 7 to 11 are in the morning, and 12 to 6 in the afternoon.
"""

import re
from functools import cache

from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.numbers import NumberWords, number_words
from outdial.conversation.understanding.phrase_book import Words
from outdial.conversation.understanding.utterance import Utterance

FIRST_MORNING_HOUR = 7

_WRITTEN = re.compile(r"(\d{1,2})[:.h](\d{2})")
_WITH_HALF = re.compile(r"(\d{1,2})(?:[:.](\d{2}))?(am|pm)")

Clock = tuple[int, int, int]  # hour, minute, and where it ends


class TimeWords:
    """From the section [times] of a language's file."""

    def __init__(self, language: Language) -> None:
        data = language.data.get("times", {})
        plain = language.plain
        self.named = {plain(phrase): clock for phrase, clock in data.get("named", {}).items()}
        self.past = {plain(phrase): minutes for phrase, minutes in data.get("past", {}).items()}
        self.to = {plain(phrase): minutes for phrase, minutes in data.get("to", {}).items()}
        self.before_next = {plain(phrase): minutes for phrase, minutes in data.get("before_next", {}).items()}
        self.minutes_past = [plain(phrase) for phrase in data.get("minutes_past", ())]
        self.minutes_to = [plain(phrase) for phrase in data.get("minutes_to", ())]
        self.oclock = frozenset(data.get("oclock", ()))
        self.morning = [plain(phrase) for phrase in data.get("morning", ())]
        self.afternoon = [plain(phrase) for phrase in data.get("afternoon", ())]


@cache
def time_words(language: Language) -> TimeWords:
    return TimeWords(language)


def time_in(said: Utterance, language: Language) -> str | None:
    """ "HH:MM"; the last one where several are said."""
    times, numbers = time_words(language), number_words(language)
    words = said.words
    found: str | None = None
    place = 0
    while place < len(words):
        here = _at(words, place, times, numbers)
        if here is None:
            place += 1
            continue
        hour, minute, end = here
        end = end + 1 if end < len(words) and words[end] in times.oclock else end
        half, end = _half_of_day(words, end, times)
        if (hour := _hour(hour, half or _half_before(words, place, times))) < 24 and minute < 60:
            denied = place > 0 and words[place - 1] in language.denials
            found = found if denied else f"{hour:02}:{minute:02}"
        place = end
    return found


def _at(words: Words, place: int, times: TimeWords, numbers: NumberWords) -> Clock | None:
    for length in range(min(3, len(words) - place), 0, -1):
        if clock := times.named.get(words[place : place + length]):
            hour, minute = clock.split(":")
            return int(hour) + 100, int(minute), place + length  # its half of the day is known
    if written := _WRITTEN.fullmatch(words[place]):
        return int(written[1]), int(written[2]), place + 1
    if written := _WITH_HALF.fullmatch(words[place]):
        return _hour(int(written[1]), written[3]) + 100, int(written[2] or 0), place + 1
    return _around_the_hour(words, place, times, numbers) or _hour_and_minute(words, place, times, numbers)


def _around_the_hour(words: Words, place: int, times: TimeWords, numbers: NumberWords) -> Clock | None:
    """ "Half past two", "ten to six"."""
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
            if words[minutes_at[1] : start] == phrase and (hour := _small(words, start, numbers)):
                return _moved(hour[0], sign * minutes_at[0], hour[1])
    return None


def _moved(hour: int, minutes: int, end: int) -> Clock:
    if minutes >= 0:
        return hour, minutes, end
    return (hour - 1 if hour > 1 else 12), 60 + minutes, end


def _hour_and_minute(words: Words, place: int, times: TimeWords, numbers: NumberWords) -> Clock | None:
    """ "Two", "two thirty", "nine oh five", "neun Uhr dreißig"; "230" and "1430" as recognisers write them."""
    if re.fullmatch(r"\d{3,4}", words[place]) and int(words[place][:-2]) < 24 and int(words[place][-2:]) < 60:
        return int(words[place][:-2]), int(words[place][-2:]), place + 1
    hour = _small(words, place, numbers)
    if hour is None or hour[0] > 24:
        return None
    end = hour[1]
    if end < len(words) and words[end] in numbers.only_in_runs and (minute := _small(words, end + 1, numbers)):
        return (hour[0], minute[0], minute[1]) if minute[0] < 10 else None
    if end < len(words) and words[end] in times.oclock and (minute := _small(words, end + 1, numbers)):
        return (hour[0], minute[0], minute[1]) if minute[0] < 60 else None
    minute = _small(words, end, numbers)
    if minute and 10 <= minute[0] < 60:
        return hour[0], minute[0], minute[1]
    return hour[0], 0, end


def _small(words: Words, place: int, numbers: NumberWords) -> tuple[int, int] | None:
    if place >= len(words) or words[place] in numbers.only_in_runs:
        return None
    if re.fullmatch(r"\d{1,2}", words[place]):
        return int(words[place]), place + 1
    return numbers.small_at(words, place)


def _half_of_day(words: Words, place: int, times: TimeWords) -> tuple[str, int]:
    for half, phrases in (("am", times.morning), ("pm", times.afternoon)):
        for phrase in phrases:
            if words[place : place + len(phrase)] == phrase:
                return half, place + len(phrase)
    return "", place


def _half_before(words: Words, place: int, times: TimeWords) -> str:
    """ "In the afternoon at two"."""
    before = words[:place]
    for half, phrases in (("am", times.morning), ("pm", times.afternoon)):
        if any(len(phrase) > 1 and before[i : i + len(phrase)] == phrase for phrase in phrases for i in range(place)):
            return half
    return ""


def _hour(hour: int, half: str) -> int:
    if hour >= 100:
        return hour - 100
    if half == "am":
        return 0 if hour == 12 else hour
    if half == "pm":
        return hour if hour >= 12 else hour + 12
    return hour + 12 if 0 < hour < FIRST_MORNING_HOUR else hour
