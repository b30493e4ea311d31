"""What changed between two scripts, line by line, as it is shown: added and removed lines with a few around them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

CONTEXT_LINES = 3
MAX_PAIRS = 1_000_000  # of equal lines, which is what comparing costs; a script of 2,000 lines has some 100,000


class Kind(StrEnum):
    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffLine:
    """`before` and `after` are its line numbers (from 1) in the two texts; None where it isn't there."""

    kind: Kind
    before: int | None
    after: int | None
    text: str


Hunk = tuple[DiffLine, ...]  # lines that follow each other


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """`told` False: the texts are too long and repetitive to be compared line by line."""

    hunks: tuple[Hunk, ...]
    told: bool = True

    @property
    def added(self) -> int:
        return self._count(Kind.ADDED)

    @property
    def removed(self) -> int:
        return self._count(Kind.REMOVED)

    def _count(self, kind: Kind) -> int:
        return sum(line.kind is kind for hunk in self.hunks for line in hunk)


def diff_scripts(before: str, after: str, *, context: int = CONTEXT_LINES) -> Diff:
    """Removed lines come before the added ones that replace them. Two texts that differ only in how lines end, or in
    whether the last one does, have no hunks."""
    old, new = before.splitlines(), after.splitlines()
    if old == new:
        return Diff(hunks=())
    counted = Counter(new)
    if sum(counted[line] * times for line, times in Counter(old).items()) > MAX_PAIRS:
        return Diff(hunks=(), told=False)
    # Without autojunk: it takes lines that repeat often ("digits: [1]") for noise, and then tells of moves.
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    groups = matcher.get_grouped_opcodes(context)
    return Diff(hunks=tuple(tuple(_lines(group, old, new)) for group in groups))


def _lines(
    group: list[tuple[str, int, int, int, int]], old: list[str], new: list[str]
) -> Iterator[DiffLine]:
    for tag, old_start, old_end, new_start, new_end in group:
        if tag == "equal":
            for place in range(old_end - old_start):
                before, after = old_start + place, new_start + place
                yield DiffLine(kind=Kind.SAME, before=before + 1, after=after + 1, text=old[before])
            continue
        for before in range(old_start, old_end):
            yield DiffLine(kind=Kind.REMOVED, before=before + 1, after=None, text=old[before])
        for after in range(new_start, new_end):
            yield DiffLine(kind=Kind.ADDED, before=None, after=after + 1, text=new[after])
