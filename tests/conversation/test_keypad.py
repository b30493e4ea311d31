import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.conversation.keypad import GAP_MS, MAX_KEYS, SURPLUS_MS, Keying, Keypad


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
        ("123", 2, "12", "3"),
        ("12*", 2, "12", "*"),
        ("12#", 4, "12", ""),
        ("12#34#", 4, "12", "34#"),
        ("1234#", 4, "1234", ""),
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


@pytest.mark.parametrize(
    ("ends", "keys", "entry"),
    [
        ("*", "12*", "12"),
        ("*", "1#2*", "1#2"),  # as whoever asks wants it
        ("*", "*", "*"),
        ("*", "#", None),
        ("#*", "12*34#", "12"),
        ("#*", "12#34*", "12"),
        ("#", "12*34#", "34"),
    ],
)
def test_an_entry_ends_by_the_keys_that_who_asks_names(ends, keys, entry):
    pad = keypad(keys)
    pad.keying = Keying(ends=ends)
    found = pad.read(6, 700)
    assert (found and found[0]) == entry


def test_the_key_that_ends_an_entry_means_nothing_after_one_that_was_whole():
    pad = keypad("1234")
    pad.keying = Keying(ends="*")
    assert pad.read(4, 700)[0] == "1234"
    assert not pad.press("*", 900)


def test_an_entry_ends_by_the_pause_that_who_asks_wants():
    pad = keypad("12", every_ms=3000)
    pad.keying = Keying(gap_ms=700)
    assert pad.due_ms() == 3700


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


@pytest.mark.parametrize(
    ("keys", "max_digits", "entry"),
    [
        ("12025550177#", 10, "2025550177"),
        ("12025550177", 10, "2025550177"),
        ("1202555017#", 10, "1202555017"),
        ("20255501778", 10, "2025550177"),
        ("20255501778#", 10, "2025550177"),
        ("123456789", 5, "12345"),
        ("12345", 4, "1234"),
        ("12345#", 4, "1234"),
        ("99*90210", 5, "90210"),
        ("902*90*90210#", 5, "90210"),
        ("9021*90210", 5, "90210"),
        ("*67", 4, "*67"),
    ],
)
def test_keys_of_one_entry_never_answer_the_next_question(keys, max_digits, entry):
    pad = keypad(keys)
    assert pad.read(max_digits, 100 * len(keys) + GAP_MS)[0] == entry
    assert not pad


def test_keys_too_many_that_come_later_mean_nothing_either():
    pad = keypad("1234")
    assert pad.read(4, 300)[0] == "1234"
    assert not pad.press("5", 900)
    assert not pad.press("6", 900 + SURPLUS_MS - 1)
    assert not pad.press("#", 1500 + SURPLUS_MS)
    assert pad.press("7", 1600 + SURPLUS_MS)


def test_a_key_after_a_pause_is_the_next_answer():
    pad = keypad("1234")
    pad.read(4, 300)
    assert pad.press("5", 300 + SURPLUS_MS)
    assert pad.read(1, 2000)[0] == "5"


def test_an_entry_that_is_begun_anew_waits_for_the_rest():
    pad = keypad("123*")
    assert pad.read(4, 400) is None
    for place, key in enumerate("9876"):
        pad.press(key, 500 + place * 100)
    assert pad.read(4, 900)[0] == "9876"


def test_ten_digits_that_begin_with_one_may_be_whole():
    pad = keypad("1202555017")
    assert pad.read(10, 900) is None
    assert pad.read(10, 900 + GAP_MS)[0] == "1202555017"


def test_who_types_slowly_gets_more_time():
    pad = keypad("123", every_ms=1500)
    assert pad.due_ms() == 3000 + 3750
    assert keypad("123", every_ms=9000).due_ms() == 18000 + 5000


@given(keys=st.text("0123456789*#", min_size=1, max_size=MAX_KEYS), sizes=st.lists(st.integers(1, 12), min_size=70))
def test_every_key_is_read_in_order_and_at_most_once(keys, sizes):
    pad = keypad(keys)
    read = ""
    for size in sizes:
        entry = pad.read(size, 10**6)
        if entry is None:
            break
        digits, first_ms, last_ms = entry
        assert 0 < len(digits) <= size or "*" in digits
        assert first_ms <= last_ms
        read += digits
    assert not pad
    left = iter(keys)
    assert all(key in left for key in read)


@given(keys=st.text("0123456789*#", min_size=1, max_size=MAX_KEYS), sizes=st.lists(st.integers(1, 2), min_size=70))
def test_what_is_typed_ahead_in_menus_is_read_once_and_in_order(keys, sizes):
    pad = keypad(keys)
    read = ""
    for size in sizes:
        entry = pad.read(size, 10**6)
        if entry is None:
            break
        read += entry[0]
    assert read.replace("#", "") == keys.replace("#", "")
