"""The short way for whole texts does what the library does, for every frame and wherever the bytes are cut."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from outdial.api.whole_texts import Splitter, text_frame

MAX_BYTES = 70_000
SIZES = st.one_of(st.integers(0, 300), st.sampled_from([125, 126, 127, 65_535, 65_536]))


def frame(opcode, data, fin=True):
    return Frame(opcode, data, fin).serialize(mask=True, extensions=[])


def cut(data, places):
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(SIZES)
def test_a_text_is_framed_as_the_library_frames_it(size):
    assert text_frame(b"x" * size) == Frame(Opcode.TEXT, b"x" * size).serialize(mask=False, extensions=[])


@given(st.lists(SIZES, max_size=4), st.lists(st.integers(0, 200_000), max_size=6))
def test_whole_texts_come_out_wherever_the_bytes_are_cut(sizes, places):
    texts = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    splitter = Splitter(MAX_BYTES)
    pieces = cut(b"".join(frame(Opcode.TEXT, text) for text in texts), places)
    assert [part for piece in pieces for part in splitter.split(piece)] == [(True, text) for text in texts]


@given(st.lists(st.integers(0, 300), max_size=4))
def test_other_whole_frames_go_to_the_library_in_their_place(places):
    frames = [
        frame(Opcode.TEXT, b"one"),
        frame(Opcode.PING, b"are you there?"),
        frame(Opcode.BINARY, b"\x00" * 130),
        frame(Opcode.TEXT, b"two"),
        frame(Opcode.CLOSE, b"\x03\xe8"),
    ]
    splitter = Splitter(MAX_BYTES)
    parts = [part for piece in cut(b"".join(frames), places) for part in splitter.split(piece)]
    assert parts == [(True, b"one"), (False, frames[1]), (False, frames[2]), (True, b"two"), (False, frames[4])]


def test_from_a_fragment_on_the_library_gets_everything():
    first, rest = frame(Opcode.TEXT, b"one", fin=False), frame(Opcode.CONT, b" two")
    after = frame(Opcode.TEXT, b"three")
    splitter = Splitter(MAX_BYTES)
    assert list(splitter.split(first + rest)) == [(False, first + rest)]
    assert list(splitter.split(after[:3])) == [(False, after[:3])]
    assert list(splitter.split(after[3:])) == [(False, after[3:])]


def test_a_frame_that_is_too_long_goes_to_the_library_before_it_is_complete():
    long = frame(Opcode.TEXT, b"x" * (MAX_BYTES + 1))
    assert list(Splitter(MAX_BYTES).split(long[:20])) == [(False, long[:20])]


def test_frames_that_break_the_protocol_go_to_the_library():
    unmasked, reserved = text_frame(b"hello"), bytes([0xC1]) + frame(Opcode.TEXT, b"hello")[1:]
    for wrong in (unmasked, reserved):
        assert list(Splitter(MAX_BYTES).split(wrong)) == [(False, wrong)]
