"""What models write and nobody should hear."""

import pytest

from outdial.agents.llm.unspoken import Unspoken


def said(*pieces: str) -> str:
    unspoken = Unspoken()
    return "".join([*map(unspoken.feed, pieces), unspoken.rest()])


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ("Hello, Jane.", "Hello, Jane."),
        ("**Tuesday** at `nine`, please 😀", "Tuesday at nine, please "),
        ("<think>They want a day.</think>Tuesday?", "Tuesday?"),
        ('One moment.<tool_call>{"name": "hang_up"}</tool_call>', "One moment."),
        ('One moment.<tool_call>{"name": "hang_up"', "One moment."),
        ("That is 3 < 4, and 5 > 4.", "That is 3 < 4, and 5 > 4."),
        ("Line<br>break", "Linebreak"),
        ("snake_case stays", "snake_case stays"),
        ("It ends with <", "It ends with <"),
    ],
)
def test_it_is_left_out_however_it_comes(written, heard):
    assert said(written) == heard
    assert said(*written) == heard


def test_what_is_no_tag_isnt_waited_for():
    assert Unspoken().feed("3 < 4 is so.") == "3 < 4 is so."
