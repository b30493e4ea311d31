"""Phone numbers as E.164 text: `+`, 8 to 15 digits, no leading zero. Nothing about numbering plans.

Whether such a number exists is for the carrier to say: plans change faster than any copy of them.
"""

import re

MAX_CHARS = 16
_E164 = re.compile(r"\+[1-9][0-9]{7,14}")
# How people group digits, what address books hide around them, and the apostrophe that spreadsheets want.
_BETWEEN = re.compile(r"[\s().\-/'\u2010-\u2015\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")


def parse_e164(text: str) -> str:
    """`text` unchanged when it is a number; raises ValueError with a reason that doesn't repeat it."""
    if _E164.fullmatch(text):
        return text
    raise ValueError(f"must be an E.164 number such as +15551234567: {_fault(text)}")


def normal_e164(text: str) -> str:
    """The number that people wrote as they do (`+1 (202) 555-0115`, `0044 20…`); raises ValueError as `parse_e164`.

    For lists that come from elsewhere. A country is never guessed: without one it is no number.
    """
    digits = _BETWEEN.sub("", text.replace("(0)", ""))
    return parse_e164(f"+{digits[2:]}" if digits.startswith("00") else digits)


def number_hint(number: str) -> str:
    """Enough to recognise a number by, where it must not stand itself: `+120…15`."""
    return f"{number[:4]}…{number[-2:]}"


def _fault(text: str) -> str:
    if not text.startswith("+"):
        return "it has to start with + and the country code"
    digits = text[1:]
    if not (digits.isascii() and digits.isdigit()):
        return "only digits may follow the +, without spaces or punctuation"
    if digits.startswith("0"):
        return "no country code starts with 0"
    return f"8 to 15 digits are needed, this has {len(digits)}"
