import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.conversation.transcript import ReplyTimes, heard_part, pressed


@pytest.mark.parametrize(
    ("played_ms", "heard"),
    [
        (0, ""),
        (400, ""),                       # in the middle of "Hello"
        (1000, "Hello"),
        (1600, "Hello Jane,"),
        (4000, "Hello Jane, this is the clinic."),
        (9000, "Hello Jane, this is the clinic."),
    ],
)
def test_what_was_heard_is_cut_at_a_whole_word(played_ms, heard):
    assert heard_part("Hello Jane, this is the clinic.", played_ms, 4000) == heard


def test_a_number_takes_as_long_as_its_words():
    text, said = "Call 555-0100 by noon", "Call five five five, zero one zero zero by noon"
    spoken = dict(zip(_beginnings(text), ["", "Call", said[:-8], said[:-5], said], strict=True)).__getitem__
    assert heard_part(text, len(said) - 8, len(said), spoken) == "Call 555-0100"
    assert heard_part(text, len(said) - 12, len(said), spoken) == "Call"


def _beginnings(text):
    words = text.split()
    return [" ".join(words[:count]) for count in range(len(words) + 1)]


@given(text=st.text(max_size=200), played_ms=st.integers(0, 5000), total_ms=st.integers(0, 4000))
def test_what_was_heard_is_the_beginning_of_what_was_said(text, played_ms, total_ms):
    heard = heard_part(text, played_ms, total_ms)
    assert heard == text or text.split()[: len(heard.split())] == heard.split()


def test_latency_tells_every_step_from_the_callees_last_word_to_our_first():
    times = ReplyTimes(ended_ms=1000, decided_ms=1500, recognised_ms=1620)
    assert times.latency(asked_ms=1700, start_ms=1740) == {
        "silence": 500,
        "waiting": 0,
        "recognition": 120,
        "decision": 80,
        "synthesis": 40,
        "total": 740,
    }


def test_several_keys_are_only_counted():
    assert pressed("5") == "[5]"
    assert pressed("4921") == "[pressed 4 digits]"
