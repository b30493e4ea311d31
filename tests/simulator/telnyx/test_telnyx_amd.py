"""Telnyx's answering machine detection, fed with sounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.media.frames import FRAME_MS
from outdial.simulator.callees import Sound
from outdial.simulator.telnyx.amd import MODES, Tuning, listener

SPEECH, SILENCE, BEEP, FAX = Sound.SPEECH, Sound.SILENCE, Sound.BEEP, Sound.FAX

HUMAN = ((SILENCE, 300), (SPEECH, 500), (SILENCE, 5000))
LATE_HUMAN = ((SILENCE, 4000), (SPEECH, 500), (SILENCE, 5000))
VOICEMAIL = ((SILENCE, 500), (SPEECH, 6000), (SILENCE, 400), (BEEP, 500), (SILENCE, 40_000))
NO_BEEP = ((SILENCE, 500), (SPEECH, 6000), (SILENCE, 60_000))
EARLY_BEEP = ((SILENCE, 200), (BEEP, 400), (SILENCE, 60_000))
SILENT = ((SILENCE, 40_000),)
FAX_MACHINE = ((SILENCE, 400), (FAX, 3000), (SILENCE, 30_000))


def found(mode: str, *sounds: tuple[Sound, int], **tuning: int) -> list[tuple[str, str, int]]:
    """What is told: the kind of event, its result, and when (ms after the answer)."""
    listening = listener(mode, Tuning(**tuning))
    told = []
    at_ms = 0
    for sound, ms in sounds:
        for _ in range(ms // FRAME_MS):
            at_ms += FRAME_MS
            if listening.done:
                return told
            finding = listening.hear(sound)
            if finding is not None:
                kind = finding.event_type.removeprefix("call.machine.").removesuffix(".ended")
                told.append((kind, finding.result, at_ms))
    return told


@pytest.mark.parametrize(
    ("mode", "sounds", "expected"),
    [
        ("detect", HUMAN, [("detection", "human", 1600)]),
        ("greeting_end", HUMAN, [("detection", "human", 1600)]),
        ("detect", LATE_HUMAN, [("detection", "not_sure", 3500)]),
        ("detect", SILENT, [("detection", "not_sure", 3500)]),
        ("detect", VOICEMAIL, [("detection", "machine", 2900)]),
        ("detect", FAX_MACHINE, [("detection", "machine", 1400)]),
        ("detect_beep", VOICEMAIL, [("detection", "machine", 2900), ("greeting", "beep_detected", 7420)]),
        ("detect_beep", NO_BEEP, [("detection", "machine", 2900)]),
        ("detect_words", VOICEMAIL, [("detection", "machine", 2900), ("greeting", "beep_detected", 7420)]),
        ("detect_words", NO_BEEP, [("detection", "machine", 2900), ("greeting", "ended", 30_000)]),
        ("detect_beep", EARLY_BEEP, [("detection", "machine", 620), ("greeting", "beep_detected", 640)]),
        ("detect", EARLY_BEEP, [("detection", "machine", 620)]),
        ("greeting_end", VOICEMAIL, [("detection", "machine", 2900), ("greeting", "beep_detected", 7420)]),
        (
            "premium",
            VOICEMAIL,
            [("premium.detection", "machine", 4020), ("premium.greeting", "beep_detected", 7420)],
        ),
        (
            "premium",
            NO_BEEP,
            [("premium.detection", "machine", 4020), ("premium.greeting", "no_beep_detected", 30_000)],
        ),
        ("premium", EARLY_BEEP, [("premium.greeting", "beep_detected", 620)]),
        ("premium", HUMAN, [("premium.detection", "human_residence", 1600)]),
        ("premium", LATE_HUMAN, [("premium.detection", "human_residence", 5300)]),
        ("premium", SILENT, [("premium.detection", "silence", 5000)]),
        ("premium", FAX_MACHINE, [("premium.detection", "fax_detected", 1400)]),
    ],
)
def test_each_mode_tells_what_telnyx_documents(mode, sounds, expected):
    assert found(mode, *sounds) == expected


def test_the_end_of_a_greeting_is_told_by_its_silence_or_its_length():
    assert found("greeting_end", (SPEECH, 3000), (SILENCE, 5000))[1:] == [("greeting", "ended", 4500)]
    assert found("greeting_end", (SPEECH, 30_000))[1:] == [("greeting", "not_sure", 7400)]
    longer = found("greeting_end", (SPEECH, 9000), (SILENCE, 5000), greeting_total_analysis_time=20_000)
    assert longer[1:] == [("greeting", "ended", 10_500)]


def test_more_silence_at_first_than_allowed_is_a_machine():
    sounds = ((SILENCE, 5000),)
    assert found("detect", *sounds, total_analysis_time=5000) == [("detection", "machine", 3520)]


@given(
    st.sampled_from([mode for mode in MODES if mode != "disabled"]),
    st.lists(st.tuples(st.sampled_from(Sound), st.integers(20, 20_000)), max_size=8),
)
def test_there_is_one_detection_and_at_most_one_end_of_the_greeting(mode, sounds):
    kinds = [kind.rpartition(".")[2] for kind, _, _ in found(mode, *sounds)]
    assert kinds in ([], ["detection"], ["greeting"], ["detection", "greeting"])
