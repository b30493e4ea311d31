"""A value as it is read back, in the callee's language: "Freitag, den fünften März 2027". Pure.

From the section [read_back] of a language's file. A language without it has the value as it is noted, which in English
is read aloud as people say it.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from outdial.conversation.understanding.answer_type import AnswerType, TypeName, Value
from outdial.conversation.understanding.language import Language

GROUP = 3            # digits that are said in one breath
NORTH_AMERICAN = 11  # digits of a number with its country code


def said_back(value: Value, of: AnswerType, language: Language) -> str:
    text, forms = str(value), language.read_back
    match of.name:
        case TypeName.PHONE | TypeName.DIGITS:
            return _in_groups(text)
        case TypeName.AMOUNT:
            return _decimal(text.removesuffix(".00"), forms)
        case TypeName.NUMBER:
            return _decimal(text, forms)
        case TypeName.DATE if forms:
            return _date(date.fromisoformat(text), forms)
        case TypeName.TIME if forms:
            hour, minute = map(int, text.split(":"))
            return _time(hour, minute, forms)
    return text


def _in_groups(number: str) -> str:
    """Digit by digit, with pauses: "2 0 2, 5 5 5, 0 1 2 3"."""
    digits = number.lstrip("+")
    if number.startswith("+1") and len(digits) == NORTH_AMERICAN:
        digits = digits[1:]
    over = len(digits) % GROUP
    last = GROUP + 1 if over == 1 and len(digits) > GROUP else over  # nobody says the last one alone
    first = digits[: len(digits) - last]
    groups = [first[start : start + GROUP] for start in range(0, len(first), GROUP)] + [digits[len(first) :]]
    return ", ".join(" ".join(group) for group in groups if group)


def _decimal(number: str, forms: Mapping[str, Any]) -> str:
    return number.replace(".", forms.get("decimal", "."))


def _date(day: date, forms: Mapping[str, Any]) -> str:
    days: Sequence[str] = forms.get("days", ())  # the first ones, where they are no plain numbers
    said: str = forms["date"].format(
        weekday=forms["weekdays"][day.weekday()],
        day=days[day.day - 1] if day.day <= len(days) else day.day,
        month=forms["months"][day.month - 1],
        year=day.year,
    )
    return said


def _time(hour: int, minute: int, forms: Mapping[str, Any]) -> str:
    hours: Sequence[str] = forms["hours"]  # 24 of them, or 12, and `parts` of the day with their first hours
    part = next((one["said"] for one in reversed(forms.get("parts", ())) if hour >= one["from"]), "")
    said: str = forms["time" if minute else "full_hour"].format(hour=hours[hour % len(hours)], minute=minute, part=part)
    return said
