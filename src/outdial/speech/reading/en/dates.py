"""Dates in English: "2026-03-03" → "March third, twenty twenty-six"."""

import re

from outdial.speech.reading.en.clock import clock
from outdial.speech.reading.en.numbers import cardinal, ordinal, year
from outdial.speech.reading.en.words import MONTH_OF, MONTHS, WEEKDAY_OF, either
from outdial.speech.reading.rule import Rule, rule

MONTH_FIRST = frozenset({"US", "CA", "PH", "PR"})  # countries that write 3/14/2026

_MONTH = rf"(?P<month>{either(MONTHS)}|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?)"
_DAY = r"(?P<day>[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:1[5-9]|2[01])\d\d)"
_WEEKDAYS = "Mon|Tues?|Wed|Thurs?|Thu|Fri|Sat|Sun"
_DOT = r"(?:\.(?=\s[a-z\d]|[,;:]))?"  # of an abbreviation, and of no sentence
_BEFORE_DAY = "on|next|this|last|every|each|by|until|till|since|and|or|from|before|after"
_ANY_MONTH = rf"(?:{either(MONTHS)}|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b)"


def date_rules(country: str) -> tuple[Rule, ...]:
    """For whoever writes as people of `country` do; where days and months can't be told apart, that decides."""
    month_first = country in MONTH_FIRST

    def slashed(found: re.Match[str]) -> str:
        first, second = int(found["first"]), int(found["second"])
        month, day = (first, second) if month_first else (second, first)
        if month > 12:
            month, day = day, month
        if not (1 <= month <= 12 and 1 <= day <= 31):
            return found[0]
        return _date(month, day, found["year"] or "", found["before"] or "")

    return (
        rule(rf"\b({_WEEKDAYS})\b\.?(?=,? (?:{_ANY_MONTH}|\d{{1,2}}[/ :]|\d{{1,2}}(?:st|nd|rd|th)))", _weekday),
        rule(rf"\b({_WEEKDAYS})\b\.? ?(-|to|through|thru|&) ?({_WEEKDAYS})\b{_DOT}", _weekdays, sign=""),
        rule(r"\bM-F\b", "Monday to Friday", sign="M"),
        rule(rf"(?<![\w.])(Tues?|Wed|Thurs?|Thu|Fri)\b{_DOT}(?![-'])", _weekday, sign="TWF"),
        rule(rf"(?i:\b(?P<before>{_BEFORE_DAY})) (?P<day>Mon|Sat|Sun)\b{_DOT}", _day_of_week, sign="MS"),
        rule(
            r"(?<![\w/.-])(?P<year>\d{4})(?P<sign>[-/])(?P<month>0[1-9]|1[0-2])(?P=sign)(?P<day>0[1-9]|[12]\d|3[01])"
            r"(?:(?:T| )(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d)(?::[0-5]\d(?:\.\d+)?)?(?P<zone>Z|[+-]\d\d:?\d\d)?)?"
            r"(?![\w/]|-\d)",
            _iso,
        ),
        rule(
            r"(?<![\w/.-])(?P<before>)(?P<first>\d{1,2})(?P<sign>[/.-])(?P<second>\d{1,2})(?P=sign)"
            r"(?P<year>(?:19|20)\d\d|(?<=/)\d\d)(?![\w/]|[.-]\d)",
            slashed,
        ),
        rule(
            r"\b(?P<before>(?i:on|by|before|after|until|till|since|from|due|for|date:?)(?: the)?,? "
            r"|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day,? )"
            r"(?P<first>\d{1,2})/(?P<second>\d{1,2})(?P<year>)(?![\w/-]|\.\d)",
            slashed,
        ),
        rule(
            rf"\b{_MONTH} {_DAY} ?(?:-|to|through) ?(?P<last>[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?(?![\w:])"
            rf"(?:,? {_YEAR}\b)?",
            _days,
        ),
        rule(rf"\b{_MONTH},? {_DAY}(?![\w:%]|[.,]\d)(?:,? {_YEAR}\b)?", _named),
        rule(rf"\b(?P<the>[Tt]he )?{_DAY}(?: of)? {_MONTH}(?:,? {_YEAR}\b)?", _day_first),
        rule(rf"\b{_MONTH},? {_YEAR}\b", lambda found: f"{_month(found)} {year(found['year'])}"),
        rule(r"(?<![\w.-])(1[5-9]\d0|20[1-9]0|'?[2-9]0)s\b", _decade),
        rule(r"(?<![\w.,-])((?:19|20)\d\d) ?- ?((?:19|20)\d\d)(?![\w-]|[.,]\d)", _years),
    )


def _date(month: int, day: int, written_year: str, before: str = "") -> str:
    said = f"{before}{MONTHS[month - 1]} {ordinal(str(day))}"
    if len(written_year) == 2:
        written_year = ("20" if int(written_year) < 70 else "19") + written_year
    return f"{said}, {year(written_year)}" if written_year else said


def _iso(found: re.Match[str]) -> str:
    said = _date(int(found["month"]), int(found["day"]), found["year"])
    if found["hour"] is None:
        return said
    zone = " UTC" if found["zone"] == "Z" else ""
    return f"{said}, at {clock(found['hour'], found['minute'], half=True)}{zone}"


def _named(found: re.Match[str]) -> str:
    said = f"{_month(found)} {ordinal(str(int(found['day'])))}"
    return f"{said}, {year(found['year'])}" if found["year"] else said


def _days(found: re.Match[str]) -> str:
    return f"{_named(found).partition(',')[0]} to {ordinal(str(int(found['last'])))}" + (
        f", {year(found['year'])}" if found["year"] else ""
    )


def _day_first(found: re.Match[str]) -> str:
    the = found["the"] or "the "
    said = f"{the}{ordinal(str(int(found['day'])))} of {_month(found)}"
    return f"{said}, {year(found['year'])}" if found["year"] else said


def _month(found: re.Match[str]) -> str:
    return MONTH_OF[found["month"][:3].lower()]


def _weekday(found: re.Match[str]) -> str:
    return WEEKDAY_OF[found[1][:3].lower()]


def _day_of_week(found: re.Match[str]) -> str:
    return f"{found['before']} {WEEKDAY_OF[found['day'].lower()]}"


def _weekdays(found: re.Match[str]) -> str:
    between = "and" if found[2] == "&" else "through" if found[2].startswith("thr") else "to"
    return f"{WEEKDAY_OF[found[1][:3].lower()]} {between} {WEEKDAY_OF[found[3][:3].lower()]}"


def _decade(found: re.Match[str]) -> str:
    written = found[1].lstrip("'")
    tens = cardinal(written[-2:]) if written[-2:] != "00" else "hundred"
    said = f"{tens[:-1]}ies" if tens.endswith("y") else f"{tens}s"
    return said if len(written) == 2 else f"{cardinal(written[:2])} {said}"


def _years(found: re.Match[str]) -> str:
    return f"{year(found[1])} to {year(found[2])}"
