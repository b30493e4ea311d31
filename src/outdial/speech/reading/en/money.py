"""Money, percentages and measures in English: "$12.50", "5%", "10 km"."""

import re

from outdial.speech.reading.en.numbers import cardinal, decimal
from outdial.speech.reading.en.sentence_end import full_stop
from outdial.speech.reading.en.words import CURRENCIES, SCALES, UNITS, either
from outdial.speech.reading.rule import Rule, rule

_NUMBER = r"(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)"
_MINUS = r"(?P<minus>(?<![\w)])-)?"
_SCALE = r"(?:\s?(?P<scale>(?i:thousand|million|billion|trillion)\b|(?:[kKmMbBtT]|[Mm]{2}|[Mm]n|[Bb]n)(?![\w])))?"
_SIGN = rf"(?P<sign>{either(sign for sign in CURRENCIES if not sign.isalpha())})"
_CODE = rf"(?P<code>{either(code for code in CURRENCIES if code.isalpha())})"
# What an amount is for: "$20/month".
_PERS = {"hr": "hour", "wk": "week", "mo": "month", "yr": "year"}
_WHAT_FOR = ("hour", "day", "week", "month", "year", "night", "person", "user", "seat", "each", "visit", *_PERS)
_PER = rf"(?P<per>\s?/\s?(?:{either(_WHAT_FOR)})\b(?:\.(?=\s[a-z]))?)?"


def amount(written: str, names: tuple[str, str, str, str], scale: str | None = None) -> str:
    """ "12.50" of dollars → "twelve dollars and fifty cents"; "1.5" with a scale → "one point five million dollars"."""
    one, several, cent, cents = names
    whole, _, part = written.replace(",", "").partition(".")
    whole = whole or "0"
    if scale:
        said = decimal(f"{int(whole)}.{part}" if part.strip("0") else whole)
        return f"{said} {SCALES.get(scale.lower(), scale.lower())} {several}"
    if len(part) > 2 or (part.strip("0") and not cents):
        return f"{decimal(written.replace(',', ''))} {several}"
    hundredths = int(part.ljust(2, "0")) if part else 0
    small = f"{cardinal(str(hundredths))} {cent if hundredths == 1 else cents}"
    if hundredths and not int(whole):
        return small
    said = f"{cardinal(str(int(whole)))} {one if int(whole) == 1 else several}"
    return f"{said} and {small}" if hundredths else said


def _money(found: re.Match[str]) -> str:
    groups = found.groupdict()
    names = CURRENCIES[groups.get("sign") or groups["code"]]
    written = _plain(found["number"])
    minus = "minus " if groups.get("minus") else ""
    per = groups.get("per")
    unit = "" if not per else per.strip(" /.")
    rate = "" if not unit else " each" if unit == "each" else f" per {_PERS.get(unit, unit)}"
    return f"{minus}{amount(written, names, groups.get('scale'))}{rate}"


def _plain(written: str) -> str:
    """In the spelling of English: "12,50" has hundredths."""
    return re.sub(r"^(\d+),(\d\d)$", r"\1.\2", written)


def _span(found: re.Match[str]) -> str:
    """ "$5-10": the sign stands for both."""
    names = CURRENCIES[found["sign"]]
    last = amount(found["last"], names, found["scale"])
    same = not found["scale"] and "." not in found["first"]
    first = cardinal(found["first"]) if same else decimal(found["first"].replace(",", ""))
    return f"{first} to {last}"


def _percent(found: re.Match[str]) -> str:
    minus = "minus " if found["minus"] else ""
    first = f"{decimal(found['first'])} to " if found["first"] else ""
    return f"{minus}{first}{decimal(found['number'])} percent"


def _measure(found: re.Match[str]) -> str:
    one, several = UNITS[found["unit"]]  # with its dot, where that is part of it
    minus = "minus " if found["minus"] else ""
    first = f"{decimal(found['first'])} to " if found["first"] else ""
    alone = found["number"] == "1" and not found["first"]
    word = one if alone or _OF_A_THING.match(found.string, found.end()) else several
    per = f" per {UNITS[found['per'][1:]][0]}" if found["per"] else ""
    return f"{minus}{first}{decimal(found['number'])} {word}{per}{full_stop(found)}"


