"""Numbers out of CSV files as people have them."""

import io

import pytest

from outdial.policy.do_not_call import NewEntry
from outdial.policy.import_file import PAGE_ROWS, TOLD_ROWS, ImportFile, clean_reason, read_rows

ONE, TWO = "+12025550115", "+442071838750"


def rows(text):
    return list(read_rows(io.StringIO(text, newline="")))


def numbers(text):
    return [(line, row.number if isinstance(row, NewEntry) else None) for line, row in rows(text)]


@pytest.mark.parametrize(
    "text",
    [
        f"{ONE}\n{TWO}\n",
        f"{ONE}\r\n{TWO}",
        f"{ONE},moved\n{TWO},\n",
        f"{ONE};moved\n{TWO}\n",
        f"{ONE}\tmoved\n{TWO}\n",
        f'"{ONE}"\n" {TWO} "\n',
        "+1 (202) 555-0115\n+44 (0)20 7183 8750\n",
        "0012025550115\n0044 2071838750\n",
        "'+1.202.555.0115\n\u202a+44\xa020\u20117183\u20118750\u202c\n",
    ],
)
def test_numbers_are_read_however_they_are_written(text):
    assert numbers(text) == [(1, ONE), (2, TWO)]


@pytest.mark.parametrize(
    "header", ["number,reason", "Name,Phone", "id;Telephone;note", " PHONE NUMBER ", "a\tb\tto", "reason,number"]
)
def test_a_header_says_which_column_the_number_is_in(header):
    names = [name.strip().lower() for name in header.replace(";", ",").replace("\t", ",").split(",")]
    delimiter = ";" if ";" in header else "\t" if "\t" in header else ","
    place = next(at for at, name in enumerate(names) if name in ("number", "phone", "telephone", "phone number", "to"))
    row = delimiter.join(ONE if at == place else "x" for at in range(len(names)))
    assert numbers(f"{header}\n{row}\n") == [(2, ONE)]


def test_the_reason_is_kept():
    assert rows(f'number,reason\n{ONE},"Moved, and\nasked"\n{TWO},\n') == [
        (2, NewEntry(number=ONE, reason="Moved, and asked")),
        (4, NewEntry(number=TWO)),
    ]
    assert clean_reason("a\0b\u2028c" + "x" * 500) == ("a b c" + "x" * 500)[:200]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("2025550115", "must be an E.164 number"),
        ("+1202", "8 to 15 digits are needed, this has 4"),
        ("1.20256E+10", "must be an E.164 number"),
        ("+1202555011x", "only digits may follow the +"),
        ("+١٢٠٢٥٥٥٠١١٥", "only digits may follow the +"),
        (",moved", "has no number"),
    ],
)
def test_a_row_without_a_usable_number_is_refused_by_its_line_with_a_reason_that_does_not_repeat_it(row, why):
    ((_, entry), (line, reason)) = rows(f"{ONE},x\n\n{row}\n")
    assert entry.number == ONE
    assert line == 3
    assert why in reason
    assert row.strip(",") not in reason or row == ",moved"


def test_a_quotation_mark_that_is_never_closed_is_told():
    told = rows(f'{ONE}\n"{"x" * 200_000}\n')
    assert [line for line, row in told if isinstance(row, str)] == [2]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
async def test_files_of_spreadsheets_are_read_whatever_their_encoding(encoding):
    file = ImportFile(io.BytesIO(f"number;reason\r\n{ONE};Müller\r\n".encode(encoding)))
    ((entry,),) = [page async for page in file.pages()]
    assert entry.number == ONE
    assert entry.reason in ("Müller", "M\N{REPLACEMENT CHARACTER}ller")


async def test_a_long_file_is_read_page_by_page_and_its_faults_are_counted():
    lines = [f"+1202{n:07}" if n % 2 else "x" for n in range(3 * PAGE_ROWS)]
    file = ImportFile(io.BytesIO("\n".join(lines).encode()))
    pages = [len(page) async for page in file.pages()]
    assert pages == [PAGE_ROWS // 2] * 3
    assert (file.rows, file.refused, len(file.refused_rows)) == (3 * PAGE_ROWS, 3 * PAGE_ROWS // 2, TOLD_ROWS)
    assert file.refused_rows[1]["line"] == 3
