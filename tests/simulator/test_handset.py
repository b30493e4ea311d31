"""The parts of a phone in a browser: whose pages may be one, which numbers, and the buffer for its audio."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.media.frames import FRAME_BYTES, SILENT_FRAME
from outdial.simulator.browser import is_welcome
from outdial.simulator.handset import Handsets, is_free
from outdial.simulator.jitter_buffer import LIMIT_FRAMES, START_FRAMES, JitterBuffer


@pytest.mark.parametrize(
    "origin", ["http://localhost:8000", "https://localhost", "http://127.0.0.1:1", "http://127.9.9.9:80", "http://[::1]:8000"]
)
def test_loopback_may_on_any_port(origin):
    assert is_welcome([origin], ())


def test_a_client_that_is_no_browser_may():
    assert is_welcome([], ())


@pytest.mark.parametrize(
    "origins",
    [
        [""],
        ["null"],
        ["file://"],
        ["http://10.0.0.1:8000"],
        ["http://127.0.0.1.evil.example"],
        ["http://localhost@evil.example"],
        ["http://evil.example#localhost"],
        ["http://localhost:8000/path"],
        ["http://[::1"],
        ["ws://localhost"],
        ["http://localhost:8000", "https://evil.example"],
        ["https://outdial.example:444"],
    ],
)
def test_others_may_not(origins):
    assert not is_welcome(origins, {"https://outdial.example"})


@given(origin=st.text())
def test_no_origin_is_too_strange_to_judge(origin):
    is_welcome([origin], ())


# -- parts


def test_only_free_numbers_become_phones():
    assert is_free("+12025550131")
    assert not is_free("+12025550107")
    handsets = Handsets("+12025550190")
    assert handsets.open("+12025550107") is None
    assert handsets.open("+12025550142") is handsets.open("+12025550142")
    assert [handset.number for handset in handsets.all()] == ["+12025550190", "+12025550142"]


def numbered(number: int) -> bytes:
    return number.to_bytes(2, "little") * (FRAME_BYTES // 2)


def test_the_buffer_waits_until_it_can_be_even():
    buffer = JitterBuffer()
    for number in range(1, START_FRAMES):
        buffer.push(numbered(number))
        assert buffer.pull() is SILENT_FRAME
    buffer.push(numbered(START_FRAMES))
    assert [buffer.pull() for _ in range(START_FRAMES)] == [numbered(n + 1) for n in range(START_FRAMES)]
    assert buffer.pull() is SILENT_FRAME
    assert (buffer.underruns, buffer.dropped) == (1, 0)


def test_a_full_buffer_drops_its_oldest():
    buffer = JitterBuffer()
    for number in range(LIMIT_FRAMES + 5):
        buffer.push(numbered(number))
    assert buffer.pull() == numbered(5)
    assert buffer.dropped == 5


def test_a_delay_that_is_never_needed_goes_away():
    buffer = JitterBuffer()
    for number in range(8):
        buffer.push(numbered(number))
    for number in range(8, 1000):
        buffer.pull()
        buffer.push(numbered(number))
    assert buffer.pull() == numbered(1000 - START_FRAMES)
    assert (buffer.underruns, buffer.dropped) == (0, 8 - START_FRAMES)


@given(st.lists(st.booleans(), max_size=400))
def test_the_buffer_keeps_the_order_and_its_limit(pushes):
    buffer, sent, got = JitterBuffer(), 0, []
    for push in pushes:
        if push:
            sent += 1
            buffer.push(numbered(sent))
        elif (frame := buffer.pull()) is not SILENT_FRAME:
            got.append(int.from_bytes(frame[:2], "little"))
    assert got == sorted(set(got))
    assert sent - len(got) - buffer.dropped <= LIMIT_FRAMES
