"""Codes, and numbers that name something, in English: "code 00123", "AB-1234", "room 204", "version 3.11"."""

import re

from outdial.speech.reading.en.internet import spell
from outdial.speech.reading.en.numbers import cardinal, digits, grouped, in_pairs
from outdial.speech.reading.en.words import CODES, NUMBERED, PLACES, either
from outdial.speech.reading.rule import Rule, rule

_WORD_AFTER = r"(?: (?:number|no\.?|code|id|numbers))?(?: (?:is|are|was|of yours is|will be))?"
_VERSIONS = "version|release|python|java|php|node|ios|android|macos|windows|firmware|section|clause|article"
_AFTER = {"A": ", ", "I": "-"}  # so that a letter isn't taken for the word; chosen by ear
_TOKEN = re.compile(r"[A-Za-z]+|\d+")
_LONG = 3  # digits from which a number with a name is read one by one


def _named(found: re.Match[str]) -> str:
    return f"{_before(found)}{code(found['code'])}"


def _numbered(found: re.Match[str]) -> str:
    written = found["code"]
    short = written.isdecimal() and len(written) < _LONG and written[0] != "0"
    return f"{_before(found)}{cardinal(written) if short else code(written)}"


def _before(found: re.Match[str]) -> str:
    before = re.sub(r"\s?\bno\.?\s?#?\s?$|\s?#\s?$", " number ", found["before"])
    return before.replace("number number", "number")


def code(written: str) -> str:
    """Letters and digits one by one, in the groups that are written: "AB-1234" → "A, B, one two three four"."""
    said = []
    for part in _TOKEN.findall(written):
        if part.isdecimal():
            said.append(grouped(part))
        else:
            said.append(", ".join(part.upper()))
    return ", ".join(said)


def _mixed(found: re.Match[str]) -> str:
    """Letters and digits in one word. A word of letters before a dash stays one: "COVID-19"."""
    written = found[0]
    if short := re.fullmatch(r"([A-Za-z])-?(\d{1,3})", written):
        letter = short[1].upper()
        return f"{letter}{_AFTER.get(letter, ' ')}{in_pairs(short[2])}"
    if short := re.fullmatch(r"(\d{1,4})-?([A-Za-z])", written):
        return f"{in_pairs(short[1])}-{short[2].upper()}"
    if written.isdecimal() or written.isalpha():
        return written
    if letters := re.fullmatch(r"([A-Z]{2})-?(\d{1,2})", written):
        return f"{spell(letters[1])} {cardinal(letters[2])}"
    if word := re.fullmatch(r"([A-Z]{3,}|[A-Za-z]*[a-z][A-Za-z]*)-?(\d{1,2})", written):
        return f"{word[1]} {cardinal(word[2])}"
    if word := re.fullmatch(r"(\d{1,2})-([A-Za-z]*[a-z][A-Za-z]+)", written):
        return f"{cardinal(word[1])} {word[2]}"
    if re.search(r"[a-z]{3,}", written):  # a name of a product: its words stay words
        parts = _TOKEN.findall(written)
        return " ".join(in_pairs(part) if part.isdecimal() else part for part in parts)
    return code(written)


def _flight(found: re.Match[str]) -> str:
    return f"{found['before']}{found['airline'] or ''} {in_pairs(found['number'])}"


def _place(found: re.Match[str]) -> str:
    letter = f"-{found['letter'].upper()}" if found["letter"] else ""
    return f"{found['before'].replace('#', '')}{in_pairs(found['number'])}{letter}"


def _version(found: re.Match[str]) -> str:
    before = found["before"]
    spoken = "version " if before.lower() == "v" else before
    return spoken + " point ".join(cardinal(part) for part in found["number"].split("."))


def _groups(found: re.Match[str]) -> str:
    return ", ".join(digits(group) for group in re.findall(r"\d+", found[0]))


def _lettered(found: re.Match[str]) -> str:
    return f"{in_pairs(found[1])} {found[2].upper()}"


_CODE = (
    r"(?P<code>\d{2,4}(?: \d{2,4}){2,}|\d{3} \d{3}|\d{4} \d{4}"
    r"|[A-Z\d]*\d[A-Z\d]*(?:-[A-Z\d]+)*|[A-Z]+(?:-[A-Z]*\d[A-Z\d]*)+)"
    r"(?![\w,]*\d|[a-z:/%]|\.\d)"
)
_THEN = r"(?:\s*[:#]|\s#|,)?\s*#?"

CODE_RULES: tuple[Rule, ...] = (
    rule(r"(?<![\w.-])24/7(?:/365)?\b", "twenty-four seven", sign="/"),
    rule(r"\b(\d{3})\(([a-z])\)", _lettered, sign="("),
    rule(r"\b7-(?:Eleven|ELEVEN|11)\b", "Seven Eleven", sign="-"),
    rule(
        r"(?<![\w.,$/-])(?:\d{3}-\d{2}-\d{4}|\d{2}-\d{7}|\d{5}-\d{4}|\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{4}"
        r"|\d+(?:-\d+){2,}|0\d+(?:[ -]\d+)+)(?!\w|[-/]\d|[.,]\d)",
        _groups,
    ),
    rule(rf"\b(?P<before>(?i:{either(CODES)}){_WORD_AFTER}{_THEN} ?)(?<=[ :#]){_CODE}", _named),
    rule(rf"\b(?P<before>(?i:{either(NUMBERED)}){_WORD_AFTER}{_THEN} ?)(?<=[ :#]){_CODE}", _numbered),
    rule(
        r"\b(?P<before>(?i:flight) (?:number )?)(?P<airline>[A-Z]{1,3}|[A-Z]\d)? ?(?P<number>\d{1,4})\b(?!\.\d)",
        _flight,
    ),
    rule(
        rf"\b(?P<before>(?i:{either(PLACES)})s? (?:number |no\. ?|#)?)(?P<number>\d{{1,5}})(?P<letter>[A-Za-z])?"
        r"(?!\w|[-,.:/]\d|%)",
        _place,
    ),
    rule(rf"\b(?P<before>(?i:{_VERSIONS}) |v)(?P<number>\d+(?:\.\d+)*)(?!\w|[-,:/]\d)", _version),
    rule(r"(?<![\w.,$-])(?P<before>)(?P<number>\d+(?:\.\d+){2,})(?!\w|[-,]\d)", _version),
    rule(
        r"(?<![\w.-])(?=[\w-]*[A-Za-z])(?=[\w-]*\d)(?![\w-]*_)(?!\d{1,4}(?:st|nd|rd|th|s)\b)"
        r"[A-Za-z\d]+(?:-[A-Za-z\d]*\d[A-Za-z\d]*|-[A-Z]+(?![a-z])|-(?=[A-Z\d-]*\d)[A-Z\d-]+)*(?![\w]|-\d)",
        _mixed,
    ),
)

