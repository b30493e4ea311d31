"""What a brain says, cut into sentences as it comes."""

import asyncio

from outdial.agents.brains.words import FLUSH_S, MOST_CHARS, Words
from outdial.testing import run


async def said(words, *, filler=None, open_s=2.0):
    return [text.strip() async for text in words.thought(filler, open_s=open_s)]


def test_a_sentence_is_said_as_soon_as_it_is_whole_and_the_rest_when_nothing_follows():
    async def main():
        loop, words = asyncio.get_running_loop(), Words()
        for piece in ("Hello th", "ere. How", " are"):
            words.feed(piece)
        came = [(text.strip(), loop.time()) async for text in words.thought(None, open_s=2.0)]
        (first, at), (rest, later) = came
        assert (first, at, rest) == ("Hello there.", 0.0, "How are")
        assert FLUSH_S <= later < 2.0

    run(main())


def test_a_pause_is_filled_where_more_is_to_come_and_ends_it_where_nothing_does():
    async def main():
        words = Words()
        words.feed("Let me see. ")
        assert await said(words, filler="One moment.", open_s=7.0) == ["Let me see.", "One moment.", "One moment."]
        assert words.is_whole
        assert words.fillers == 2

    run(main())


def test_no_more_is_said_than_anybody_can_bear():
    async def main():
        words = Words()
        words.feed("Blah. " * MOST_CHARS)
        words.feed("And more.")
        words.end()
        words.feed("And more still.")
        assert words.is_cut
        assert sum(map(len, await said(words))) <= MOST_CHARS

    run(main())


def test_what_nobody_should_hear_is_not_said():
    async def main():
        words = Words()
        words.feed("<think>hm</think>Yes, **of course**. ... ")
        words.end()
        assert await said(words) == ["Yes, of course."]

    run(main())
