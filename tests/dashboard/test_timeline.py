from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.dashboard.answer_marks import evidence_in_words
from outdial.dashboard.latency import WIDTH, latencies
from outdial.dashboard.timeline import timeline
from outdial.dashboard.words import is_keys, pretty_body
from outdial.db.feed import Event

NINE = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)


def happened(*events):
    """(type, data) a second apart, from nine o'clock on."""
    return [
        Event(id=place, type=type_, data=data, at=NINE + timedelta(seconds=place))
        for place, (type_, data) in enumerate(events)
    ]


def call(*dials, hang_up_requested_at=None):
    nothing = {"ringing_at": None, "answered_at": None, "ended_at": None, "carrier": "telnyx"}
    attempts = [nothing | {"number": number} | dial for number, dial in enumerate(dials, 1)]
    return {"attempts": attempts, "hang_up_requested_at": hang_up_requested_at}


def state(name, **more):
    return "state", {"state": name, **more}


def test_a_call_is_told_from_its_acceptance_to_its_end():
    error = {"code": "number_not_in_service", "message": "There is no such number."}
    end = state("ended", attempt=1, end_reason="failed", error=error)
    steps = timeline(call({}), happened(state("queued"), state("dialing", attempt=1), end))
    assert [step.text for step in steps] == ["Accepted", "Dialled by Telnyx", "Ended: failed"]
    assert (steps[-1].tone, steps[-1].detail) == ("bad", "There is no such number.")


def test_who_ended_a_completed_call_is_told_and_an_outcome_that_is_known_later():
    end = state("ended", attempt=1, end_reason="completed", ended_by="callee", outcome="hung_up_early")
    steps = timeline(call({}), happened(state("queued"), end, ("outcome", {"outcome": "moved", "ended_by": "agent"})))
    assert [step.text for step in steps[1:]] == ["Ended: completed by the other party", "Outcome now: moved"]


def test_each_of_two_detectors_is_told_whenever_it_says_another_thing():
    events = [
        ("verdict", {"by": by, "category": category})
        for by, category in (("carrier", "human"), ("local", "human"), ("carrier", "human"), ("local", "machine"))
    ]
    again = state("queued", attempt=1, attempt_end_reason="machine")
    steps = timeline(call({}), happened(state("queued"), *events, again, events[0]))
    assert [step.text for step in steps if "says" in step.text] == [
        "The carrier says: human", "Outdial says: human", "Outdial says: machine", "The carrier says: human",
    ]  # fmt: skip


def test_that_a_person_listened_in_and_whispered_is_told():
    events = [("listener_joined", {}), ("whispered", {"chars": 20}), ("listener_left", {"listened_s": 41.2})]
    steps = timeline(call({}), happened(state("queued"), *events))
    assert [(step.text, step.detail) for step in steps[1:]] == [
        ("A person began to listen in", ""),
        ("Whispered to the agent", ""),
        ("A person stopped listening in", "After 0:41."),
    ]


def test_what_the_carrier_dated_is_shown_when_it_was():
    dialed = call({"ringing_at": "2026-01-31T08:59:58Z"})
    steps = timeline(dialed, happened(state("queued"), state("ringing", attempt=1)))
    assert steps[1].at == NINE - timedelta(seconds=2)


def test_attempts_are_numbered_where_there_are_several_and_the_next_one_is_told():
    later = (NINE + timedelta(minutes=30)).isoformat()
    steps = timeline(
        call({}, {}),
        happened(
            state("queued"),
            state("dialing", attempt=1),
            state("queued", attempt=1, attempt_end_reason="busy", next_attempt_at=later),
            state("dialing", attempt=2),
        ),
    )
    assert [step.text for step in steps[1:]] == [
        "Dialled by Telnyx, attempt 1",
        "Busy, attempt 1; to be dialled again",
        "Dialled by Telnyx, attempt 2",
    ]
    assert steps[2].until == NINE + timedelta(minutes=30)


def test_what_was_noted_is_told_and_what_could_not_be_kept():
    values = [
        {"name": "when", "reason": "is or holds what JSON has no word for (date)", "cut": False},
        {"name": "words", "reason": "is larger than 16000 bytes", "cut": True},
    ]
    events = [("noted", {"values": {"outcome": "moved", "day": 2}}), ("noted_dropped", {"count": 9, "values": values})]
    noted, dropped = timeline(call({}), happened(*events))
    assert (noted.text, noted.detail) == ("Noted", "outcome, day")
    assert (dropped.text, dropped.tone) == ("Noted values dropped or cut", "warn")
    assert dropped.detail == (
        "when is or holds what JSON has no word for (date); words is larger than 16000 bytes (cut); and 7 more"
    )


def test_a_wish_to_hang_up_stands_where_it_belongs():
    asked = (NINE + timedelta(seconds=1, milliseconds=500)).isoformat()
    steps = timeline(
        call({}, hang_up_requested_at=asked), happened(state("queued"), state("dialing", attempt=1), state("ended"))
    )
    assert [step.text for step in steps] == ["Accepted", "Dialled by Telnyx", "Hang-up asked for", "Ended: ended"]


