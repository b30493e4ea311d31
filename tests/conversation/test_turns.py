import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.conversation.turns import (
    TURNS,
    WINDOW_MS,
    SpeechGate,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    TurnEvent,
    TurnState,
    is_barge_in,
    next_turn,
)


def told(probabilities):
    """What a gate says of windows that follow each other from 0 on."""
    gate = SpeechGate()
    events = [gate.window(p, (place + 1) * WINDOW_MS) for place, p in enumerate(probabilities)]
    return [event for event in events if event is not None], gate


def test_a_click_is_no_speech():
    assert told([0, 0.99, 0, 0.99, 0])[0] == []


def test_speech_begins_with_its_first_window():
    assert told([0, 0.9, 0.9])[0] == [SpeechStarted(WINDOW_MS)]


def test_a_pause_is_told_once_and_so_is_its_end():
    events, gate = told([0.9, 0.9] + [0.1] * 20 + [0.9, 0.9])
    assert events == [SpeechStarted(0), SpeechPaused(2 * WINDOW_MS), SpeechResumed(23 * WINDOW_MS)]
    assert gate.silence_ms(24 * WINDOW_MS) == 0


def test_a_voice_that_grows_faint_goes_on_but_a_faint_one_does_not_begin():
    assert told([0.9, 0.9] + [0.4] * 50)[0] == [SpeechStarted(0)]
    assert told([0.4] * 50)[0] == []


def test_after_its_end_the_next_voice_begins_anew():
    _, gate = told([0.9, 0.9])
    gate.end()
    assert gate.window(0.9, 96) is None
    assert gate.window(0.9, 128) == SpeechStarted(64)


@given(st.lists(st.floats(0, 1)))
def test_a_gate_tells_start_then_pause_and_resume_in_turns(probabilities):
    events, _ = told(probabilities)
    kinds = [type(event) for event in events]
    assert kinds == [SpeechStarted, *[SpeechPaused, SpeechResumed] * len(kinds)][: len(kinds)]


@pytest.mark.parametrize(
    ("voice_ms", "began_after_ms", "greeting", "barges_in"),
    [
        (150, 5000, False, False), (250, 5000, False, True),  # "mm-hm"
        (300, 5000, False, True),
        (700, 300, True, False),    # "hello?" into the greeting
        (1100, 300, True, True),    # a sentence
        (300, 2500, True, True),    # … later into it
        (300, 300, False, True),
    ],
)
def test_what_takes_the_floor(voice_ms, began_after_ms, greeting, barges_in):
    assert is_barge_in(voice_ms=voice_ms, began_after_ms=began_after_ms, greeting=greeting) is barges_in


def test_only_the_turns_in_the_table_are_possible():
    for state in TurnState:
        for event in TurnEvent:
            if (state, event) in TURNS:
                assert next_turn(state, event) in TurnState
            else:
                with pytest.raises(ValueError, match="impossible"):
                    next_turn(state, event)
