"""A stream of texts, such as a model's tokens, as sentences that can be spoken one by one. Pure."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing

SHORTEST = 12  # characters: "Mr." and "3." end no sentence worth speaking alone; a line's end always does
LONGEST = 400  # without an end, one is made at the last word

_END = re.compile(r"[.!?\u2026:;]['\")\]]?\s+|\n+")
# What ends a text that may go on. "Dr.", "e.g." and "3." may be followed by what they belong to.
_WHOLE = re.compile(r"(?:^|.*[\s\"'(])(?P<last>[^\s\"'(]*)(?P<mark>[.!?\u2026]+)['\")\]]?\s*", re.DOTALL)
_SHORT = re.compile(r"[A-Za-z]?|.*\d|(?:[A-Za-z]\.)+[A-Za-z]|Mrs?|Ms|Dr|Prof|St|No|Ave|Blvd|Rd|approx|vs|Sra?|Nr")


class Cutter:
    """Cuts a text that comes piece by piece."""

    def __init__(self) -> None:
        self._waiting = ""

    def feed(self, text: str) -> Iterator[str]:
        """The sentences that are whole by now, with nothing left out but the space around them."""
        self._waiting += text
        while (cut := _cut(self._waiting)) is not None:
            sentence, self._waiting = self._waiting[:cut].strip(), self._waiting[cut:]
            if sentence:
                yield sentence

    @property
    def is_whole(self) -> bool:
        """Whether what waits may be a sentence: when nothing follows for a moment, it is one."""
        found = _WHOLE.fullmatch(self._waiting)
        return found is not None and (found["mark"] != "." or _SHORT.fullmatch(found["last"]) is None)

    def rest(self) -> str:
        """What waits, without waiting for more; "" when nothing does."""
        rest, self._waiting = self._waiting.strip(), ""
        return rest


async def sentences(texts: AsyncIterator[str]) -> AsyncGenerator[str]:
    """Each as soon as it is whole. The stream is closed in the end."""
    cutter = Cutter()
    async with aclosing(_closing(texts)) as stream:
        async for text in stream:
            for sentence in cutter.feed(text):
                yield sentence
    if rest := cutter.rest():
        yield rest


async def _closing(texts: AsyncIterator[str]) -> AsyncGenerator[str]:
    try:
        async for text in texts:
            yield text
    finally:
        if close := getattr(texts, "aclose", None):
            await close()


def _cut(text: str) -> int | None:
    for end in _END.finditer(text):
        if end.end() >= SHORTEST or "\n" in end[0]:
            return end.end()
    if len(text) > LONGEST:
        return (text.rfind(" ", 0, LONGEST) + 1) or LONGEST
    return None
