"""The trace of a call that has ended: which spans there are, and when each began and ended. Pure.

    call
    ├ queued                     before each attempt
    ├ attempt
    │ ├ dial                     until the carrier has taken it
    │ ├ ring
    │ ├ answer                   until it is known who answered
    │ ├ conversation             what is in it: talk.py
    │ ├ recording
    │ └ transfer
    ├ end                        until all is stored that the call brought
    └ end corrected              each time that it is put right later
"""

from collections.abc import Iterator
from datetime import datetime

from outdial.tracing.context import of_call, parse, span_id
from outdial.tracing.span import Span, SpanEvent, SpanKind, child, known
from outdial.tracing.story import Dial, Happening, Story
from outdial.tracing.talk import spans_of_talk

FAILED = "failed"  # of end reasons, the one that is somebody's fault


def spans_of(story: Story) -> list[Span]:
    """Parents before their children."""
    root = _root(story)
    told = [root, *_queued(story, root)]
    for dial in story.dials:
        told += _of_dial(story, dial, root)
    return [*told, _end(story, root)]


def end_corrected(
    call_id: str,
    traceparent: str | None,
    *,
    at: datetime,
    end_reason: str,
    error: str | None,
    outcome: str | None,
    answered_by: str | None,
) -> Span:
    """Of a call that has ended and was told: what is known of its end now. Spans that were sent can't be changed."""
    root = of_call(call_id, traceparent)
    return Span(
        name="end corrected",
        context=root.child(span_id(call_id, "end corrected", at)),
        parent=root,
        began_at=at,
        ended_at=at,
        attributes=known({
            "outdial.call.id": call_id,
            "outdial.end_reason": end_reason,
            "outdial.outcome": outcome,
            "outdial.answered_by": answered_by,
            "error.type": error,
        }),
        error=_fault(end_reason, error),
    )


def _root(story: Story) -> Span:
    given = parse(story.traceparent)
    return Span(
        name="call",
        context=of_call(story.call_id, story.traceparent),
        parent=given,
        is_remote=given is not None,
        kind=SpanKind.SERVER,
        began_at=story.created_at,
        ended_at=_all_stored_at(story),
        attributes=known({
            "outdial.call.id": story.call_id,
            "outdial.call.direction": story.direction,
            "outdial.call.attempts": len(story.dials),
            "outdial.workspace.id": story.workspace_id,
            "outdial.number.id": story.number_id,
            "outdial.agent.id": story.agent_id,
            "outdial.agent.version": story.agent_version,
            "outdial.end_reason": story.end_reason,
            "outdial.ended_by": story.ended_by,
            "outdial.outcome": story.outcome,
            "error.type": story.error,
        }),
        error=_fault(story.end_reason, story.error),
    )


def _all_stored_at(story: Story) -> datetime:
    return max([story.ended_at, *(dial.result_at for dial in story.dials if dial.result_at is not None)])


def _fault(end_reason: str | None, error: str | None) -> str | None:
    """Busy and no answer are outcomes, and no faults."""
    return (error or FAILED) if end_reason == FAILED else None


# -- waiting ---------------------------------------------------------------------------------------------------


def _queued(story: Story, root: Span) -> Iterator[Span]:
    """From the end of each attempt, or from the call's beginning, to the next attempt, or to an end without one. Who
    calls us doesn't wait."""
    if story.direction != "outbound":
        return
    since = story.created_at
    for dial in story.dials:
        yield _wait(story, root, since, dial.created_at, before=dial.number)
        since = dial.ended_at or dial.created_at
    last = story.dials[-1].number if story.dials else 0
    if not story.dials or _put_off(story, last) is not None:
        yield _wait(story, root, since, story.ended_at, before=last + 1)


def _wait(story: Story, root: Span, since: datetime, until: datetime, *, before: int) -> Span:
    put_off = _put_off(story, before - 1)
    attributes = {
        "outdial.attempt.number": before,
        "outdial.queued.not_before": None if put_off is None else put_off.data.get("next_attempt_at"),
        "outdial.queued.why": None if put_off is None else put_off.data.get("attempt_end_reason"),
    }
    return child(
        root, "queued", (since, until), id_=span_id(story.call_id, "queued", before), attributes=known(attributes)
    )


