"""CSV that no spreadsheet runs as a program."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.history.csv_export import cell, lines

FULL_WIDTH = ("\uff1d", "\uff0b", "\uff0d", "\uff20")
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", *FULL_WIDTH)
text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)
values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text
values |= st.builds(lambda start, rest: start + rest, st.sampled_from([*DANGEROUS, " =", '"=']), text)


def read(written: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(written, newline=""), strict=True))


@given(st.lists(st.lists(values, min_size=2, max_size=4), max_size=4))
def test_every_cell_is_read_back_as_it_was_and_none_is_a_formula(rows):
    back = read(lines(rows))
    assert [len(row) for row in back] == [len(row) for row in rows]
    for got, given_ in zip((one for row in back for one in row), (one for row in rows for one in row), strict=True):
        assert got == cell(given_)
        if isinstance(given_, str):
            assert got in (given_, f"'{given_}")
        assert not got.lstrip().startswith(DANGEROUS) or re.fullmatch(r"[+-]?\d+(\.\d+)?", got, re.ASCII)
        assert not got.startswith(("\t", "\r", "\n"))


@pytest.mark.parametrize("number", ["+15551234567", "-12.5", "0.014"])
def test_numbers_stay_as_they_are(number):
    assert cell(number) == number


@pytest.mark.parametrize(
    "formula", ["=HYPERLINK(1)", "+1+cmd|' /C calc'!A0", "-1+1", "@SUM(1)", "  =1", "\t=1", "+1555;=1", "+\uff11"]
)
def test_what_looks_like_a_formula_is_text(formula):
    assert cell(formula) == f"'{formula}"


def test_json_is_kept_as_json():
    assert cell({"a": [1, "ü"]}) == '{"a": [1, "ü"]}'
    assert cell(None) == ""
