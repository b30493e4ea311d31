"""Numbers as they are written: "zweihundertfünfzig" in one word, "1 500" in two, "1.500,75" with marks. Pure.

Which marks, and whether in one word, is in the section [numbers] of a language's file.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

MAX_LETTERS = 80  # of a number in one word

_APART = re.compile("(?<![\\d.,:/'])([1-9]\\d{0,2})((?:[ \u00a0\u202f]\\d{3})+)(?!\\d)")


def below_hundred(data: Mapping[str, Any]) -> dict[str, int]:
    """Every number below a hundred, put together as the language does it."""
    table: dict[str, int] = dict(data.get("below_hundred", {}))
    for form in data.get("compound", ()):
        for ten, tens in data.get("tens", {}).items():
            for one, value in data.get("units", {}).items():
                if value:
                    table.setdefault(form.format(tens=ten, unit=one), tens + value)
    return {**table, **data.get("tens", {}), **data.get("units", {})}


class JoinedNumbers:
    """`one_word`: scales and halves are written in one word with what they count. `thousands` has the marks between
    thousands ("1.500"), a space among them where these may stand apart; `decimal` those before decimals."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        thousands, decimal = data.get("thousands", ","), data.get("decimal", ".")
        marks = re.escape(thousands.replace(" ", ""))
        self._numeral = re.compile(rf"(\d{{1,15}}(?:[{marks}]\d{{3}})*)(?:[{re.escape(decimal)}](\d{{1,6}}))?")
        self._is_apart = " " in thousands
        self._joints: frozenset[str] = frozenset()
        self._pieces: list[str] = []
        if data.get("one_word"):
            halves = [phrase for phrase in data.get("fractions", {}) if " " not in phrase]
            self._joints = frozenset([*data.get("scales", {}), *halves])
            pieces = {*self._joints, *below_hundred(data), *data.get("joins", ())}
            self._pieces = sorted(pieces, key=lambda piece: (-len(piece), piece))

    def value(self, word: str) -> Decimal | None:
        """Of a numeral; None for any other word."""
        found = self._numeral.fullmatch(word)
        if not found:
            return None
        whole = re.sub(r"\D", "", found[1])
        return Decimal(f"{whole}.{found[2]}" if found[2] else whole)

    def together(self, text: str) -> str:
        """ "1 500 euros" as "1500 euros"."""
        return _APART.sub(lambda found: re.sub(r"\D", "", found[0]), text) if self._is_apart else text

    def apart(self, word: str) -> str:
        """ "zweihundertfünfzig" as "zwei hundert fünfzig"; any other word as it is."""
        if len(word) > MAX_LETTERS or not any(joint in word for joint in self._joints):
            return word
        return " ".join(self._taken_apart(word)) or word

    def _taken_apart(self, word: str) -> tuple[str, ...]:
        for piece in self._pieces:
            if word == piece:
                return (piece,)
            if word.startswith(piece) and (rest := self._taken_apart(word.removeprefix(piece))):
                return (piece, *rest)
        return ()
