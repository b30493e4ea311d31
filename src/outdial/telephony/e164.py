"""Phone numbers as E.164 text: `+`, 8 to 15 digits, no leading zero. Nothing about numbering plans.

Whether such a number exists is for the carrier to say: plans change faster than any copy of them.
"""

import re
import unicodedata

MAX_CHARS = 16
_E164 = re.compile(r"\+[1-9][0-9]{7,14}")
# How people group digits, and the apostrophe that spreadsheets want.
_BETWEEN = re.compile(r"[\s().\-/'\u2010-\u2015]")

# What copying from a web page, a chat or a spreadsheet leaves in a number, and nobody sees: soft hyphen, marks and
# embeddings of direction, zero-width characters, byte order mark, no-break spaces. Without them it is the number that
# was seen. Not so U+202E, which shows what follows it backwards: that number was seen as another one.
_INVISIBLE = "\u00ad\u00a0\u061c\u180e\u2007\u200b-\u200f\u202a-\u202d\u202f\u2060-\u206f\ufeff"
_DROPPED = re.compile(f"[{_INVISIBLE}]")
_FULL_WIDTH = {0xFF0B: "+"} | {0xFF10 + digit: str(digit) for digit in range(10)}
_USUAL = "+()-./ "  # in numbers as people write them


def plain(text: str) -> str:
    """Without what nobody sees in it, full-width digits and plus as the usual ones."""
    return text if text.isascii() else _DROPPED.sub("", text).translate(_FULL_WIDTH)


def parse_e164(text: str) -> str:
    """The number that `text` is, `plain`; raises ValueError with a reason that doesn't repeat it."""
    number = plain(text)
    if _E164.fullmatch(number):
        return number
    raise ValueError(f"must be an E.164 number such as +15551234567: {_fault(number)}")


def normal_e164(text: str) -> str:
    """The number that people wrote as they do (`+1 (202) 555-0115`, `0044 20…`); raises ValueError as `parse_e164`.

    For lists that come from elsewhere. A country is never guessed: without one it is no number.
    """
    digits = _BETWEEN.sub("", plain(text).replace("(0)", ""))
    return parse_e164(f"+{digits[2:]}" if digits.startswith("00") else digits)


def number_hint(number: str) -> str:
    """Enough to recognise a number by, where it must not stand itself: `+120…15`."""
    return f"{number[:4]}…{number[-2:]}"


def _fault(text: str) -> str:
    if not text.startswith("+"):
        return _without_plus(text)
    digits = text[1:]
    strange = next((character for character in digits if not _is_digit(character)), None)
    if strange is not None or not digits:
        found = "" if strange is None else f"; this has {_named(strange)}"
        return f"only digits may follow the +, without spaces or punctuation{found}"
    if digits.startswith("0"):
        return "no country code starts with 0"
    return f"8 to 15 digits are needed, this has {len(digits)}"


def _without_plus(text: str) -> str:
    strange = next((character for character in text if not _is_digit(character) and character not in _USUAL), None)
    if strange is not None or text[:1].isspace():
        return f"it has to start with + and the country code; this has {_named(strange or text[0])}"
    if text.startswith("00"):
        return "it has to start with + and the country code, without the 00"
    return (
        "it has to start with + and the country code: (555) 123-4567 in the United States or Canada is written "
        "+15551234567"
    )


def _is_digit(character: str) -> bool:
    return character.isascii() and character.isdigit()


def _named(character: str) -> str:
    """ "U+0020 SPACE"; control characters have no name."""
    return f"U+{ord(character):04X} {unicodedata.name(character, '(a character without a name)')}"
