import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.conversation.keypad import GAP_MS, MAX_KEYS, Keypad


def keypad(keys, every_ms=100):
    pad = Keypad()
    for place, key in enumerate(keys):
        pad.press(key, place * every_ms)
    return pad


@pytest.mark.parametrize(
    ("keys", "max_digits", "entry", "rest"),
    [
        ("1", 1, "1", ""),
        ("#", 1, "#", ""),
        ("*", 1, "*", ""),
        ("12", 1, "1", "2"),
        ("1234", 4, "1234", ""),
        ("12345", 4, "1234", "5"),
        ("12#", 4, "12", ""),
        ("12#34#", 4, "12", "34#"),
        ("1234#", 4, "1234", ""),
        ("12345#", 4, "1234", "5#"),
        ("#", 4, "#", ""),
        ("#12", 4, "#", "12"),
    ],
)
def test_an_entry_ends_by_its_length_or_a_hash_and_the_rest_is_typed_ahead(keys, max_digits, entry, rest):
    pad = keypad(keys)
    assert pad.read(max_digits, 700)[0] == entry
    left = ""
    while pad:
        left += pad.read(1, 700)[0]
    assert left == rest


def test_an_entry_ends_by_a_pause():
    pad = keypad("12")
    assert pad.read(4, 100 + GAP_MS - 1) is None
    assert pad.due_ms() == 100 + GAP_MS
    assert pad.read(4, 100 + GAP_MS) == ("12", 0, 100)


def test_nothing_pressed_is_no_entry():
    assert Keypad().read(1, 10_000) is None
    assert not Keypad()


def test_a_habitual_hash_after_a_counted_entry_means_nothing():
    pad = keypad("1234")
    assert pad.read(4, 300)[0] == "1234"
    assert not pad.press("#", 900)
    assert not pad
    assert pad.press("#", 950)


def test_a_hash_long_after_a_counted_entry_counts():
    pad = keypad("1234")
    pad.read(4, 300)
    assert pad.press("#", 300 + GAP_MS)


def test_a_stuck_key_fills_no_memory():
    assert len(keypad("5" * 1000).read(1000, 10**6)[0]) == MAX_KEYS


@given(keys=st.text("0123456789*#", min_size=1, max_size=MAX_KEYS), sizes=st.lists(st.integers(1, 9), min_size=70))
def test_every_key_is_read_once_and_in_order(keys, sizes):
    pad = keypad(keys)
    read = ""
    for size in sizes:
        entry = pad.read(size, 10**6)
        if entry is None:
            break
        digits, first_ms, last_ms = entry
        assert 0 < len(digits) <= size
        assert first_ms <= last_ms
        read += digits
    assert read.replace("#", "") == keys.replace("#", "")
