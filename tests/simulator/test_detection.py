"""Answering machine detection on each callee, with voices of natural length."""

import pytest

from outdial.media.frames import FRAME_MS, SILENT_FRAME, silence
from outdial.simulator.callee_steps import Sound
from outdial.simulator.callees import CALLEES
from outdial.simulator.detection import Detector, Tuning, Verdict
from outdial.simulator.phone import ScriptedPhone


def verdict_on(callee_id: str, tuning: Tuning) -> tuple[Verdict, int]:
    """What is decided while we say nothing, and after how many ms."""
    callee = CALLEES[callee_id]
    phone = ScriptedPhone(callee.script, {text: silence(65 * len(text)) for text in callee.utterances})
    detector = Detector(tuning)
    while True:
        phone.frame()
        phone.hear(SILENT_FRAME)
        verdict = detector.hear(phone.sound)
        if verdict is not None:
            return verdict, detector.elapsed_ms


@pytest.mark.parametrize(
    ("callee", "fast", "message_end"),
    [
        ("00", Verdict.HUMAN, Verdict.HUMAN),
        ("01", Verdict.HUMAN, Verdict.HUMAN),
        ("05", Verdict.MACHINE_START, Verdict.MACHINE_END_BEEP),
        ("06", Verdict.MACHINE_START, Verdict.MACHINE_END_SILENCE),
        ("08", Verdict.FAX, Verdict.FAX),
        ("09", Verdict.MACHINE_START, Verdict.MACHINE_END_SILENCE),
        ("10", Verdict.MACHINE_START, Verdict.MACHINE_END_SILENCE),
        ("11", Verdict.UNKNOWN, Verdict.UNKNOWN),
        ("12", Verdict.HUMAN, Verdict.HUMAN),
        ("15", Verdict.HUMAN, Verdict.HUMAN),
        ("20", Verdict.MACHINE_START, Verdict.MACHINE_END_SILENCE),
        ("21", Verdict.MACHINE_START, Verdict.MACHINE_END_SILENCE),
        ("23", Verdict.HUMAN, Verdict.HUMAN),
        ("25", Verdict.MACHINE_START, Verdict.MACHINE_END_BEEP),
        ("26", Verdict.MACHINE_START, Verdict.MACHINE_END_SILENCE),
        ("28", Verdict.MACHINE_START, Verdict.MACHINE_END_BEEP),
        ("29", Verdict.MACHINE_START, Verdict.MACHINE_END_SILENCE),
        ("30", Verdict.MACHINE_START, Verdict.MACHINE_END_SILENCE),
    ],
)
def test_the_verdict_on_each_callee(callee, fast, message_end):
    assert verdict_on(callee, Tuning())[0] is fast
    assert verdict_on(callee, Tuning(message_end=True))[0] is message_end


def test_a_human_is_known_two_to_four_seconds_after_the_answer_and_a_beep_after_the_greeting():
    assert 1500 <= verdict_on("00", Tuning())[1] <= 4000
    assert 2000 <= verdict_on("05", Tuning())[1] <= 4000
    assert verdict_on("05", Tuning(message_end=True))[1] >= 6000


def test_silence_is_unknown_after_the_silence_timeout():
    assert verdict_on("11", Tuning(silence_timeout_ms=2000)) == (Verdict.UNKNOWN, 2000)


def test_the_timeout_ends_every_detection():
    assert verdict_on("05", Tuning(message_end=True, timeout_ms=3000)) == (Verdict.UNKNOWN, 3000)


def test_a_low_speech_threshold_takes_a_talkative_person_for_a_machine():
    talkative = [Sound.SPEECH] * (1500 // FRAME_MS) + [Sound.SILENCE] * 100
    for threshold_ms, verdict in ((2400, Verdict.HUMAN), (1000, Verdict.MACHINE_START)):
        detector = Detector(Tuning(speech_threshold_ms=threshold_ms))
        assert next(filter(None, map(detector.hear, talkative))) is verdict
