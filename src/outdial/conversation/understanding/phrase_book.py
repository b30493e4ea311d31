"""Phrases, and where they are in what was heard. Pure.

Phrases are written as they are said, with a little notation, so that a handful of lines stand for what many people say:

    call [me] again          "me" may be missing
    (call|phone|ring) me     one of these
    <calling> me             one of the list `calling`
    what was the * again     any one word
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from outdial.conversation.understanding.near_spelling import LEAST, same_word

ANY = "*"

Words = tuple[str, ...]
Same = Callable[[str, str], bool]

_TOKEN = re.compile(r"[\[\]()|]|<\w+>|[^\s\[\]()|<>]+")


@dataclass(frozen=True, slots=True)
class Found:
    """`words[start:end]` is a phrase of the kind `tag`."""

    start: int
    end: int
    tag: str

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(slots=True, eq=False)
class _Node:
    """A place between two words; `next` is where each word leads, `tags` are the phrases that end here."""

    next: dict[str, list["_Node"]] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)


class PhraseBook:
    """Phrases by their tags. `plain` writes a phrase's words as utterances have them."""

    def __init__(self, lists: Mapping[str, Sequence[str]], plain: Callable[[str], Words]) -> None:
        self._lists = lists
        self._plain = plain
        self._root = _Node()

    def add(self, tag: str, lines: Iterable[str]) -> None:
        """Raises ValueError for a line whose notation doesn't close, or that names a list there isn't."""
        for line in lines:
            ends, rest = self._choice(_TOKEN.findall(line), [self._root])
            if rest:
                raise ValueError(f"'{rest[0]}' closes nothing in: {line}")
            for end in ends:
                if end is self._root:
                    raise ValueError(f"may be nothing at all: {line}")
                if tag not in end.tags:
                    end.tags.append(tag)

    def find(self, words: Words, same: Same = same_word) -> Iterator[Found]:
        """Every phrase in `words`, overlapping ones too."""
        for start in range(len(words)):
            yield from self._from(words, start, same)

    def whole(self, words: Words, same: Same = same_word) -> frozenset[str]:
        """The tags of the phrase that `words` are."""
        return frozenset(found.tag for found in self._from(words, 0, same) if found.end == len(words))

    def longest_at(self, words: Words, start: int) -> int:
        """Where the longest phrase that begins at `start` ends; `start` when none does."""
        return max((found.end for found in self._from(words, start, same_word)), default=start)

    def _from(self, words: Words, start: int, same: Same) -> Iterator[Found]:
        nodes, told = [self._root], set[tuple[int, str]]()
        for place in range(start, len(words)):
            nodes = _after(nodes, words[place], same)
            if not nodes:
                return
            for node in nodes:
                for tag in node.tags:
                    if (place, tag) not in told:
                        told.add((place, tag))
                        yield Found(start, place + 1, tag)

    def _choice(self, tokens: list[str], starts: list[_Node]) -> tuple[list[_Node], list[str]]:
        """Adds what is up to `|`, `)`, `]` or the end; where that ends, and the tokens that are left."""
        ends: list[_Node] = []
        here = starts
        while tokens and tokens[0] not in ")]":
            sign, *tokens = tokens
            if sign == "|":
                ends, here = ends + here, starts
            elif sign in "([":
                inner, tokens = self._choice(tokens, here)
                if not tokens or tokens[0] != (")" if sign == "(" else "]"):
                    raise ValueError(f"'{sign}' doesn't close")
                tokens = tokens[1:]
                here = inner if sign == "(" else here + inner
            elif sign.startswith("<"):
                if sign[1:-1] not in self._lists:
                    raise ValueError(f"there is no list {sign}")
                here = [end for line in self._lists[sign[1:-1]] for end in self._choice(_TOKEN.findall(line), here)[0]]
            else:
                here = self._words(self._plain(sign), here)
        return _once(ends + here), tokens

    def _words(self, words: Words, starts: list[_Node]) -> list[_Node]:
        here = starts
        for word in words:
            node = _Node()
            for start in here:
                start.next.setdefault(word, []).append(node)
            here = [node]
        return here


def _after(nodes: list[_Node], word: str, same: Same) -> list[_Node]:
    if same is same_word or len(word) < LEAST:
        return _once(below for node in nodes for key in (word, ANY) for below in node.next.get(key, ()))
    return _once(
        below for node in nodes for key, each in node.next.items() if key == ANY or same(word, key) for below in each
    )


def _once(nodes: Iterable[_Node]) -> list[_Node]:
    return list({id(node): node for node in nodes}.values())


def cover(found: Iterable[Found], order: Sequence[str]) -> list[Found]:
    """The longest phrases that don't overlap, by where they are; of the same length, the first in `order`."""
    rank = {tag: place for place, tag in enumerate(order)}
    taken: list[Found] = []
    places: set[int] = set()
    for one in sorted(found, key=lambda one: (-len(one), rank.get(one.tag, len(rank)), one.start)):
        own = range(one.start, one.end)
        if places.isdisjoint(own):
            places.update(own)
            taken.append(one)
    return sorted(taken, key=lambda one: one.start)


def covers_all(words: Words, book: PhraseBook) -> frozenset[str]:
    """The tags of the phrases that `words` consist of, with nothing between; empty when there is something else."""
    ways: dict[int, frozenset[str]] = {0: frozenset()}
    by_start: dict[int, list[Found]] = {}
    for one in book.find(words):
        by_start.setdefault(one.start, []).append(one)
    for place in range(len(words)):
        if place in ways:
            for one in by_start.get(place, ()):
                ways[one.end] = ways.get(one.end, frozenset()) | ways[place] | {one.tag}
    return ways.get(len(words), frozenset()) if words else frozenset()
