"""Bodies of vendors' answers are read as far as they are looked at."""

import httpx
import pytest

from outdial.speech.wire.body import beginning


@pytest.mark.parametrize(("pieces", "body"), [
    ([], b""),
    ([b"ab"], b"ab"),
    ([b"ab", b"cd"], b"abcd"),
    ([b"abc", b"def"], b"abcd"),
])  # fmt: skip
async def test_a_body_is_cut_where_it_is_too_long(pieces, body):
    assert await beginning(_answer(pieces), 4) == body


async def test_a_body_without_end_is_not_read_on():
    read = []

    def without_end():
        while True:
            read.append(1)
            yield bytes(1000)

    assert len(await beginning(_answer(without_end()), 10_000)) == 10_000
    assert len(read) == 10


def _answer(pieces):
    class Stream(httpx.AsyncByteStream):
        async def __aiter__(self):
            for piece in pieces:
                yield piece

    return httpx.Response(200, stream=Stream())
