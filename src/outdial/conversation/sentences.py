"""A stream of texts, such as a model's tokens, as sentences that can be spoken one by one. Pure."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing

SHORTEST = 12  # characters: "Mr." and "3." end no sentence worth speaking alone; a line's end always does
LONGEST = 400  # without an end, one is made at the last word

_END = re.compile(r"[.!?\u2026:;]['\")\]]?\s+|\n+")
# What ends a text that may go on. "Dr.", "e.g." and "3." may be followed by what they belong to.
_WHOLE = re.compile(r"(?:^|.*[\s\"'(])(?P<last>[^\s\"'(]*)(?P<mark>[.!?\u2026]+)['\")\]]?\s*", re.DOTALL)
_ADDRESS = re.compile(r"www|//|@")  # in a word whose dot need not end it
_CLOSERS = "'\")]?!.…"
_SHORT = re.compile(r"[A-Za-z]?|.*\d|(?:[A-Za-z]\.)+[A-Za-z]|Mrs?|Ms|Dr|Prof|St|No|Ave|Blvd|Rd|approx|vs|Sra?|Nr")


class Cutter:
    """Cuts a text that comes piece by piece."""

    def __init__(self) -> None:
        self._waiting = ""
        self._gave_rest = False

    def feed(self, text: str) -> Iterator[str]:
        """The sentences that are whole by now, with nothing left out but the space around them."""
        if self._gave_rest and text:  # what closes a sentence may come late, and is said by nobody
            self._gave_rest = False
            text = text.lstrip(_CLOSERS)
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

    @property
    def is_over(self) -> bool:
        """Whether what waits is a sentence for all that can be told: nothing more need be waited for. A dot that is
        part of an address, an abbreviation or a number is followed by the rest of it, one of several dots by more."""
        found = _WHOLE.fullmatch(self._waiting)
        if found is None or len(self._waiting.strip()) < SHORTEST:
            return False
        mark, last = found["mark"], found["last"]
        if mark.strip("?!") == "":
            return True
        return mark == "." and last[-1:].isalpha() and not (_SHORT.fullmatch(last) or _ADDRESS.search(last))

    def rest(self) -> str:
        """What waits, without waiting for more; "" when nothing does."""
        rest, self._waiting = self._waiting.strip(), ""
        self._gave_rest = True
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
