"""The tables beside this module: what is said, and what it means."""

import csv
from pathlib import Path

HERE = Path(__file__).parent


def rows(name: str) -> list[tuple[str, ...]]:
    """Without the line of titles."""
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return [tuple(row) for row in csv.reader(file, delimiter="\t")][1:]
