"""Street addresses in English: "12 Oak Ave", "Apt 4B", "St. Louis, MO 63101"."""

import re

from outdial.speech.reading.en.numbers import digits, in_pairs
from outdial.speech.reading.en.sentence_end import BEGINS, full_stop
from outdial.speech.reading.en.words import DIRECTIONS, ROOMS, STATES, STREETS, either
from outdial.speech.reading.marks import KEPT
from outdial.speech.reading.rule import Rule, rule

_CAPITAL = rf"[A-Z{KEPT}]"
# Some are words as well, and name a state only before a zip code.
_PLAIN_STATES = either(STATES.keys() - {"OK", "IN", "ME", "OR", "HI", "ID"})
_SHORT = rf"(?P<street>(?i:{either(STREETS)}))\b\.?"
_LONG = f"{either(STREETS.values())}|Way|Broadway"
_NAME = rf"(?:{_CAPITAL}[\w']*|\d+(?:st|nd|rd|th)|of|the|de|la|del)"
_WAY = rf"(?P<way>(?:(?i:{either(DIRECTIONS)})\b\.?|North|South|East|West) )?"
_SPOKEN_ORDINAL = r"\b(?:\w+-)?(?:first|second|third|\w+th)"


def _house(found: re.Match[str]) -> str:
    way = found["way"] or ""
    if way:
        way = f"{DIRECTIONS.get(way.strip(' .').lower(), way.strip())} "
    letter = f"-{found['letter'].upper()}" if found["letter"] else ""
    number = in_pairs(found["number"])
    if found["last"]:
        number += f" to {in_pairs(found['last'])}"
    street = STREETS.get(found["street"].lower().rstrip("."), found["street"])
    return f"{number}{letter} {way}{found['name']} {street}{full_stop(found)}"


def _street(found: re.Match[str]) -> str:
    return f"{found['name']} {STREETS[found['street'].lower()]}{full_stop(found)}"


def _way_after(found: re.Match[str]) -> str:
    return f"{found[1]} {DIRECTIONS[found[2].lower()]}{full_stop(found)}"


def _room(found: re.Match[str]) -> str:
    """Where the number has letters it is left to what reads codes."""
    number = found["number"]
    return f"{ROOMS[found['room'].lower()]} {in_pairs(number) if number.isdecimal() else number}"


def _state(found: re.Match[str]) -> str:
    said = f"{found['before']}{STATES[found['state']]}"
    if found["zip"]:
        said += f" {digits(found['zip'])}"
    return f"{said}, {digits(found['four'])}" if found["four"] else said


ADDRESS_RULES: tuple[Rule, ...] = (
    rule(
        rf"(?<![\w.,$#:/-])(?P<number>\d{{1,5}})(?:-(?P<last>\d{{1,5}}))?(?P<letter>[A-Za-z])? {_WAY}"
        rf"(?P<name>{_NAME}(?: {_NAME}){{0,3}}?) (?P<street>(?i:{either(STREETS)})\b\.?|(?:{_LONG})\b)",
        _house,
    ),
    rule(
        rf"(?P<name>(?<!\w){_CAPITAL}[\w']+|\d(?:st|nd|rd|th)) (?P<street>St|Dr|Ct|Pl)\b\.(?=\s+{BEGINS})",
        _street,
        sign=".",
    ),
)

STREET_RULES: tuple[Rule, ...] = (
    rule(
        rf"(?P<name>(?<!\w)(?![AP]M\b){_CAPITAL}[\w']+(?: [JS]r\.)?|\d(?:st|nd|rd|th)|{_SPOKEN_ORDINAL}) {_SHORT}",
        _street,
        sign="",
    ),
    rule(r"(?<=\d(?:st|nd|rd|th)) [Ff]l\b\.?", " floor"),
    rule(rf"\b({_LONG}),? (NE|NW|SE|SW|[NSEW])\b\.?", _way_after, sign="NSEW"),
    rule(
        rf"(?P<before>[A-Za-z.],? )(?P<state>{either(STATES)})\b\.?(?:,? (?P<zip>\d{{5}})(?:-(?P<four>\d{{4}}))?\b)",
        _state,
    ),
    rule(rf"(?P<before>[A-Z][a-z]+, )(?P<state>{_PLAIN_STATES})(?P<zip>)(?P<four>)(?=[.,;!?)]|$)", _state, sign=","),
    rule(
        rf"(?<!\w)(?P<room>(?i:{either(ROOMS.keys() - {'fl'})})|[Ff]l)\b\.? ?#?"
        r"(?P<number>\d+|[A-Z]?-?\d+-?[A-Z]?|[A-Z])\b",
        _room,
        sign="",
    ),
)
