"""Which spans a call has, from values alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from outdial.tracing.context import of_call, parse
from outdial.tracing.span import SpanKind
from outdial.tracing.spans import spans_of
from outdial.tracing.story import Dial, Happening, Story, Transferred

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def dial(number: int, began: float, **given) -> Dial:
    none = dict.fromkeys(
        ("carrier_call_id", "accepted_at", "ringing_at", "answered_at", "audio_started_at", "ended_at", "result_at",
         "end_reason", "error")
    )  # fmt: skip
    values = none | {"id": f"att_{number}", "number": number, "carrier": "acme", "created_at": at(began)}
    return Dial(**values | given)


def story(*dials: Dial, **given) -> Story:
    values = {
        "call_id": "call_1", "workspace_id": "ws_1", "number_id": "num_1", "direction": "outbound",
        "agent_id": "agent_1", "agent_version": 3, "traceparent": None, "created_at": at(0), "ended_at": at(100),
        "end_reason": "completed", "ended_by": "callee", "outcome": None, "error": None, "is_recorded": False,
        "dials": dials,
    }  # fmt: skip
    return Story(**values | given)


def queued_again(after: int, when: float, until: str, why: str) -> Happening:
    data = {"state": "queued", "attempt": after, "attempt_end_reason": why, "next_attempt_at": until}
    return Happening(type="state", data=data, at=at(when), attempt=after)


ANSWERED = dial(
    1, 2.0, accepted_at=at(2.5), ringing_at=at(3), answered_at=at(9), audio_started_at=at(9.4), ended_at=at(60),
    result_at=at(61), end_reason="completed", carrier_call_id="CA1",
)  # fmt: skip
BUSY = dial(1, 2.0, accepted_at=at(2.5), ended_at=at(4), end_reason="busy")


def tree(spans) -> list[tuple[int, str, float, float]]:
    """Depth, name, and the seconds in which it began and ended."""
    depths = {}
    found = []
    for span in spans:
        depths[span.context.span_id] = 0 if span is spans[0] else depths[span.parent.span_id] + 1
        seconds = [(instant - NOON).total_seconds() for instant in (span.began_at, span.ended_at)]
        found.append((depths[span.context.span_id], span.name, *seconds))
    return found


def test_an_answered_call_is_told_from_its_request_to_what_it_brought():
    told = spans_of(story(ANSWERED, ended_at=at(60), is_recorded=True))
    assert tree(told) == [
        (0, "call", 0, 61),
        (1, "queued", 0, 2),
        (1, "attempt", 2, 60),
        (2, "dial", 2, 2.5),
        (2, "ring", 3, 9),
        (2, "answer", 9, 9.4),
        (2, "conversation", 9.4, 60),
        (2, "recording", 9.4, 60),
        (1, "end", 60, 61),
    ]
    assert {span.context.trace_id for span in told} == {of_call("call_1", None).trace_id}
    assert len({span.context.span_id for span in told}) == len(told)
    assert told[0].parent is None
    assert all(span.error is None for span in told)


def test_a_request_s_span_is_the_parent_of_all():
    told = spans_of(story(ANSWERED, traceparent=PARENT))
    assert (told[0].parent, told[0].is_remote, told[0].kind) == (parse(PARENT), True, SpanKind.SERVER)
    assert {span.context.trace for span in told} == {PARENT.split("-")[1]}
    assert [span.is_remote for span in told[1:]] == [False] * (len(told) - 1)


def test_retries_are_attempts_of_one_trace_and_what_waited_between_is_seen():
    again = replace(ANSWERED, id="att_2", number=2, created_at=at(34))
    told = spans_of(story(BUSY, again, happenings=[queued_again(1, 4, "2026-01-31T12:00:34+00:00", "busy")]))
    waited = [span for span in told if span.name == "queued"]
    assert [(span.began_at, span.ended_at) for span in waited] == [(at(0), at(2)), (at(4), at(34))]
    assert waited[1].attributes == {
        "outdial.attempt.number": 2,
        "outdial.queued.not_before": "2026-01-31T12:00:34+00:00",
        "outdial.queued.why": "busy",
    }
    attempts = [span for span in told if span.name == "attempt"]
    assert [span.attributes["outdial.end_reason"] for span in attempts] == ["busy", "completed"]
    assert [span.error for span in attempts] == [None, None]  # busy is an outcome
    assert {span.parent for span in attempts} == {told[0].context}


def test_a_call_that_ends_while_it_waits_has_waited_until_then():
    told = spans_of(story(ended_at=at(50), end_reason="expired"))
    assert tree(told) == [(0, "call", 0, 50), (1, "queued", 0, 50), (1, "end", 50, 50)]
    after = spans_of(story(BUSY, ended_at=at(50), end_reason="canceled", happenings=[queued_again(1, 4, "x", "busy")]))
    assert [entry for entry in tree(after) if entry[1] == "queued"] == [(1, "queued", 0, 2), (1, "queued", 4, 50)]


def test_a_failure_is_an_error_by_its_word():
    failed = replace(BUSY, end_reason="failed", error="carrier_refused", accepted_at=None)
    told = spans_of(story(failed, ended_at=at(4), end_reason="failed", error="carrier_refused"))
    assert [(span.name, span.error) for span in told if span.error] == [
        ("call", "carrier_refused"), ("attempt", "carrier_refused"),
    ]  # fmt: skip
    assert told[0].attributes["error.type"] == "carrier_refused"


def test_who_calls_us_neither_waits_nor_is_dialled():
    names = [span.name for span in spans_of(story(ANSWERED, direction="inbound"))]
    assert names == ["call", "attempt", "ring", "answer", "conversation", "end"]


def test_every_verdict_on_who_answered_is_kept():
    def verdict(category: str, when: float, *evidence: str, attempt: int = 1) -> Happening:
        data = {"category": category, "evidence": list(evidence)}
        return Happening(type="answered_by", data=data, at=at(when), attempt=attempt)

    told = [verdict("unknown", 11, "deadline"), verdict("machine", 14, "deadline", "words")]
    told.append(verdict("human", 70, attempt=2))
    [answer] = [span for span in spans_of(story(ANSWERED, happenings=told)) if span.name == "answer"]
    assert (answer.began_at, answer.ended_at) == (at(9), at(14))
    assert answer.attributes == {"outdial.answered_by": "machine", "outdial.answered_by.evidence": "deadline,words"}
    assert [(event.at, event.attributes["outdial.answered_by"]) for event in answer.events] == [
        (at(11), "unknown"), (at(14), "machine"),
    ]  # fmt: skip


def test_a_transfer_is_part_of_its_attempt():
    given = {"attempt_id": "att_1", "answered_at": None, "ended_at": at(40), "error": None}
    nobody = Transferred(at=at(30), returned_at=at(41), result="no_answer", **given)
    other = Transferred(**given | {"attempt_id": "att_2"}, at=at(30), returned_at=None, result="answered")
    [transfer] = [span for span in spans_of(story(ANSWERED, transfers=[nobody, other])) if span.name == "transfer"]
    assert (transfer.began_at, transfer.ended_at, transfer.error) == (at(30), at(40), None)
    assert transfer.attributes == {"outdial.transfer.result": "no_answer", "outdial.transfer.is_back": True}


def test_no_span_ends_before_it_began_whatever_a_carrier_s_clock_says():
    told = spans_of(story(replace(ANSWERED, answered_at=at(1), ended_at=at(1.5))))
    assert all(span.began_at <= span.ended_at for span in told)
