"""The verdicts of a call, out of its events, with their instants on the recording."""

from datetime import UTC, datetime, timedelta

import pytest

from outdial.db.feed import Event
from outdial.history.verdicts import verdicts_in
from outdial.telephony.verdict import DEADLINE, AnsweredBy, WhoAnswered

ANSWERED = datetime(2026, 1, 1, 12, tzinfo=UTC)
AUDIO = ANSWERED + timedelta(milliseconds=250)
BEEP = "beep at 6.2 s, 1000 Hz"


def event(type_, category, *evidence, after_ms=None, by=None, **facts):
    who = WhoAnswered(category=AnsweredBy(category), evidence=evidence, after_answer_ms=after_ms, **facts)
    return Event(id=1, type=type_, data=who.to_json() | ({} if by is None else {"by": by}), at=ANSWERED)


def state(state, at=ANSWERED):
    return Event(id=1, type="state", data={"state": state}, at=at)


def told(*events, answered_at=ANSWERED, audio_at=AUDIO, told_at=ANSWERED):
    events = (state("in_progress", told_at), *events)
    return [
        (each["by"], each["category"], each["at_ms"], [(one["text"], one["heard_at_ms"]) for one in each["evidence"]])
        for each in verdicts_in(events, answered_at, audio_at)
    ]


def test_each_of_two_detectors_is_told_once():
    local = {"after_ms": 6700, "at_ms": 6440, "heard_ms": {BEEP: 6200}}
    assert told(
        event("verdict", "human", "twilio:human", after_ms=3400, by="carrier"),
        event("answered_by", "human", "twilio:human", after_ms=3400),
        event("verdict", "machine", BEEP, by="local", **local),
        event("answered_by", "machine", "twilio:human", BEEP, **local),
    ) == [
        ("carrier", "human", 3150, [("twilio:human", None)]),
        ("local", "machine", 6440, [(BEEP, 6200)]),  # by its own word, not by the carrier's clock
    ]


def test_of_one_detector_what_is_new_is_told():
    assert told(
        event("answered_by", "machine", "said 'leave a message'", after_ms=5250),
        event("answered_by", "machine", "said 'leave a message'", BEEP, after_ms=5250, heard_ms={BEEP: 6200}),
        event("answered_by", "machine", "said 'leave a message'", BEEP, after_ms=5250, message_end=True),
    ) == [
        ("local", "machine", 5000, [("said 'leave a message'", None)]),
        ("local", "machine", 5000, [(BEEP, 6200)]),
    ]


def test_the_rules_of_a_call_are_no_detector():
    assert told(event("answered_by", "unknown", DEADLINE, after_ms=30_000)) == [
        (None, "unknown", 29_750, [(DEADLINE, None)])
    ]


def test_a_dial_before_the_last_one_is_left_out():
    assert told(
        state("in_progress"), event("answered_by", "machine", "twilio:machine_start"), state("queued"),
        state("in_progress"), event("answered_by", "human", "twilio:human", after_ms=900),
    ) == [("carrier", "human", 650, [("twilio:human", None)])]  # fmt: skip


@pytest.mark.parametrize(
    ("answered_at", "told_at", "at_ms"),
    [
        (ANSWERED - timedelta(seconds=5), ANSWERED, 3150),  # a carrier's clock that is behind …
        (ANSWERED + timedelta(seconds=5), ANSWERED, 3400),  # … or fast
        (ANSWERED, AUDIO + timedelta(seconds=1), 3400),     # told when the audio had begun
    ],
)
def test_no_carriers_clock_moves_a_verdict_on_the_recording(answered_at, told_at, at_ms):
    found = event("answered_by", "human", "twilio:human", after_ms=3400)
    assert told(found, answered_at=answered_at, told_at=told_at) == [
        ("carrier", "human", at_ms, [("twilio:human", None)])
    ]


def test_without_audio_there_is_no_place_on_it():
    assert told(event("answered_by", "human", "twilio:human", after_ms=900), audio_at=None)[0][2] is None
