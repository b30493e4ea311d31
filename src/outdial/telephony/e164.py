"""Phone numbers as E.164 text: `+`, 8 to 15 digits, no leading zero. Nothing about numbering plans.

Whether such a number exists is for the carrier to say: plans change faster than any copy of them.
"""

import re

_E164 = re.compile(r"\+[1-9][0-9]{7,14}")


def parse_e164(text: str) -> str:
    """`text` unchanged when it is a number; raises ValueError with a reason that doesn't repeat it."""
    if _E164.fullmatch(text):
        return text
    raise ValueError(f"must be an E.164 number such as +15551234567: {_fault(text)}")


def _fault(text: str) -> str:
    if not text.startswith("+"):
        return "it has to start with + and the country code"
    digits = text[1:]
    if not (digits.isascii() and digits.isdigit()):
        return "only digits may follow the +, without spaces or punctuation"
    if digits.startswith("0"):
        return "no country code starts with 0"
    return f"8 to 15 digits are needed, this has {len(digits)}"
