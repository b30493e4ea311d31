"""Times of day in English: "14:30" → "two thirty PM"."""

import re

from outdial.speech.reading.en.numbers import cardinal, pair
from outdial.speech.reading.en.sentence_end import full_stop
from outdial.speech.reading.rule import Rule, rule

_HALF = r"(?P<half>[AaPp]\.\s?[Mm]\b\.?|[AaPp]\s?[Mm]\b)"
_GOES_ON = re.compile(
    r"\s+(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun|Janu|Febr|March|April|May|June|July|Eastern|Central|Pacific|Mountain)"
)
_ZONE = r"(?P<zone> (?:[ECMP][SD]?T|UTC|GMT|BST|CET|CEST)\b)?"


def clock(hour: str, minute: str, *, half: bool = False, said_half: str = "") -> str:
    """`half`: whether the hours are those of a day of 24; `said_half` is AM or PM where it is written."""
    number = int(hour)
    half = half or number > 12 or (number == 0)
    said = said_half or (("AM" if number < 12 else "PM") if half else "")
    hours = cardinal(str(number % 12 or 12))
    if minute != "00":
        hours += f" {pair(minute)}"
    elif not said:
        hours += " o'clock"
    return f"{hours} {said}" if said else hours


def _half(found: re.Match[str]) -> str:
    return f"{found['half'][0].upper()}M" if found["half"] else ""


def _stop(found: re.Match[str]) -> str:
    """The full stop of "9 a.m." ends the sentence, too, but not before a day or a zone."""
    return "" if _GOES_ON.match(found.string, found.end()) else full_stop(found)


def _zone(found: re.Match[str]) -> str:
    return found["zone"] or ""


def _time(found: re.Match[str]) -> str:
    said = clock(found["hour"], found["minute"] or "00", said_half=_half(found))
    return f"{said}{_zone(found)}{_stop(found)}"


def _range(found: re.Match[str]) -> str:
    first, last = found["hour"], found["last"]
    late = _half(found)
    early = f"{found['early'][0].upper()}M" if found["early"] else ""
    day = int(first) > 12 or int(last) > 12 or "0" in (first[0], last[0])
    begins = clock(first, found["minute"] or "00", half=day and not early and not late, said_half=early)
    ends = clock(last, found["last_minute"] or "00", half=day and not late, said_half=late)
    if not (early or day):
        begins = begins.removesuffix(" o'clock")
    if not (late or day):
        ends = ends.removesuffix(" o'clock")
    return f"{begins} to {ends}{_zone(found)}{_stop(found)}"


_HOUR = r"(?P<hour>[01]?\d|2[0-3])"
_MINUTE = r"(?P<minute>[0-5]\d)"

CLOCK_RULES: tuple[Rule, ...] = (
    rule(r"(?i)\b(between \$?[\d:.,]+(?:\s?[ap]\.?m\.?)?)\s?-\s?(?=[\d$])", r"\1 and ", sign="-"),
    rule(r"(?i)\b(noon|midnight)\s?-\s?(?=\d)", r"\1 to ", sign="-"),
    rule(r"(?i)(?<=[m\d.])\s?-\s?(noon|midnight)\b", r" to \1", sign="-"),
    rule(r"(?i)\b(score|ratio|odds)((?: \w+)? \d+):(?=\d)", r"\1\2 to ", sign=":"),
    rule(r"(?<![\w:.,$-])24:00(?![:\d])", "midnight"),
    rule(
        rf"(?<![\w:.,$-]){_HOUR}(?::{_MINUTE})?\s?(?P<early>[AaPp]\.?[Mm]\.?)?\s?(?:-|\bto\b)\s?"
        rf"(?P<last>[01]?\d|2[0-3])(?::(?P<last_minute>[0-5]\d))?\s?{_HALF}{_ZONE}",
        _range,
    ),
    rule(
        rf"(?<![\w:.,$-]){_HOUR}:{_MINUTE}(?P<early>)\s?(?:-|\bto\b)\s?"
        rf"(?P<last>[01]?\d|2[0-3])(?::(?P<last_minute>[0-5]\d))?(?P<half>)(?![\w:]|\.\d){_ZONE}",
        _range,
    ),
    rule(rf"(?<![\w:.,$-]){_HOUR}:{_MINUTE}(?::[0-5]\d)?(?!:?\d)(?:\s?{_HALF})?{_ZONE}", _time),
    rule(rf"(?<![\w:.,$-])(?P<hour>1[0-2]|0?[1-9])(?P<minute>)\s?{_HALF}{_ZONE}", _time),
    rule(r"\b([AaPp])\.\s?[Mm]\.(?!\w)", lambda found: f"{found[1].upper()}M{full_stop(found)}", sign="."),
)
