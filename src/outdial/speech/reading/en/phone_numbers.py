"""Phone numbers in English sentences: "(202) 555-0100" → "two zero two, five five five, zero one zero zero"."""

import re

from outdial.speech.reading.en.numbers import digits, grouped
from outdial.speech.reading.phones import national_groups, say_groups
from outdial.speech.reading.rule import Rule, rule

NORTH_AMERICAN = frozenset({"US", "CA", "PR", "JM", "BS", "BB", "TT"})
_SEPARATOR = r"(?:[ .-])?"
_EXTENSION = r"(?:,?\s*(?:ext(?:ension|n)?\b\.?|x)\s?#?(?P<extension>\d{1,6}))?"
_TOLL_FREE = ("800", "888", "877", "866", "855", "844", "833", "822")


def phone_rules(country: str) -> tuple[Rule, ...]:
    """`country`: whose numbers are written without a country code."""
    plans = _north_american() if country in NORTH_AMERICAN else (_of(country),)
    return (
        *plans,
        rule(
            rf"(?<![\w-])(?:(?P<one>1)[- .])?(?P<area>{'|'.join(_TOLL_FREE)}|[2-9]\d\d(?=-))[- .]"
            r"(?P<words>(?=[A-Z-]{4})[A-Z]{2,7}(?:-[A-Z]{2,7})*|[A-Z]{3,}\d{1,4}|\d{3}-[A-Z]{4})(?!\w)",
            _vanity,
        ),
        rule(r"(?i)\bext(?:ension|n)?\b\.? ?#?(\d{1,6})\b", lambda found: f"extension {digits(found[1])}"),
        rule(r"(?<![\w$.,-])911\b(?![-.,]?\d)", digits("911")),
        rule(
            r"(?i)\b(call|calling|dial|dialing|called) (411|311|211|511|711|988|112|999)\b(?![-.]?\d)",
            lambda found: f"{found[1]} {digits(found[2])}",
        ),
    )


def _north_american() -> tuple[Rule, ...]:
    return (
        rule(
            rf"(?<![\w$€£#.,/-])(?:\+?(?P<one>1){_SEPARATOR})?"
            rf"(?:\((?P<area>[2-9]\d\d)\)\s?|(?P<bare>[2-9]\d\d)(?:{_SEPARATOR}|/))"
            rf"(?P<exchange>[2-9]\d\d){_SEPARATOR}(?P<line>\d{{4}})(?!\w|[-/]\d|[.,]\d){_EXTENSION}",
            _number,
        ),
        rule(r"(?P<before>)(?<![\w$€£#.,/-])([2-9]\d\d)-(\d{4})(?!\w|[-/]\d|[.,]\d)" + _EXTENSION, _local),
        rule(
            r"(?P<before>\b(?i:call|dial|phone|tel|telephone|text)(?:ed|ing)?\b:?(?: us| me)?(?: at)? )"
            r"([2-9]\d\d) (\d{4})(?!\w|[-/]\d|[.,]\d)" + _EXTENSION,
            _local,
        ),
    )


def _number(found: re.Match[str]) -> str:
    one = "one, " if found["one"] else ""
    area = found["area"] or found["bare"]
    said = f"{one}{_area(area)}, {digits(found['exchange'])}, {digits(found['line'])}"
    return said + _extension(found)


def _area(area: str) -> str:
    return f"{digits(area[0])} hundred" if area == "800" else digits(area)


def _vanity(found: re.Match[str]) -> str:
    one = "one, " if found["one"] else ""
    parts = re.findall(r"[A-Z]+|\d+", found["words"])
    words = [digits(part) if part.isdecimal() else part.lower() for part in parts]
    return f"{one}{_area(found['area'])}, {' '.join(words)}"


def _local(found: re.Match[str]) -> str:
    return f"{found[1]}{digits(found[2])}, {digits(found[3])}{_extension(found)}"


def _extension(found: re.Match[str]) -> str:
    return f", extension {digits(found['extension'])}" if found["extension"] else ""


def _of(country: str) -> Rule:
    """Numbers that begin with the 0 that is dialled within a country."""

    def read(found: re.Match[str]) -> str:
        written = "".join(character for character in found["number"] if character.isdecimal())
        groups = national_groups(written, country)
        said = grouped(written) if groups is None else say_groups(groups, digits)
        return said + _extension(found)

    number = r"(?<![\w$€£#.,/-])(?P<number>\(?0\d{1,4}\)?(?:[ -]?\d{2,6}){1,4})(?!\w|[-/]\d|[.,]\d)"
    return rule(number + _EXTENSION, read)