def _degrees(found: re.Match[str]) -> str:
    minus = "minus " if found["minus"] else ""
    scale = {"C": " Celsius", "F": " Fahrenheit"}.get(found["scale"] or "", "")
    first = f"{decimal(found['first'])} to " if found["first"] else ""
    degrees = "degree" if found["number"] == "1" and not found["first"] else "degrees"
    return f"{minus}{first}{decimal(found['number'])} {degrees}{scale}"


def _height(found: re.Match[str]) -> str:
    inches = f" {cardinal(found['inches'])}" if found["inches"] else ""
    return f"{cardinal(found['feet'])} foot{inches}"


def _cents(found: re.Match[str]) -> str:
    return amount(f"0.{found['number']:0>2}", CURRENCIES["$"])


_LONG_UNIT = either(unit for unit in UNITS if len(unit) > 1)
# "500 mg tablets": what is measured follows, and there is one unit.
_OF_A_THING = re.compile(
    r" (?:tablet|pill|capsule|dose|bottle|bag|box|plan|drive|walk|window|wait|visit|session|meeting|call|appointment)"
    r"s?\b"
)
_SIGNS = "$€£¥₹₩"
_AMOUNT = rf"\d+,\d\d(?!\d|,\d)|{_NUMBER}"  # "12,50" as Europeans write it
_FIRST = rf"(?:(?P<first>{_NUMBER})\s?(?:-|\bto\b)\s?)?"

MONEY_RULES: tuple[Rule, ...] = (
    rule(r"(?<=\d)\s?x\s?(?=\d)", " by ", sign="x"),
    rule(r"(?<![\w.])(\d+)in\b(?!-)", lambda found: f"{cardinal(found[1])} {'inch' if found[1] == '1' else 'inches'}"),
    rule(
        r"(?<![\w.])(\d+(?:\.\d+)?)x(?!\w)(?:\s?/\s?(hour|day|week|month|year)\b)?",
        lambda found: f"{decimal(found[1])} times" + (f" per {found[2]}" if found[2] else ""),
        sign="x",
    ),
    rule(r"(?<=mg|cg|mL|ml)\s?/\s?(?=\d)", " per ", sign="/"),
    rule(r"(?<=\d)/(?=\$)", " for ", sign="/"),
    rule(
        rf"{_SIGN}\s?(?P<first>{_NUMBER})\s?-\s?(?:{_SIGN.replace('sign', 'again')})?(?P<last>{_NUMBER}){_SCALE}(?!\w)",
        _span,
        sign=_SIGNS,
    ),
    rule(
        rf"{_MINUS}{_SIGN}\s?(?P<number>{_AMOUNT}){_SCALE}(?: (?:USD|CAD|AUD|EUR|GBP)\b)?{_PER}",
        _money,
        sign=_SIGNS,
    ),
    rule(rf"(?<![\w.,]){_MINUS}(?P<number>{_AMOUNT})\s?(?P<sign>[€£¥₹₩]){_PER}", _money, sign="€£¥₹₩"),
    rule(rf"(?<![\w.,]){_MINUS}(?P<number>{_NUMBER}){_SCALE}\s?{_CODE}\b{_PER}", _money),
    rule(rf"\b{_CODE}\s?(?P<number>{_NUMBER}){_SCALE}(?!\w){_PER}", _money),
    rule(r"(?<![\w.,])(?P<number>\d{1,2})\s?¢", _cents, sign="¢"),
    rule(
        rf"(?<![\w.,]){_MINUS}(?:(?P<first>{_NUMBER})%?\s?(?:-|\bto\b)\s?)?(?P<number>{_NUMBER})\s?%",
        _percent,
        sign="%",
    ),
    rule(rf"(?<![\w.,]){_MINUS}{_FIRST}(?P<number>{_NUMBER})\s?°\s?(?P<scale>[CF]\b)?", _degrees, sign="°"),
    rule(r"(?<![\w.,'])(?P<feet>[3-8])'\s?(?P<inches>\d|1[01])?(?:\"|''|(?=[\s,.;]|$))", _height, sign="'"),
    rule(
        rf"(?<![\w.,$€£/]){_MINUS}{_FIRST}(?P<number>{_NUMBER})\s?-?(?P<unit>{_LONG_UNIT})(?P<per>/(?:{_LONG_UNIT}))?"
        r"(?!\w)\.?",
        _measure,
    ),
    rule(rf"(?<![\w.,$€£/]){_MINUS}{_FIRST}(?P<number>{_NUMBER}) ?(?P<unit>[mghL])(?P<per>)(?![\w'])", _measure),
)
