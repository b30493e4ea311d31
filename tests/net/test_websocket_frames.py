"""Messages in one frame each, as websockets' own library writes and reads them."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from outdial.net.websocket_frames import BINARY, TEXT, header, masked_message, whole_messages


def written(data, *, opcode=Opcode.TEXT, fin=True, masked=True):
    return Frame(opcode, data, fin=fin).serialize(mask=masked, extensions=[])


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("length", [0, 1, 125, 126, 300, 0xFFFF])
def test_whole_messages_are_read(length, masked):
    data = os.urandom(length)
    several = written(data, masked=masked) + written(b"two", opcode=Opcode.BINARY, masked=masked)
    assert whole_messages(several, masked=masked) == [(TEXT, data), (BINARY, b"two")]


@pytest.mark.parametrize(
    "data",
    [
        written(b"hello")[:-1],
        written(b"hello") + b"\x81",
        written(b"x" * 300)[:3],
        written(b"hello", fin=False),
        written(b"hello", opcode=Opcode.CONT),
        written(b"", opcode=Opcode.PING),
        written(b"hello") + written(b"\x03\xe8", opcode=Opcode.CLOSE),
        written(b"x" * 0x10000),
        written(b"hello", masked=False),
        b"\xc1" + written(b"hello")[1:],
    ],
    ids=["cut off", "with half of another", "without its length", "first of several", "last of several", "ping",
         "with a close", "long", "without a mask", "compressed"],
)  # fmt: skip
def test_everything_else_is_left_to_the_library(data):
    assert whole_messages(data, masked=True) is None


@given(
    opcode=st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT]),
    payload=st.binary(max_size=400),
    fin=st.booleans(),
    masked=st.booleans(),
    cut=st.integers(-3, 3),
)
def test_only_a_whole_message_is_taken_for_one(opcode, payload, fin, masked, cut):
    data = written(payload, opcode=opcode, fin=fin, masked=masked)
    data = data[:cut] if cut < 0 else data + bytes(cut)
    whole = fin and masked and not cut and opcode is not Opcode.CONT
    assert whole_messages(data, masked=True) == ([(0x80 | opcode, payload)] if whole else None)


def test_a_server_that_masks_is_left_to_the_library():
    assert whole_messages(written(b"hello"), masked=False) is None


@pytest.mark.parametrize("length", [0, 125, 126, 0xFFFF, 0x10000])
@pytest.mark.parametrize("masked", [True, False])
def test_what_is_written_is_read_by_the_library(length, masked):
    data = os.urandom(length)
    message = masked_message(BINARY, data, os.urandom(4)) if masked else header(BINARY, length) + data
    reader = StreamReader()
    reader.feed_data(message)
    parsing = Frame.parse(reader.read_exact, mask=masked, max_size=None, extensions=[])
    with pytest.raises(StopIteration) as parsed:
        next(parsing)
    frame = parsed.value.value
    assert (frame.fin, frame.opcode, bytes(frame.data)) == (True, Opcode.BINARY, data)
