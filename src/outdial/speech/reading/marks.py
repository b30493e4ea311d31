"""Marks in a text that say how a part of it is read: what `{code:digits}` in a script asks for.

They are characters that no text of people has (private use), stand around what they are about, and are never seen:
`without_marks` is what is written down.
"""

import re
from enum import StrEnum


class Format(StrEnum):
    DIGITS = "digits"  # one by one
    SPELL = "spell"    # letters and digits, one by one
    NUMBER = "number"  # as a quantity, whatever it looks like


_OPEN = {Format.DIGITS: "\ue001", Format.SPELL: "\ue002", Format.NUMBER: "\ue003"}
_CLOSE = "\ue000"
_FORMAT_OF = {mark: format_ for format_, mark in _OPEN.items()}
KEPT = "\ue010-\uf8ff"  # a character of these stands for words that are ready
FIRST_KEPT = 0xE010
MOST_KEPT = 0xF8FF - FIRST_KEPT

MARKED = re.compile(f"([{''.join(_FORMAT_OF)}])([^{_CLOSE}]*){_CLOSE}")
_PRIVATE = re.compile("[\ue000-\uf8ff]")


def marked(text: str, format_: Format) -> str:
    return f"{_OPEN[format_]}{without_marks(text)}{_CLOSE}" if text else ""


def without_marks(text: str) -> str:
    return text if text.isascii() else _PRIVATE.sub("", text)


def format_of(mark: str) -> Format:
    return _FORMAT_OF[mark]
