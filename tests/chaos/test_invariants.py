"""Each invariant finds what breaks it, in books that are whole but for that."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chaos.evidence import Attempt, Books, Call, Evidence, LogLine, Phone, Pool
from chaos.invariants import CHECKS, check_all
from chaos.receiver import Told
from chaos.schedule import Kind
from chaos.server import EndedByItself
from chaos.store import HEADER_BYTES, Stored
from chaos.throwing import Thrown
from chaos.traffic import Request

BEGAN = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
KEY = "odk_secret-of-a-customer"


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def request(number: int, **other: Any) -> Request:
    told = {"key": f"key-{number}", "to": f"+155500{number:03}00", "attempts": 1, "sent": 1, "call_ids": [f"c{number}"]}
    return Request(**told | other)


def call(number: int, **other: Any) -> Call:
    told = {
        "id": f"c{number}", "direction": "outbound", "state": "ended", "end_reason": "completed", "error": None,
        "to": f"+155500{number:03}00", "key": f"key-{number}", "holds_line": False, "created_at": at(number),
        "recording": f"ws/c{number}/c{number}.wav", "turns": 2,
    }  # fmt: skip
    return Call(**told | other)


def attempt(serial: int, **other: Any) -> Attempt:
    told = {
        "id": f"a{serial}", "call_id": f"c{serial}", "number": 1, "carrier_call_id": f"p{serial}", "state": "ended",
        "end_reason": "completed", "error": None, "owner": None, "was_unknown": False, "created_at": at(serial),
        "answered_at": at(serial + 3), "ended_at": at(serial + 9),
    }  # fmt: skip
    return Attempt(**told | other)


def phone(number: int, **other: Any) -> Phone:
    told = {
        "id": f"p{number}", "direction": "outbound-api", "to": f"+155500{number:03}00", "state": "completed",
        "was_dialled": True, "answered_at": at(number + 3), "ended_at": at(number + 9),
    }  # fmt: skip
    return Phone(**told | other)


def recording(number: int, **other: Any) -> Stored:
    return Stored(**{"name": f"ws/c{number}/c{number}.wav", "size": HEADER_BYTES + 800, "audio_bytes": 800} | other)


def told(number: int, sequence: int, **other: Any) -> Told:
    """That a call was answered, or with its second event that it ended."""
    type_, reason = ("call.answered", None) if sequence == 1 else ("call.ended", "busy" if number == 5 else "completed")
    event = {"id": f"e{number}-{sequence}", "type": type_, "call_id": f"c{number}", "sequence": sequence}
    return Told(**event | {"end_reason": reason} | other)


def line(message: str, **other: Any) -> LogLine:
    return LogLine(**{"server": "A", "level": "info", "message": message, "exception": "", "text": message} | other)


BUSY = {"answered_at": None, "ended_at": at(3)}
ENDED = EndedByItself(
    server="B",
    exit_code=1,
    started_at=at(2).timestamp(),
    at=at(4).timestamp(),
    had_served=True,
    last_words="WorkerLost",
)
THROWN = Thrown(kind=Kind.KILL, server="A", since=at(2).timestamp(), until=at(5).timestamp())
LATER = replace(THROWN, since=at(60).timestamp(), until=at(65).timestamp())
WHOLE = Evidence(
    books=Books(
        calls=[
            *(call(number) for number in range(1, 5)),
            call(5, end_reason="busy", recording=None, turns=0),
            call(6, direction="inbound", key=None, to="+15551230002"),
        ],
        attempts=[
            *(attempt(number) for number in range(1, 5)),
            attempt(5, end_reason="busy", **BUSY),
            attempt(6),
        ],
        pools=[Pool(used_outbound=0, used_inbound=0)],
        taken_seats=[],
        unhandled_callbacks=0,
        untold=0,
        moved=100,
    ),
    phones=[
        *(phone(number) for number in range(1, 5)),
        phone(5, state="busy", **BUSY),
        phone(6, direction="inbound", to="+15551230002"),
    ],
    requests=[request(number) for number in range(1, 6)],
    log=[line("Call claimed")],
    thrown=[THROWN],
    seated={f"a{number}": ["B"] for number in range(1, 7)},
    stored=[recording(number) for number in (1, 2, 3, 4, 6)],
    told=[told(number, sequence) for sequence in (1, 2) for number in range(1, 7)],
    secrets=[KEY],
)
POWER_CUT = replace(THROWN, kind=Kind.POWER_CUT, server="B", since=at(8).timestamp(), until=at(30).timestamp())


def with_call(number: int, **other: Any) -> Evidence:
    calls = [replace(each, **other) if each.id == f"c{number}" else each for each in WHOLE.books.calls]
    return replace(WHOLE, books=replace(WHOLE.books, calls=calls))


def with_attempt(number: int, **other: Any) -> Evidence:
    attempts = [replace(each, **other) if each.id == f"a{number}" else each for each in WHOLE.books.attempts]
    return replace(WHOLE, books=replace(WHOLE.books, attempts=attempts))


def with_phone(number: int, **other: Any) -> Evidence:
    return replace(
        WHOLE, phones=[replace(each, **other) if each.id == f"p{number}" else each for each in WHOLE.phones]
    )


def with_request(number: int, **other: Any) -> Evidence:
    requests = [request(n, **other) if n == number else request(n) for n in range(1, 6)]
    return replace(WHOLE, requests=requests)


def with_told(number: int, sequence: int, *instead: Told) -> Evidence:
    kept = [each for each in WHOLE.told if each.id != f"e{number}-{sequence}"]
    return replace(WHOLE, told=[*kept, *instead])


def with_stored(number: int, *instead: Stored) -> Evidence:
    kept = [each for each in WHOLE.stored if each.name != f"ws/c{number}/c{number}.wav"]
    return replace(WHOLE, stored=[*kept, *instead])


def one_more_phone(evidence: Evidence = WHOLE, **other: Any) -> Evidence:
    return replace(evidence, phones=[*evidence.phones, phone(99, **other)])


def with_log(*lines: LogLine) -> Evidence:
    return replace(WHOLE, log=lines)


def traceback(raised: str) -> str:
    return f'Traceback (most recent call last):\n  File "a.py", line 1, in b\n    c()\n{raised}\n'


# What is doctored, which invariants find it, and a word of what they tell.
DOCTORED: dict[str, tuple[Evidence, set[str], str]] = {
    "somebody is dialled twice": (
        one_more_phone(to="+15550000100"),
        {
            "Nobody is dialled twice for one attempt",
            "Nobody is dialled more often than was asked for",
            "Every dial of the carrier belongs to an attempt",
        },
        "c1",
    ),
    "an attempt was taken for never placed, wrongly": (
        replace(
            one_more_phone(to="+15550000100"),
            requests=[request(1, attempts=2), *(request(n) for n in range(2, 6))],
            books=replace(
                WHOLE.books,
                attempts=[
                    *WHOLE.books.attempts,
                    attempt(98, call_id="c1", number=2, carrier_call_id=None, error="never_placed"),
                ],
            ),
        ),
        {"Nobody is dialled twice for one attempt", "Every dial of the carrier belongs to an attempt"},
        "c1",
    ),
    "one dial more than the retries that were asked for": (
        replace(
            one_more_phone(to="+15550000100"),
            books=replace(
                WHOLE.books, attempts=[*WHOLE.books.attempts, attempt(99, call_id="c1", number=2)]
            ),
        ),
        {"Nobody is dialled more often than was asked for"},
        "c1",
    ),
    "somebody is called of whom the books know nothing": (
        one_more_phone(to="+15559999900"), {"Every dial of the carrier belongs to an attempt"}, "p99",
    ),
    "a request was never answered": (
        with_request(1, call_ids=[], sent=12), {"Every request is answered"}, "key-1",
    ),
    "a request was refused": (
        with_request(1, call_ids=[], refused="422 invalid"), {"Every request is answered"}, "422",
    ),
    "an accepted call is not in the books": (
        with_request(1, call_ids=["c77"]), {"No accepted call is lost", "One key makes one call"}, "c77",
    ),
    "a call has not ended": (with_call(1, state="queued"), {"No accepted call is lost"}, "c1: still queued"),
    "a call has no reason": (with_call(1, end_reason=None), {"No accepted call is lost"}, "c1"),
    "an outcome is unknown without a cause": (
        with_attempt(1, error="outcome_unknown"), {"An unknown outcome has a cause"}, "c1",
    ),
    "a key has two calls": (with_call(1, key="key-2"), {"One key makes one call"}, "c1, c2"),
    "an answer names another call": (with_request(1, call_ids=["c1", "c2"]), {"One key makes one call"}, "c1, c2"),
    "nobody asked for a call": (with_call(1, key="key-77"), {"One key makes one call"}, "c1"),
    "a call holds its line": (with_call(1, holds_line=True), {"No line is left in use"}, "c1"),
    "a pool has a line in use": (
        replace(WHOLE, books=replace(WHOLE.books, pools=[Pool(used_outbound=1, used_inbound=0)])),
        {"No line is left in use"},
        "1 outbound",
    ),
    "a pool was corrected": (
        with_log(line("Pool counter corrected", level="error")),
        {"The pool's counters were always right"},
        "Pool counter",
    ),
    "an attempt is live": (with_attempt(1, state="ringing"), {"No attempt is left live"}, "c1"),
    "a callback waits": (
        replace(WHOLE, books=replace(WHOLE.books, unhandled_callbacks=2)), {"Every callback is handled"}, "2",
    ),
    "a phone is up": (with_phone(1, state="in-progress", ended_at=None), {"Every phone is hung up"}, "p1"),
    "a recording is unfinished": (
        replace(WHOLE, left_files=["data/recordings/c1.wav.part"]), {"No file is left unfinished"}, "c1.wav.part",
    ),
    "an answer is not in the books": (
        with_attempt(1, answered_at=None, end_reason="no_answer"),
        {"Books and carrier agree on who answered"},
        "c1",
    ),
    "an answer is in the books alone": (
        with_phone(1, answered_at=None, state="no-answer"), {"Books and carrier agree on who answered"}, "c1",
    ),
    "a call is longer in the books": (
        with_attempt(1, ended_at=at(100)), {"Books and carrier agree on how long it took"}, "c1: 96.0 s",
    ),
    "a call is shorter in the books": (
        with_phone(1, ended_at=at(100)), {"Books and carrier agree on how long it took"}, "at the carrier 96.0 s",
    ),
    "a process ended": (
        replace(WHOLE, ended_by_itself=[ENDED]),
        {"No process ends by itself"},
        "B: exit code 1",
    ),
    "a process does not come up": (
        replace(WHOLE, ended_by_itself=[replace(ENDED, had_served=False)]),
        {"No process ends by itself"},
        "B: exit code 1",
    ),
    "a process hangs": (
        replace(WHOLE, not_ready=["A"]), {"Every process serves again, and stops when asked"}, "A",
    ),
    "a process does not stop": (
        replace(WHOLE, not_stopped=["A"]), {"Every process serves again, and stops when asked"}, "A",
    ),
    "a fault of ours is logged": (
        with_log(line("Sweep failed; trying again", exception=traceback("KeyError: 'a'"))),
        {"Logs tell no fault of our own"},
        "KeyError",
    ),
    "a process left a traceback": (
        with_log(line("Traceback (most recent call last):")), {"Logs tell no fault of our own"}, "Traceback",
    ),
    "a number is logged": (
        with_log(line("Dial of +15550000100 refused")), {"Logs tell no number and no secret"}, "a number",
    ),
    "a number is in an exception": (
        with_log(line("Dial failed", exception=traceback("psycopg.OperationalError: (15550000100)"))),
        {"Logs tell no number and no secret"},
        "a number",
    ),
    "a secret is logged": (
        with_log(line("Request refused", text=f'{{"key": "{KEY}"}}')), {"Logs tell no number and no secret"}, "secret",
    ),
    "a link that lets somebody in is logged": (
        with_log(line("Sign in: http://127.0.0.1:8080/sign-in/token")), {"Logs tell no number and no secret"}, "secret",
    ),
    "the way into a call's audio is logged": (
        with_log(line("Stream", text="ws://127.0.0.1:8080/media/twilio/att_1/token")),
        {"Logs tell no number and no secret"},
        "secret",
    ),
    "a seat is taken": (
        replace(WHOLE, books=replace(WHOLE.books, taken_seats=["a1"])), {"No seat is left taken"}, "a1",
    ),
    "a seat had to be given back": (
        with_log(line("Seats given back: their calls are over", level="error")), {"No seat is left taken"}, "A: Seats",
    ),
    "a talk is cut where nothing was thrown": (
        with_attempt(1, error="interrupted"), {"A talk is cut only with its host"}, "c1: interrupted at B",
    ),
    "a talk is cut with the database": (
        replace(
            with_attempt(1, error="interrupted"),
            thrown=[
                replace(THROWN, kind=Kind.FAILOVER, server=None), replace(THROWN, kind=Kind.CLOCK_JUMP, server="B")
            ],
        ),
        {"A talk is cut only with its host"},
        "c1: interrupted at B",
    ),
    "a talk that was cut is told completed": (
        replace(with_phone(1, ended_at=at(20)), thrown=[POWER_CUT]),
        {"No talk that was cut is told completed"},
        "c1: completed, and its host B was gone (power cut)",
    ),
    "a recording is nowhere": (with_stored(1), {"Every recording is in the store, and whole"}, "c1: its recording"),
    "a recording lacks its end": (
        with_stored(1, recording(1, size=500)), {"Every recording is in the store, and whole"}, "c1: 500 bytes",
    ),
    "a talk was not recorded": (
        with_call(5, turns=3), {"Every talk has its recording"}, "c5: 3 turns",
    ),
    "a recording is nobody's": (
        with_stored(77, recording(77)), {"Every recording is a call's"}, "ws/c77/c77.wav",
    ),
    "what a call did is told in the wrong order": (
        with_told(1, 1, told(1, 1)), {"Webhooks of a call come in order"}, "c1: call.answered",
    ),
    "an end is not told": (with_told(1, 2), {"Every end is told, once and as it was"}, "c1: its end was told 0 times"),
    "an end is told twice": (
        with_told(1, 2, told(1, 2), told(1, 3, type="call.ended")),
        {"Every end is told, once and as it was"},
        "c1: its end was told 2 times",
    ),
    "another end is told than the books have": (
        with_told(1, 2, told(1, 2, end_reason="no_answer")),
        {"Every end is told, once and as it was"},
        "c1: told no_answer",
    ),
    "something waits to be told": (
        replace(WHOLE, books=replace(WHOLE.books, untold=3)), {"Every end is told, once and as it was"}, "3 webhooks",
    ),
    "nobody answered": (replace(WHOLE, phones=WHOLE.phones[4:5]), {"Something was tried"}, "only 0 phones"),
    "nothing was thrown": (replace(WHOLE, thrown=[]), {"Something was tried"}, "nothing was thrown"),
}  # fmt: skip


def broken(evidence: Evidence) -> dict[str, str]:
    return {finding.name: "\n".join(finding.broken) for finding in check_all(evidence) if not finding.holds}


def test_whole_books_break_nothing():
    assert broken(WHOLE) == {}


@pytest.mark.parametrize("name", DOCTORED)
def test_what_is_doctored_is_found(name: str):
    evidence, names, word = DOCTORED[name]
    found = broken(evidence)
    assert found.keys() == names
    assert word in "\n".join(found.values())


def test_every_invariant_is_broken_once():
    assert set().union(*(names for _, names, _ in DOCTORED.values())) == CHECKS.keys()


# -- what is no break ------------------------------------------------------------------------------------------


UNLINKED = {"carrier_call_id": None, "error": "outcome_unknown", "was_unknown": True}
ALLOWED: dict[str, Callable[[], Evidence]] = {
    "a process that can't come up without its database": lambda: replace(
        WHOLE,
        ended_by_itself=[replace(ENDED, had_served=False)],
        thrown=[replace(THROWN, kind=Kind.DATABASE_FREEZE, server=None)],
    ),
    "a dial of unknown outcome, and its phone": lambda: with_attempt(1, **UNLINKED),
    "an outcome that the carrier could not tell": lambda: replace(
        with_attempt(1, error="not_known_there"),
        thrown=[replace(THROWN, kind=Kind.CARRIER_UNREACHABLE)],
    ),
    "an end that nobody could hear of": lambda: replace(
        with_attempt(1, ended_at=at(100)),
        thrown=[THROWN, LATER],
    ),
    "an answer of less than a second": lambda: with_phone(1, answered_at=at(9), ended_at=at(9.4)),
    "no audio and no instant of the answer": lambda: with_attempt(1, answered_at=None, error="no_media"),
    "a caller who was told that nobody comes": lambda: with_attempt(6, answered_at=None, end_reason="declined"),
    "a number on the do-not-call list": lambda: replace(
        WHOLE, requests=[*WHOLE.requests, request(9, call_ids=[], refused="409 do_not_call")]
    ),
    "a talk that was cut with its host": lambda: replace(
        with_attempt(1, error="interrupted"), thrown=[THROWN, POWER_CUT]
    ),
    "a talk that was cut, by a host that wasn't seen": lambda: replace(with_attempt(1, error="interrupted"), seated={}),
    "a callee who hung up when the host went": lambda: replace(WHOLE, thrown=[POWER_CUT]),
    "an end that was told otherwise, and then put right": lambda: with_told(
        1, 2, told(1, 2, end_reason="failed"), told(1, 3, type="call.updated", end_reason="completed")
    ),
    "the recording of an attempt before": lambda: with_stored(77, recording(1), recording(1, name="ws/c1/c1-2.wav")),
    "the database away": lambda: with_log(
        line(
            "Sweep failed; trying again",
            exception=traceback(
                "sqlalchemy.exc.OperationalError: (psycopg.errors.AdminShutdown) terminating connection\n"
                "CONTEXT:  while locking tuple (0,19)\n(Background on this error at: https://sqlalche.me/e/20/e3q8)"
            ),
        )
    ),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_may_happen_is_no_break(name: str):
    assert broken(ALLOWED[name]()) == {}