def test_what_a_model_did_is_told():
    steps = timeline(
        call(),
        happened(
            ("tool", {"tool": "note", "arguments": {"names": ["day", "time"]}, "done": True}),
            ("tool", {"tool": "hang_up", "arguments": {"outcome": "confirmed"}, "done": False}),
            ("model_failed", {"model": "m", "error": "timeout"}),
            ("sound_failed", {"error": "http_404"}),
            ("agent_limit", {"limit": "turns"}),
            ("understood", {"model": "m", "answer": "early", "total_ms": 310, "tokens": 40}),
            ("understood", {"model": "m", "answer": None, "total_ms": 4000, "tokens": 0}),
        ),
    )
    assert [(step.text, step.detail) for step in steps] == [
        ("Tool used: note", "names: day, time"),
        ("Tool not used: hang_up", "The callee began to speak."),
        ("Model failed", "m: timeout"),
        ("Sound file not played", "http_404"),
        ("Reached the agent's limit of turns", ""),
        ("Understood by the model: early", "m, 310 ms"),
        ("Understood by the model: none of the answers", "m, 4000 ms"),
    ]


def test_what_a_brain_elsewhere_did_is_told():
    steps = timeline(
        call(),
        happened(
            ("brain_connected", {"after_ms": 80, "attempt": 2}),
            ("brain_lost", {"error": "closed_1011"}),
            ("brain", {"first_word_ms": 300}),
            ("brain_transfer", {"to": "desk", "done": True}),
            ("brain_transfer", {"to": "call-forward", "done": True, "left_out": "extension"}),
            ("brain_language", {"spoken": "es-ES", "heard": "es-MX"}),
            ("brain_failed", {"error": "no_answer"}),
        ),
    )
    assert [(step.text, step.detail) for step in steps] == [
        ("Agent's server connected", "Attempt 2, 80 ms"),
        ("Agent's server lost", "closed_1011"),
        ("Agent's server answered", "300 ms"),
        ("Agent's server wants a transfer: desk", ""),
        ("Agent's server wants a transfer: call-forward", "The extension was left out."),
        ("Agent's server changed the language", "spoken: es-ES, heard: es-MX"),
        ("Agent's server failed", "no_answer"),
    ]


@given(st.text(max_size=20), st.dictionaries(st.sampled_from(["count", "names", "category"]), st.just([1])))
def test_events_nobody_knows_are_told_in_their_own_word(type_, data):
    if type_ != "state":
        assert len(timeline(call(), happened((type_, data)))) == 1


def turn(start_ms, **latency):
    return {"start_ms": start_ms, "latency": latency or None}


def test_the_longest_wait_has_the_longest_bar():
    found = latencies([turn(0), turn(100, silence=400, synthesis=100, total=500), turn(900, silence=1000, total=1000)])
    assert (found.median_ms, found.worst_ms) == (750, 1000)
    assert [[block.width for block in bar.blocks] for bar in found.bars] == [[160, 0, 0, 0, 40], [WIDTH, 0, 0, 0, 0]]
    assert found.bars[0].blocks[4].x == 160


def test_without_a_reply_there_is_no_latency():
    assert latencies([turn(0)]) is None


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        ("twilio:machine_end_beep", "Twilio heard a machine, and its beep."),
        ("deadline", "No result came in time."),
        ("vonage:subliminal", "Vonage heard “subliminal”."),
        ("something", "something"),
        ("said 'leave a message'", "Said 'leave a message'."),
        ("beep at 6.2 s, 1000 Hz", "Beep at 6.2 s, 1000 Hz."),
    ],
)
def test_evidence_is_told_in_words(evidence, words):
    assert evidence_in_words(evidence) == words


@pytest.mark.parametrize("text", ["[1]", "[#]", "[pressed 16 digits]"])
def test_keys_are_told_from_words(text):
    assert is_keys(text)
    assert not is_keys(f"I said {text}")


@given(st.text(max_size=40))
def test_any_body_can_be_shown(text):
    assert isinstance(pretty_body(text), str)


def test_what_becomes_of_a_transfer_is_told():
    to = {"to": "+15551230009", "duration_s": None, "error": None}
    error = {"code": "no_route", "message": "There is no route."}
    steps = timeline(
        call({}),
        happened(
            ("transfer", to | {"result": None}),
            ("transfer", to | {"result": "no_answer"}),
            ("transfer", to | {"result": "failed", "error": error}),
            ("transfer", to | {"result": "answered"}),
            ("transfer", to | {"result": "answered", "duration_s": 72.0}),
            ("transferred", {}),
        ),
    )
    assert [(step.text, step.detail) for step in steps] == [
        ("Being transferred to +15551230009; the agent leaves", ""),
        ("Transfer to +15551230009: no answer", ""),
        ("Transfer to +15551230009: failed", "There is no route."),
        ("Transfer to +15551230009: answered", ""),
        ("+15551230009 has left", "Talked for 1:12."),
        ("Transferred; the agent left the call", ""),
    ]


def test_what_becomes_of_a_warm_transfer_is_told():
    to = {"to": "+15551230009", "duration_s": None, "error": None, "warm": True, "accepted_by": None}
    steps = timeline(
        call({}),
        happened(
            ("transfer", to | {"result": None}),
            ("transfer", to | {"result": "voicemail"}),
            ("transfer", to | {"result": "answered", "accepted_by": "key"}),
            ("transfer", to | {"result": "answered", "accepted_by": "words"}),
            ("transfer", to | {"result": "answered", "accepted_by": "key", "duration_s": 72.0}),
        ),
    )
    assert [step.text for step in steps] == [
        "+15551230009 is asked to take the call; the callee waits",
        "Transfer to +15551230009: nobody took it",
        "+15551230009 took the call with a key, and is connected",
        "+15551230009 took the call in words, and is connected",
        "+15551230009 has left",
    ]
