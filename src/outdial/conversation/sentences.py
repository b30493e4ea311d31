"""A stream of texts, such as a model's tokens, as sentences that can be spoken one by one. Pure."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

SHORTEST = 12  # characters: "Mr." and "3." end no sentence worth speaking alone
LONGEST = 400  # without an end, one is made at the last word

_END = re.compile(r"[.!?\u2026:;]['\")\]]?\s+|\n+")


async def sentences(texts: AsyncIterator[str]) -> AsyncGenerator[str]:
    """Each as soon as it is whole, with nothing left out but the space around it. The stream is closed in the end."""
    waiting = ""
    async with aclosing(_closing(texts)) as stream:
        async for text in stream:
            waiting += text
            while (cut := _cut(waiting)) is not None:
                if sentence := waiting[:cut].strip():
                    yield sentence
                waiting = waiting[cut:]
    if sentence := waiting.strip():
        yield sentence


async def _closing(texts: AsyncIterator[str]) -> AsyncGenerator[str]:
    try:
        async for text in texts:
            yield text
    finally:
        if close := getattr(texts, "aclose", None):
            await close()


def _cut(text: str) -> int | None:
    for end in _END.finditer(text):
        if end.end() >= SHORTEST:
            return end.end()
    if len(text) > LONGEST:
        return (text.rfind(" ", 0, LONGEST) + 1) or LONGEST
    return None
