"""Titles and abbreviations in English: "Dr. Smith", "e.g.", "Acme Inc.", "the U.S. team"."""

import re

from outdial.speech.reading.en.sentence_end import BEGINS, full_stop
from outdial.speech.reading.en.words import ABBREVIATIONS, TITLES, either
from outdial.speech.reading.marks import KEPT
from outdial.speech.reading.rule import Rule, rule

_CAPITAL = rf"[A-Z{KEPT}]"
_NEVER_LAST = ("vs.", "e.g.", "i.e.", "approx.", "incl.", "excl.", "esp.", "tel.", "attn.", "max.", "avg.")
_BEFORE_NAMES = ("jr.", "sr.", "inc.", "corp.", "ltd.", "co.")
_ALWAYS = ("mr", "mrs", "ms", "prof")  # of the titles: no word of these letters is anything else


def _title(found: re.Match[str]) -> str:
    return f"{TITLES[found[1].lower()]} "


def _abbreviation(found: re.Match[str]) -> str:
    written = found[1].lower()
    said = ABBREVIATIONS[written]
    said = said[0].upper() + said[1:] if found[1][0].isupper() else said
    return said if written in _NEVER_LAST else said + full_stop(found, before_names=written in _BEFORE_NAMES)


def _initials(found: re.Match[str]) -> str:
    """As one word, which voices spell: of single letters an A would be taken for the article."""
    return found[0].replace(".", "") + full_stop(found, before_names=True)


# Said letter by letter, though they could be words.
_LETTERS = frozenset({
    "AAA", "AARP", "ABA", "ACLU", "ADA", "AMA", "APA", "API", "APR", "ASPCA", "ATM", "CEO", "CFO", "CIA", "COO", "CPA",
    "CTO", "DEA", "DIY", "EIN", "EKG", "EMT", "EPA", "ETA", "EST", "EOD", "FAQ", "FBI", "FDA", "FHA", "HOA", "HMO",
    "HUD", "HVAC", "ICU", "IOU", "IRA", "IRS", "ISO", "LLC", "MBA", "MRI", "NAACP", "NBA", "NRA", "NSA", "OEM", "PIN",
    "PPO", "PTA", "ROI", "SUV", "UPS", "USA", "USPS", "VIP", "YMCA", "YWCA",
})  # fmt: skip
_SPEAKABLE = re.compile(r"[AEIOUY]")


def _capitals(found: re.Match[str]) -> str:
    """A name as a program keeps it: "JANE DOE". Voices would spell those that they don't know."""
    return " ".join(map(_capitalised, found[0].split(" ")))


def _capitalised(word: str) -> str:
    is_word = len(word) > 2 and word not in _LETTERS and _SPEAKABLE.search(word)
    return word.capitalize() if is_word else word


# "St." before a name is a saint and "Dr." a doctor, whatever street stands before them: see addresses.py.
TITLE_RULES: tuple[Rule, ...] = (
    rule(rf"\b((?i:{either(TITLES)}))\. ?(?={_CAPITAL})(?!{BEGINS})", _title, sign="."),
    rule(rf"\b(Dr|Mr|Mrs|Ms|Prof|St|Mt|Ft) (?={_CAPITAL}[a-z])(?!{BEGINS})", _title, sign=""),
    rule(rf"\b((?i:{'|'.join(_ALWAYS)}))\.(?!\w)\s?", _title, sign="."),
    rule(r"(?<![A-Za-z] )\bDr\.(?=\s[a-z])", "Doctor", sign="."),
    rule(r"(?i)\b(the|a|your|our|my|his|her|another|that|this) dr\.(?!\w)",
         lambda found: f"{found[1]} doctor{full_stop(found)}", sign="."),
)  # fmt: skip

ABBREVIATION_RULES: tuple[Rule, ...] = (
    rule(rf"(?<![\w.])({either(ABBREVIATIONS)})(?!\w)", _abbreviation, sign="", flags=re.IGNORECASE),
    rule(r"\bPh\. ?D\b\.?", "PhD", sign="."),
    rule(r"\b(?:[A-Z]\.){2,}(?!\w)", _initials, sign="."),
)

CAPITAL_RULES: tuple[Rule, ...] = (
    rule(r"(?<![\w.'-])(?:[A-Z]{3,}(?: [A-Z]\.?)?(?: [A-Z]{3,})+|[A-Z]{5,})(?![\w'-])", _capitals, sign=""),
)