def _put_off(story: Story, number: int) -> Happening | None:
    """That a call waits again, after this attempt."""
    told = [each for each in story.happenings if each.type == "state" and each.data.get("state") == "queued"]
    return next((each for each in reversed(told) if each.data.get("attempt") == number), None)


# -- attempts --------------------------------------------------------------------------------------------------


def _of_dial(story: Story, dial: Dial, root: Span) -> Iterator[Span]:
    ended_at = dial.ended_at or story.ended_at
    attempt = child(
        root,
        "attempt",
        (dial.created_at, ended_at),
        id_=span_id(story.call_id, "attempt", dial.number),
        attributes=known({
            "outdial.attempt.id": dial.id,
            "outdial.attempt.number": dial.number,
            "outdial.carrier": dial.carrier,
            "outdial.carrier_call_id": dial.carrier_call_id,
            "outdial.end_reason": dial.end_reason,
            "error.type": dial.error,
        }),
        error=_fault(dial.end_reason, dial.error),
    )
    yield attempt
    if story.direction == "outbound":
        taken_at = dial.accepted_at or dial.ringing_at or dial.answered_at or ended_at
        yield child(
            attempt,
            "dial",
            (dial.created_at, taken_at),
            id_=span_id(story.call_id, "dial", dial.number),
            kind=SpanKind.CLIENT,
            attributes={"outdial.carrier": dial.carrier},
        )
    if dial.ringing_at is not None:
        ring_id = span_id(story.call_id, "ring", dial.number)
        yield child(attempt, "ring", (dial.ringing_at, dial.answered_at or ended_at), id_=ring_id)
    if dial.answered_at is not None:
        yield _answer(story, dial, attempt, dial.answered_at)
    if dial.audio_started_at is not None:
        yield from spans_of_talk(story, dial, attempt, dial.audio_started_at, ended_at)
    yield from _transfers(story, dial, attempt, ended_at)


def _answer(story: Story, dial: Dial, attempt: Span, answered_at: datetime) -> Span:
    """Until the last word on who it was; without detection, until the audio began."""
    verdicts = [each for each in story.happenings if each.type == "answered_by" and each.attempt == dial.number]
    until = verdicts[-1].at if verdicts else dial.audio_started_at or answered_at
    held = verdicts[-1].data if verdicts else {}
    evidence = held.get("evidence")
    return child(
        attempt,
        "answer",
        (answered_at, until),
        id_=span_id(story.call_id, "answer", dial.number),
        attributes=known({
            "outdial.answered_by": held.get("category"),
            "outdial.answered_by.evidence": ",".join(map(str, evidence)) if evidence else None,
        }),
        events=[
            SpanEvent(name="verdict", at=each.at, attributes=known({"outdial.answered_by": each.data.get("category")}))
            for each in verdicts
        ],
    )


def _transfers(story: Story, dial: Dial, attempt: Span, ended_at: datetime) -> Iterator[Span]:
    for number, transfer in enumerate(each for each in story.transfers if each.attempt_id == dial.id):
        answered = transfer.answered_at
        yield child(
            attempt,
            "transfer",
            (transfer.at, transfer.ended_at or ended_at),
            id_=span_id(story.call_id, "transfer", dial.number, number),
            attributes=known({
                "outdial.transfer.result": transfer.result,
                "outdial.transfer.is_back": transfer.returned_at is not None,
                "error.type": transfer.error,
            }),
            events=[] if answered is None else [SpanEvent(name="answered", at=answered)],
            error=_fault(transfer.result, transfer.error),
        )


def _end(story: Story, root: Span) -> Span:
    return child(
        root,
        "end",
        (story.ended_at, _all_stored_at(story)),
        id_=span_id(story.call_id, "end"),
        attributes=known({
            "outdial.end_reason": story.end_reason,
            "outdial.ended_by": story.ended_by,
            "outdial.outcome": story.outcome,
        }),
    )
