"""Numbers out of a CSV file, as people have it: with a header or without, with commas or semicolons, in any spelling.

Read row by row and in a thread, so that a file of a million numbers keeps no call waiting and is never in memory whole.
"""

import asyncio
import codecs
import csv
import io
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import BinaryIO

from typing_extensions import TypedDict

from outdial.policy.do_not_call import MAX_REASON_CHARS, NewEntry
from outdial.telephony.e164 import normal_e164

PAGE_ROWS = 2000
TOLD_ROWS = 1000  # refused rows that are told one by one; the others are counted

_NUMBER_COLUMNS = ("number", "phone", "phone_number", "phone number", "telephone", "mobile", "to", "e164")
_REASON_COLUMNS = ("reason", "note", "comment")
_DELIMITERS = ",;\t"


class RefusedRow(TypedDict):
    """`line` counts from 1, the header included."""

    line: int
    reason: str


class ImportFile:
    """One file on its way in. `refused` counts its rows without a usable number, of which `refused_rows` are the
    first."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.rows = 0
        self.refused = 0
        self.refused_rows: list[RefusedRow] = []

    async def pages(self) -> AsyncIterator[Sequence[NewEntry]]:
        file = io.TextIOWrapper(self._file, encoding=_encoding(self._file), errors="replace", newline="")
        try:
            rows = read_rows(file)
            while page := await asyncio.to_thread(lambda: list(islice(rows, PAGE_ROWS))):
                self.rows += len(page)
                refused = [(line, row) for line, row in page if isinstance(row, str)]
                self.refused += len(refused)
                told = refused[: TOLD_ROWS - len(self.refused_rows)]
                self.refused_rows += [RefusedRow(line=line, reason=reason) for line, reason in told]
                yield [row for _, row in page if isinstance(row, NewEntry)]
        finally:
            file.detach()


def read_rows(file: Iterable[str]) -> Iterator[tuple[int, NewEntry | str]]:
    """Each row that isn't empty, by its line: what to enter, or why not."""
    lines = iter(file)
    first = next(lines, "")
    delimiter = max(_DELIMITERS, key=lambda each: (first.count(each), -_DELIMITERS.index(each)))
    reader = csv.reader(chain([first], lines), delimiter=delimiter)
    number_at, reason_at = 0, 1
    is_first = True
    while True:
        line = reader.line_num + 1
        try:
            row = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error:
            yield line, "is not CSV: a quotation mark that is never closed, or a cell without end"
            continue
        if not any(row):
            continue
        names = [cell.lower() for cell in row]
        if is_first and (number_column := _column(names, _NUMBER_COLUMNS)) is not None:
            number_at, reason_at = number_column, _column(names, _REASON_COLUMNS) or len(row)
        else:
            yield line, _entry(row, number_at, reason_at)
        is_first = False


def _column(names: Sequence[str], known: Sequence[str]) -> int | None:
    return next((place for place, name in enumerate(names) if name in known), None)


def _entry(row: Sequence[str], number_at: int, reason_at: int) -> NewEntry | str:
    text = row[number_at] if number_at < len(row) else ""
    if not text:
        return "has no number"
    try:
        number = normal_e164(text)
    except ValueError as error:
        return str(error)
    reason = row[reason_at] if reason_at < len(row) else ""
    return NewEntry(number=number, reason=clean_reason(reason))


def clean_reason(text: str) -> str | None:
    """On one line, and no longer than a reason may be: a number is entered, whatever stands beside it."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line[:MAX_REASON_CHARS] or None


def _encoding(file: BinaryIO) -> str:
    """Spreadsheets write UTF-16, too, with a byte order mark. What isn't UTF-8 in a reason becomes a replacement
    character: numbers are ASCII in all of them."""
    start = file.read(2)
    file.seek(0)
    return "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
