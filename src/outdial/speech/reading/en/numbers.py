"""Numbers in English words, as Americans say them. They are given as the digits that are written: a code isn't a
quantity, and neither loses its zeros."""

import re

ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = ("", " thousand", " million", " billion", " trillion")
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
_MOST_DIGITS = 15  # of a quantity; what is longer is read digit by digit

# How digits without any grouping of their own are grouped, by how many there are. Others: by threes.
_GROUPS = {1: (1,), 2: (2,), 4: (4,), 5: (5,), 7: (3, 4), 8: (4, 4), 10: (3, 3, 4), 11: (4, 4, 3), 16: (4, 4, 4, 4)}


def digits(written: str) -> str:
    """One by one: "204" → "two zero four". What is no digit is left out."""
    return " ".join(ONES[int(digit)] for digit in written if digit.isdecimal())


def grouped(written: str) -> str:
    """One by one, in groups that can be written down: "48213790" → "four eight two one, three seven nine zero"."""
    lengths = _GROUPS.get(len(written)) or _threes(len(written))
    groups, at = [], 0
    for length in lengths:
        groups.append(digits(written[at : at + length]))
        at += length
    return ", ".join(groups)


def cardinal(written: str) -> str:
    """A quantity: "1,250" → "one thousand two hundred fifty". With zeros before it, or without end, digit by digit."""
    plain = written.replace(",", "")
    if len(plain) > _MOST_DIGITS or (len(plain) > 1 and plain[0] == "0"):
        return grouped(plain)
    number = int(plain)
    if number == 0:
        return "zero"
    places = reversed(range((len(plain) + 2) // 3))
    parts = ((number // 1000**place % 1000, _SCALES[place]) for place in places)
    return " ".join(_below_thousand(part) + scale for part, scale in parts if part)


def ordinal(written: str) -> str:
    """ "21" → "twenty-first"."""
    *front, last = re.split(r"([ -])", cardinal(written))
    last = f"{last[:-1]}ieth" if last.endswith("y") else _ORDINALS.get(last, f"{last}th")
    return "".join((*front, last))


def decimal(written: str) -> str:
    """ "12.50" → "twelve point five zero", "1,200" → as a quantity, "-3" → "minus three"."""
    if written[:1] == "-":
        return f"minus {decimal(written[1:])}"
    whole, point, fraction = written.partition(".")
    said = cardinal(whole) if whole else "zero"
    return f"{said} point {digits(fraction)}" if point and fraction else said


def year(written: str) -> str:
    """Four digits: "1998" → "nineteen ninety-eight", "2005" → "two thousand five"."""
    hundreds, rest = written[:2], int(written[2:])
    if hundreds == "20" and rest < 10:
        return cardinal(written)
    if rest == 0:
        return cardinal(written) if hundreds[1] == "0" else f"{cardinal(hundreds)} hundred"
    return f"{cardinal(hundreds)} {pair(written[2:])}"


def pair(written: str) -> str:
    """Two digits after others: "05" → "oh five", "42" → "forty-two"."""
    return f"oh {ONES[int(written[1])]}" if written[0] == "0" else cardinal(written)


def in_pairs(written: str) -> str:
    """The number of a house, a room, a flight: "204" → "two oh four", "1420" → "fourteen twenty"."""
    if len(written) > 4 or written[0] == "0":
        return grouped(written)
    front, last = written[:-2], written[-2:]
    if len(written) < 3 or (last == "00" and (len(front) == 1 or front[1] == "0")):
        return cardinal(written)
    if last == "00":
        return f"{cardinal(front)} hundred"
    return f"{cardinal(front)} {pair(last)}"


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    words = [f"{ONES[hundreds]} hundred"] if hundreds else []
    if rest:
        words.append(_below_hundred(rest))
    return " ".join(words)


def _below_hundred(number: int) -> str:
    if number < 20:
        return ONES[number]
    tens, ones = divmod(number, 10)
    return f"{_TENS[tens]}-{ONES[ones]}" if ones else _TENS[tens]


def _threes(count: int) -> list[int]:
    lengths = [3] * (count // 3)
    if left := count % 3:
        lengths = [*lengths, left] if left == 2 else [*lengths[:-1], 4]
    return lengths
