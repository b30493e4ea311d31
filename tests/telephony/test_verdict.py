"""Which of several verdicts wins. Through the database: tests/calls/test_advance.py."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from outdial.telephony.verdict import (
    DEADLINE,
    GATES,
    REPLY,
    WORDS,
    AnsweredBy,
    Verdict,
    WhoAnswered,
    is_settled,
    revised,
    waited_ms,
    without_speech,
)

ANSWERED_AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
HUMAN, MACHINE, FAX, UNKNOWN = AnsweredBy.HUMAN, AnsweredBy.MACHINE, AnsweredBy.FAX, AnsweredBy.UNKNOWN
SILENCE = AnsweredBy.SILENCE


def verdict(answered_by=MACHINE, *, after_s=2.0, **facts):
    return Verdict(answered_by=answered_by, at=ANSWERED_AT + timedelta(seconds=after_s), **facts)


def known(category, **facts):
    return WhoAnswered(category=category, **facts)


def test_the_first_verdict_is_held_with_its_time_after_the_answer():
    first = revised(None, verdict(evidence=("beep",), confidence=0.7, after_s=1.84), ANSWERED_AT)
    assert first == known(MACHINE, evidence=("beep",), confidence=0.7, after_answer_ms=1840)


def test_what_was_heard_when_is_kept_with_the_evidence_and_the_first_instant_of_a_category():
    first = verdict(evidence=("words",), at_ms=3000, heard_ms={"words": 1400}, is_ours=True)
    more = verdict(evidence=("words", "beep"), at_ms=7200, heard_ms={"words": 1500, "beep": 6200}, is_ours=True)
    held = revised(revised(None, first, ANSWERED_AT), more, ANSWERED_AT)
    assert (held.at_ms, held.heard_ms) == (3000, {"words": 1400, "beep": 6200})
    assert WhoAnswered.from_json(held.to_json()) == held
    assert known(MACHINE).to_json().keys() == {"category", "evidence", "confidence", "after_answer_ms", "message_end"}


@pytest.mark.parametrize(
    ("facts", "answered_at", "after_answer_ms"),
    [
        ({"detection_ms": 900}, ANSWERED_AT, 900),  # the carrier's own measure first
        ({"after_s": -1.0}, ANSWERED_AT, 0),        # clocks differ
        ({}, None, None),                           # nobody has told of the answer yet
        ({"detection_ms": 0}, None, 0),
    ],
)
def test_how_long_after_the_answer(facts, answered_at, after_answer_ms):
    assert revised(None, verdict(**facts), answered_at).after_answer_ms == after_answer_ms


@pytest.mark.parametrize("first", [HUMAN, MACHINE, FAX])
@pytest.mark.parametrize("later", list(AnsweredBy))
def test_a_verdict_that_says_something_stays(first, later):
    assert revised(known(first), verdict(later), ANSWERED_AT) is None


@pytest.mark.parametrize("later", [HUMAN, MACHINE, FAX])
def test_anything_is_more_than_unknown(later):
    second = revised(known(UNKNOWN, evidence=("not_sure",)), verdict(later, evidence=("beep",)), ANSWERED_AT)
    assert (second.category, second.evidence, second.after_answer_ms) == (later, ("not_sure", "beep"), 2000)
    assert revised(known(UNKNOWN), verdict(UNKNOWN), ANSWERED_AT) is None


@pytest.mark.parametrize("ours", [DEADLINE, REPLY])
def test_from_then_on_a_machine_is_only_noted(ours):
    for first in (None, known(UNKNOWN, evidence=("not_sure",), after_answer_ms=900)):
        held = revised(first, verdict(UNKNOWN, evidence=(ours,)), ANSWERED_AT)
        assert (held.category, held.evidence[-1]) == (UNKNOWN, ours)
        for category, word in ((MACHINE, "greeting"), (FAX, "tone"), (UNKNOWN, "silence")):
            before, held = held, revised(held, verdict(category, evidence=(word,), message_end=True), ANSWERED_AT)
            assert held == known(
                UNKNOWN, evidence=(*before.evidence, word), after_answer_ms=before.after_answer_ms
            )
            assert revised(held, verdict(category, evidence=(word,)), ANSWERED_AT) is None, "nothing new"


def test_silence_is_a_result_when_the_time_for_one_is_over():
    held = revised(known(SILENCE, evidence=("silence",)), verdict(UNKNOWN, evidence=(DEADLINE,)), ANSWERED_AT)
    assert held == known(SILENCE, evidence=("silence", DEADLINE))
    assert is_settled(held.category, held.evidence)
    assert revised(held, verdict(MACHINE), ANSWERED_AT) is None


@pytest.mark.parametrize("evidence", [("silence",), ("silence", DEADLINE)])
def test_who_answers_us_after_silence_is_unknown_however_late(evidence):
    held = known(SILENCE, evidence=evidence, confidence=0.9, after_answer_ms=900)
    replied = revised(held, verdict(UNKNOWN, evidence=(REPLY,), after_s=9), ANSWERED_AT)
    assert replied == known(UNKNOWN, evidence=(*evidence, REPLY), after_answer_ms=9000)
    assert revised(replied, verdict(MACHINE, evidence=("beep",)), ANSWERED_AT).category is UNKNOWN


@pytest.mark.parametrize("ours", [DEADLINE, REPLY])
def test_a_person_is_never_found_too_late(ours):
    held = known(UNKNOWN, evidence=(ours, "greeting"))
    assert revised(held, verdict(HUMAN, evidence=("voice",)), ANSWERED_AT) == known(
        HUMAN, evidence=(ours, "greeting", "voice"), after_answer_ms=2000
    )


@pytest.mark.parametrize("found", [MACHINE, FAX])
def test_a_machine_found_just_before_the_callee_answered_is_not_held(found):
    """The conversation heard the answer first, and went on."""
    held = known(found, evidence=("greeting",), confidence=0.7, after_answer_ms=900, message_end=True)
    assert revised(held, verdict(UNKNOWN, evidence=(REPLY,)), ANSWERED_AT) == known(
        UNKNOWN, evidence=("greeting", REPLY), after_answer_ms=900
    )
    assert revised(held, verdict(UNKNOWN, evidence=(DEADLINE,)), ANSWERED_AT) is None, "it was found in time"
    assert revised(known(HUMAN), verdict(UNKNOWN, evidence=(REPLY,)), ANSWERED_AT) is None


def test_that_a_message_can_be_left_now_is_added_once():
    first = known(MACHINE, evidence=("greeting",), after_answer_ms=900)
    later = verdict(message_end=True, evidence=("beep", "greeting"), detection_ms=4000)
    second = revised(first, later, ANSWERED_AT)
    assert second == known(MACHINE, evidence=("greeting", "beep"), after_answer_ms=900, message_end=True)
    assert revised(second, later, ANSWERED_AT) is None
    assert revised(known(HUMAN), later, ANSWERED_AT) is None


def test_a_beep_is_news_of_a_machine_that_takes_a_message_already():
    silent = known(MACHINE, evidence=("silence",), message_end=True)
    beep = verdict(message_end=True, beeped=True, evidence=("beep",))
    held = revised(silent, beep, ANSWERED_AT)
    assert held == known(MACHINE, evidence=("silence", "beep"), message_end=True, beeped=True)
    assert revised(held, beep, ANSWERED_AT) is None
    assert revised(held, verdict(message_end=True, is_ours=True, evidence=("words",)), ANSWERED_AT).beeped
    assert not revised(held, verdict(UNKNOWN, evidence=(REPLY,)), ANSWERED_AT).beeped


@pytest.mark.parametrize(
    "held",
    [
        known(UNKNOWN),
        known(MACHINE, evidence=("beep", "greeting"), confidence=0.5, after_answer_ms=1, message_end=True),
        known(MACHINE, message_end=True, beeped=True),
    ],
)
def test_what_is_held_is_stored_and_read(held):
    assert WhoAnswered.from_json(held.to_json()) == held


def test_less_is_read_as_well():
    assert WhoAnswered.from_json({"category": "fax"}) == known(FAX)


@pytest.mark.parametrize("gate", sorted(GATES))
@pytest.mark.parametrize("later", list(AnsweredBy))
@pytest.mark.parametrize("evidence", [WORDS, "twilio:machine_start", DEADLINE])
def test_only_its_words_tell_of_a_voicemail_behind_a_screening_service(gate, later, evidence):
    held = revised(known(gate, evidence=(WORDS,)), verdict(later, evidence=(evidence,)), ANSWERED_AT)
    if (later, evidence) == (MACHINE, WORDS):
        assert (held.category, held.evidence) == (MACHINE, (WORDS,))
    else:
        assert held is None


@pytest.mark.parametrize(
    ("category", "evidence", "settled"),
    [
        (HUMAN, (), True), (MACHINE, (), True), (FAX, (), True), (AnsweredBy.SCREENING, (WORDS,), False),
        (UNKNOWN, (), False), (UNKNOWN, (DEADLINE,), True), (UNKNOWN, ("twilio:unknown", REPLY), True),
    ],
)  # fmt: skip
def test_when_words_tell_nothing_any_more(category, evidence, settled):
    assert is_settled(category, evidence) is settled


# -- our own detector --------------------------------------------------------------------------------------------

NETWORK, SILENCE = AnsweredBy.NETWORK, AnsweredBy.SILENCE


@pytest.mark.parametrize("later", [MACHINE, NETWORK, FAX])
def test_who_has_heard_more_takes_back_that_it_was_a_person(later):
    person = known(HUMAN, evidence=("said hello",), after_answer_ms=1500)
    second = revised(person, verdict(later, revises=True, evidence=("beep at 6.2 s, 1000 Hz",), after_s=7), ANSWERED_AT)
    assert (second.category, second.after_answer_ms) == (later, 7000)
    assert second.evidence == ("said hello", "beep at 6.2 s, 1000 Hz")


@pytest.mark.parametrize("later", [HUMAN, SILENCE, UNKNOWN, AnsweredBy.SCREENING])
def test_it_takes_it_back_for_nothing_but_a_machine(later):
    assert revised(known(HUMAN), verdict(later, revises=True), ANSWERED_AT) is None


def test_a_callee_who_has_answered_us_stays_a_person():
    person = known(HUMAN, evidence=(REPLY,))
    noted = revised(person, verdict(MACHINE, revises=True, evidence=("beep",)), ANSWERED_AT)
    assert (noted.category, noted.evidence) == (HUMAN, (REPLY, "beep"))


@pytest.mark.parametrize("later", [HUMAN, MACHINE, FAX, NETWORK])
def test_anything_is_more_than_silence(later):
    assert revised(known(SILENCE), verdict(later), ANSWERED_AT).category is later


def test_silence_is_more_than_unknown_and_settles_nothing():
    assert revised(known(UNKNOWN), verdict(SILENCE), ANSWERED_AT).category is SILENCE
    assert revised(known(SILENCE), verdict(UNKNOWN), ANSWERED_AT) is None
    assert not is_settled(SILENCE, ())
    assert is_settled(SILENCE, (DEADLINE,))


def test_a_machine_that_is_found_after_silence_and_the_deadline_is_noted():
    late = revised(known(SILENCE, evidence=(DEADLINE,)), verdict(MACHINE, evidence=("beep",)), ANSWERED_AT)
    assert (late.category, late.evidence) == (SILENCE, (DEADLINE, "beep"))


@pytest.mark.parametrize("service", [AnsweredBy.SCREENING, AnsweredBy.MENU])
def test_a_service_that_our_own_detector_hears_takes_the_place_of_a_person_who_has_not_answered_us(service):
    ours = verdict(service, is_ours=True)
    assert revised(known(HUMAN), ours, ANSWERED_AT).category is service
    assert revised(known(HUMAN), verdict(service), ANSWERED_AT) is None, "a carrier's doesn't"
    replied = revised(known(HUMAN, evidence=(REPLY,)), ours, ANSWERED_AT)
    assert replied is None or replied.category is HUMAN


def test_what_our_own_detector_adds_on_a_machine_takes_nothing_away():
    held = known(MACHINE, evidence=("said 'leave a message'",), message_end=True)
    more = verdict(MACHINE, is_ours=True, evidence=("said 'mailbox is full'",))
    new = revised(held, more, ANSWERED_AT)
    assert new.evidence == ("said 'leave a message'", "said 'mailbox is full'")
    assert new.message_end
    assert revised(new, more, ANSWERED_AT) is None


def test_without_speech_stays_what_was_not_said():
    said = verdict(evidence=("said 'leave it'", "beep at 6.2 s"), heard_ms={"said 'leave it'": 4200})
    assert without_speech(said) == replace(said, evidence=("beep at 6.2 s",), heard_ms={})


@pytest.mark.parametrize("gate", sorted(GATES))
def test_who_has_answered_us_behind_a_service_is_no_voicemail(gate):
    through = revised(known(gate, evidence=("said 'press one'",)), verdict(UNKNOWN, evidence=(REPLY,)), ANSWERED_AT)
    assert (through.category, through.evidence) == (gate, ("said 'press one'", REPLY))
    later = revised(through, verdict(MACHINE, evidence=(WORDS,)), ANSWERED_AT)
    assert (later.category, later.evidence) == (gate, ("said 'press one'", REPLY, WORDS))


@pytest.mark.parametrize("gate", sorted(GATES))
@pytest.mark.parametrize(
    ("heard", "is_guess"),
    [((), True), (("worded like a menu",), True), (("said 'press one'",), False), ((WORDS,), False)],
)
def test_what_only_sounds_like_a_service_may_still_be_somebody_else(gate, heard, is_guess):
    held = known(gate, evidence=heard)
    surely = revised(held, verdict(MACHINE, evidence=("beep",), revises=True, is_ours=True), ANSWERED_AT)
    at_end = revised(held, verdict(HUMAN, evidence=("said hello",), is_ours=True, at_end=True), ANSWERED_AT)
    through = revised(held, verdict(UNKNOWN, evidence=(REPLY,)), ANSWERED_AT)
    person = revised(through, verdict(HUMAN, evidence=("said hello",), is_ours=True, at_end=True), ANSWERED_AT)
    assert [one and one.category for one in (surely, at_end, person)] == (
        [MACHINE, HUMAN, HUMAN] if is_guess else [None, None, None]
    )
    machine = revised(through, verdict(MACHINE, evidence=("beep",), revises=True, is_ours=True), ANSWERED_AT)
    assert (machine.category, machine.evidence) == (gate, (*heard, REPLY, "beep"))


@pytest.mark.parametrize(
    ("category", "evidence", "then"),
    [
        (UNKNOWN, (), MACHINE), (UNKNOWN, (DEADLINE,), MACHINE), (SILENCE, (), MACHINE), (HUMAN, (), MACHINE),
        (UNKNOWN, (REPLY,), UNKNOWN), (HUMAN, (REPLY,), HUMAN),
    ],
)  # fmt: skip
def test_a_machine_that_nobody_was_certain_of_is_one_at_the_end_of_a_call_without_a_reply(category, evidence, then):
    late = verdict(MACHINE, evidence=("said 'mailbox'",), revises=True, is_ours=True, at_end=True)
    held = revised(known(category, evidence=evidence), late, ANSWERED_AT)
    assert (held.category, held.evidence) == (then, (*evidence, "said 'mailbox'"))


@pytest.mark.parametrize(
    ("by_carrier_ms", "told_ago_ms", "waited"),
    [(1800, 1750, 1750), (900, 1750, 900), (6800, 1750, 1750), (-3200, 1750, 0), (None, 1750, 0), (1800, None, 0)],
)
def test_a_callee_has_waited_no_longer_than_we_know_ourselves(by_carrier_ms, told_ago_ms, waited):
    assert waited_ms(by_carrier_ms, told_ago_ms) == waited
