"""Texts that come piece by piece, spoken sentence by sentence."""

import pytest

from outdial.conversation.sentences import LONGEST, Cutter, sentences


async def told(*pieces):
    async def stream():
        for piece in pieces:
            yield piece

    return [sentence async for sentence in sentences(stream())]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ((), []),
        (("", " "), []),
        (("Hello", " there, Ja", "ne."), ["Hello there, Jane."]),
        (("Hello there, Jane. How", " are you?"), ["Hello there, Jane.", "How are you?"]),
        (("Mr. Miller is", " not in. Sorry"), ["Mr. Miller is not in.", "Sorry"]),
        (("It costs 3.50 dollars.",), ["It costs 3.50 dollars."]),
        (("The first line\nthe second",), ["The first line", "the second"]),
    ],
)
async def test_a_sentence_is_spoken_once_it_is_whole(pieces, expected):
    assert await told(*pieces) == expected


async def test_a_sentence_without_an_end_is_cut_at_a_word():
    first, *rest = await told("word " * 200)
    assert len(first) <= LONGEST
    assert " ".join([first, *rest]) == ("word " * 200).strip()


async def test_a_stream_that_is_not_read_to_its_end_is_closed():
    closed = []

    async def stream():
        try:
            while True:
                yield "One more sentence. "
        finally:
            closed.append(True)

    spoken = sentences(stream())
    assert await anext(spoken) == "One more sentence."
    await spoken.aclose()
    assert closed == [True]


@pytest.mark.parametrize(
    ("text", "over"),
    [
        ("That is good to hear.", True),
        ("Are you coming on Tuesday?", True),
        ("How very good!", True),
        ("That is good to hear", False),
        ("All right.", False),                # so short that it is said along with the next
        ("Well, let me think..", False),
        ("Well, let me think…", False),
        ("You will see Dr.", False),
        ("It costs about 3.", False),
        ("We open at nine a.m.", False),
        ("It is on www.meadow.", False),
        ("Write to desk@meadow.", False),
    ],
)
def test_what_is_surely_a_sentence_is_waited_for_no_longer(text, over):
    cutter = Cutter()
    assert list(cutter.feed(text)) == []
    assert cutter.is_over is over


def test_what_closes_a_sentence_that_was_given_already_is_nobodys():
    cutter = Cutter()
    assert list(cutter.feed('She said "how very good!')) == []
    assert cutter.rest() == 'She said "how very good!'
    assert list(cutter.feed('"')) == []
    assert list(cutter.feed(' Then "we" left. ')) == ['Then "we" left.']
