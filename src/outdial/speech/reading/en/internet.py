"""E-mail and web addresses in English: "jane.doe@example.com" → "jane dot doe at example dot com"."""

import re

from outdial.speech.reading.en.numbers import digits, in_pairs
from outdial.speech.reading.en.words import DOMAINS, SPELLED_DOMAINS, either
from outdial.speech.reading.rule import Rule, rule

_SIGNS = {".": "dot", "-": "dash", "_": "underscore", "/": "slash", "@": "at", "+": "plus", "?": "question mark",
          "=": "equals", "&": "and", "#": "hash", "%": "percent", ":": "colon", "~": "tilde"}  # fmt: skip
_PART = re.compile(r"[A-Za-z]+|\d+|[^A-Za-z\d]")
_VOWEL = re.compile(r"[aeiouy]", re.IGNORECASE)
# A letter before a name, as in "jdoe": no English word begins with these two consonants.
_INITIAL = re.compile(
    r"(?!bl|br|ch|cl|cr|dr|dw|fl|fr|gh|gl|gn|gr|kn|kr|ng|ph|pl|pr|ps|rh|sc|sh|sk|sl|sm|sn|sp|sq|st|sw|th|tr|tw|wh|wr)"
    r"[bcdfghjklmnpqrstvwxz]{2}[a-z]",
    re.IGNORECASE,
)
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_PATH = r"(?:/(?:[\w.~%?=&#/+:-]*[\w/=])?)?"


def _address(written: str) -> str:
    parts = _PART.findall(written)
    said = [_part(part, number and parts[number - 1]) for number, part in enumerate(parts)]
    return " ".join(word for word in said if word)


def _part(part: str, before: str | int) -> str:
    if part.isdecimal():
        return in_pairs(part) if len(part) == 2 and part[0] != "0" else digits(part)
    if part in _SIGNS:
        return _SIGNS[part]
    if not part.isascii() or not part.isalpha():
        return part
    if part in "aA":
        return "A,"  # or it would be the article
    if len(part) > 3 and _INITIAL.match(part):
        return f"{part[0].upper()} {part[1:].lower()}"
    spelled = len(part) == 1 or (before == "." and part.lower() in SPELLED_DOMAINS)
    if part.lower() == "gmail":
        return "G mail"
    return spell(part) if spelled or not _VOWEL.search(part) else part.lower()


def spell(letters: str) -> str:
    """Letters, one by one, so that an A isn't taken for the article."""
    return ", ".join(letters.upper()) if "A" in letters.upper() else " ".join(letters.upper())


def _email(found: re.Match[str]) -> str:
    return _address(found[0].removeprefix("mailto:"))


def _web(found: re.Match[str]) -> str:
    written = re.sub(r"^(?:https?://)?(?:www\.)?", "", found[0], flags=re.IGNORECASE)
    return _address(written.rstrip("/"))


def _octets(found: re.Match[str]) -> str:
    return " dot ".join(in_pairs(part) for part in found[0].split("."))


INTERNET_RULES: tuple[Rule, ...] = (
    rule(rf"(?<![\w.])(?:mailto:)?[\w.+-]*\w@(?:{_NAME}\.)+[A-Za-z]{{2,}}", _email, sign="@"),
    rule(rf"(?i)\bhttps?://(?:{_NAME}\.)*{_NAME}(?::\d+)?{_PATH}", _web, sign=":"),
    rule(rf"(?i)(?<![\w@.])(?:www\.(?:{_NAME}\.)+[a-z]{{2,}}){_PATH}", _web, sign="."),
    rule(rf"(?<![\w@.])(?:{_NAME}\.)+(?:{either(DOMAINS)})\b(?![\w@]|\.\w){_PATH}", _web, sign="."),
    rule(rf"(?i)(?<![\w@./-])(?:{_NAME}\.)+[a-z]{{2,}}/[\w.~%?=&#/+:-]*[\w/=]", _web, sign="/"),
    rule(r"(?<![\w.])(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}(?![\w]|\.\d)", _octets),
    rule(r"(?<!\w)@([A-Za-z_]\w*)", lambda found: f"at {_address(found[1])}", sign="@"),
)
