import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.media.jitter_buffer import MAX_BACK, MAX_HELD, JitterBuffer


def put(buffer: JitterBuffer, number: int) -> list[int] | None:
    """The numbers of the frames that come out when this one goes in; a frame is its number, and so is its timestamp."""
    due = buffer.put(number, number, number.to_bytes(2, "big"))
    if due is None:
        return None
    out = [int.from_bytes(due[1][at : at + 2], "big") for at in range(0, len(due[1]), 2)]
    assert due[0] == out[0], "the timestamp is the first frame's"
    return out


@pytest.mark.parametrize(
    ("numbers", "out"),
    [
        ([1, 2, 3], [[1], [2], [3]]),
        ([1, 3, 2, 4], [[1], None, [2, 3], [4]]),
        ([1, 4, 3, 2, 5], [[1], None, None, [2, 3, 4], [5]]),
        ([1, 1, 2, 2], [[1], None, [2], None]),             # repeated
        ([1, 3, 3, 2], [[1], None, None, [2, 3]]),          # … while it waits
        ([7, 6, 8], [[7], None, [8]]),                      # nobody waits for what came before the first
        ([1, 3, 5, 2, 4], [[1], None, None, [2, 3], [4, 5]]),
    ],
)
def test_frames_come_out_in_order_as_soon_as_they_are_due(numbers, out):
    buffer = JitterBuffer()
    assert [put(buffer, number) for number in numbers] == out


def test_a_lost_frame_is_waited_for_while_so_many_come_and_no_longer():
    buffer = JitterBuffer()
    put(buffer, 1)
    waiting = range(3, 3 + MAX_HELD)
    assert [put(buffer, number) for number in waiting] == [None] * MAX_HELD
    assert put(buffer, 3 + MAX_HELD) == [*waiting, 3 + MAX_HELD]
    assert put(buffer, 2) is None, "its place is gone"
    assert put(buffer, 4 + MAX_HELD) == [4 + MAX_HELD]


def test_after_a_frame_is_given_up_the_next_gap_is_waited_for_too():
    buffer = JitterBuffer()
    put(buffer, 1)
    held = [3, 4, 6, 7, 8]  # 2 and 5 are missing
    assert [put(buffer, number) for number in held] == [None] * MAX_HELD
    assert put(buffer, 9) == [3, 4]
    assert put(buffer, 5) == [5, 6, 7, 8, 9]


def test_a_number_far_back_is_a_count_begun_anew():
    buffer = JitterBuffer()
    put(buffer, 999)
    assert put(buffer, 1000 - MAX_BACK) is None, "late"
    assert put(buffer, 1002) is None, "waits"
    assert put(buffer, 1000 - MAX_BACK - 1) == [1000 - MAX_BACK - 1]
    assert put(buffer, 1000 - MAX_BACK) == [1000 - MAX_BACK]
    assert not buffer._held, "what waited was of the old count"


@given(st.permutations(range(MAX_HELD + 1)).map(lambda order: [0, *(each + 1 for each in order)]))
def test_any_order_within_the_buffer_is_mended(order):
    buffer = JitterBuffer()
    out = [due for number in order if (due := buffer.put(number, number, bytes([number]))) is not None]
    assert b"".join(pcm for _, pcm in out) == bytes(range(MAX_HELD + 2))


@given(st.lists(st.integers(0, 3 * MAX_BACK), max_size=200))
def test_the_buffer_is_bounded_and_nothing_comes_out_twice_in_a_row(numbers):
    buffer = JitterBuffer()
    before = None
    for number in numbers:
        out = put(buffer, number)
        assert len(buffer._held) <= MAX_HELD
        if out is not None:
            assert out == list(range(out[0], out[0] + len(out)))
            assert out[0] != before
            before = out[-1]
