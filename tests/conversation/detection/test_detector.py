"""The detector of a call; at the end on openings of the corpus of `bench/answers` that it was never trained on."""

import json
from functools import cache
from pathlib import Path

import pytest

from bench.answers.scoring import outcome
from conversation.detection.calls import beep, windows, words
from outdial.conversation.detection.detector import AFTER_SPEAK_MS, Detector
from outdial.conversation.detection.judge import Decision
from outdial.conversation.understanding.language import language_of
from outdial.telephony.verdict import AnsweredBy

MOST_WRONG, LEAST_CAUGHT = 5, 15  # of 55, and of 22 machines: as it is, and one or two worse
HELLO = [*windows((480, 1088), until_ms=9000), words("Hello?", 480, 1088)]
TAPE = "Hi, you've reached Tom. I can't come to the phone. Please leave a message after the tone."


def judgements(heard, language="en"):
    detector = Detector(language_of(language) if language else None)
    ordered = sorted(heard, key=lambda one: getattr(one, "at_ms", None) or one.end_ms)
    return [new for one in ordered if (new := detector.take(one)) is not None], detector


def test_who_says_hello_and_waits_is_a_person_and_is_answered():
    told, _ = judgements(HELLO)
    assert (told[0].category, told[0].decision) == (AnsweredBy.HUMAN, Decision.SPEAK)
    assert told[0].at_ms < 1088 + 1100


def test_a_tape_is_hung_up_on_and_nothing_is_looked_at_after():
    heard = [*windows((480, 5600), until_ms=9000), words(TAPE, 480, 5600), beep(6200)]
    told, detector = judgements(heard)
    assert (told[-1].category, told[-1].decision) == (AnsweredBy.MACHINE, Decision.HANG_UP)
    assert detector.is_done
    assert detector.take(heard[-1]) is None


def test_the_same_judgement_is_told_once():
    told, _ = judgements(HELLO)
    assert len({(one.category, one.decision) for one in told}) == len(told)


def test_a_person_turns_out_to_be_a_machine():
    heard = [*windows((480, 1088), (2400, 7000), until_ms=9500), words("Hello?", 480, 1088), words(TAPE, 2400, 7000)]
    told, _ = judgements([*heard, beep(7400)])
    assert [told[0].category, told[-1].category] == [AnsweredBy.HUMAN, AnsweredBy.MACHINE]


def test_it_ends_some_time_after_somebody_is_spoken_to():
    _, detector = judgements(windows((480, 1088), until_ms=1088 + AFTER_SPEAK_MS + 2000))
    assert detector.is_done


def test_without_words_it_goes_by_timing_and_tones():
    told, _ = judgements([*windows((480, 6800), until_ms=9500), beep(7200)], language=None)
    assert told[-1].category is AnsweredBy.MACHINE
    assert "words not known in this language" in told[-1].evidence


@pytest.mark.parametrize(
    ("language", "hello", "tape"),
    [
        ("de", "Ja bitte, wer ist denn da?", "Ich bin im Moment nicht erreichbar, hinterlassen Sie eine Nachricht."),
        ("fr", "Allô, qui est à l'appareil ?", "Vous êtes sur la messagerie de Paul, parlez après le bip."),
        ("es", "¿Dígame, quién habla?", "La persona a la que llama no está disponible, deje un mensaje tras la señal."),
    ],
)
def test_in_languages_whose_wording_it_does_not_know_phrases_tell(language, hello, tape):
    told, _ = judgements([*windows((480, 1888), until_ms=6000), words(hello, 480, 1888)], language)
    assert {one.category for one in told} == {AnsweredBy.HUMAN}
    assert told[0].decision is Decision.SPEAK
    told, _ = judgements([*windows((480, 4480), until_ms=9000), words(tape, 480, 4480)], language)
    assert (told[-1].category, told[-1].decision) == (AnsweredBy.MACHINE, Decision.HANG_UP)


# -- the short form of `make answers` --------------------------------------------------------------------------


@cache
def outcomes():
    stored = json.loads(Path(__file__).with_name("streams.json").read_text(encoding="utf-8"))
    return [outcome(one) for one in stored]


def test_nobody_is_hung_up_on():
    people = [one for one in outcomes() if one.category == "human"]
    assert len(people) >= 12
    assert [one.stored["name"] for one in people if one.hang_up_ms is not None] == []


def test_nearly_every_opening_is_told_for_what_it_is():
    wrong = [(one.stored["name"], one.final) for one in outcomes() if not one.is_right]
    assert len(wrong) <= MOST_WRONG, wrong


def test_most_machines_are_hung_up_on():
    machines = [one for one in outcomes() if one.category == "machine"]
    caught = [one for one in machines if one.hang_up_ms is not None]
    assert len(caught) >= LEAST_CAUGHT, [one.stored["name"] for one in machines if one.hang_up_ms is None]


def test_people_are_answered_soon():
    late = sorted(one.after_greeting_s for one in outcomes() if one.category == "human")
    assert late[len(late) // 2] <= 0.7


@pytest.mark.parametrize("kind", ["fax", "silence"])
def test_what_needs_no_person(kind):
    assert {one.final for one in outcomes() if one.category == kind} == {kind}
