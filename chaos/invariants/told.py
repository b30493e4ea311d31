"""What must be true of what the customer's webhook endpoint was told."""

from collections import defaultdict
from collections.abc import Iterator

from chaos.evidence import Evidence
from chaos.invariants.finding import invariant

ENDED, UPDATED = "call.ended", "call.updated"


@invariant("Webhooks of a call come in order")
def in_order(evidence: Evidence) -> Iterator[str]:
    """What comes again is not looked at: it has come before."""
    last: dict[str, int] = {}
    for told in evidence.told:
        if told.call_id is None or told.sequence is None:
            continue
        before = last.get(told.call_id, 0)
        if told.sequence <= before:
            yield f"{told.call_id}: {told.type}, its number {told.sequence}, came after number {before}"
        last[told.call_id] = max(before, told.sequence)


@invariant("Every end is told, once and as it was")
def ends_told(evidence: Evidence) -> Iterator[str]:
    ends: dict[str, list[str | None]] = defaultdict(list)
    newest: dict[str, str | None] = {}
    for told in evidence.told:
        if told.call_id is None:
            continue
        if told.type == ENDED:
            ends[told.call_id].append(told.end_reason)
        if told.type in (ENDED, UPDATED):
            newest[told.call_id] = told.end_reason
    for call in evidence.books.calls:
        if call.state != "ended" or call.end_reason is None:
            continue
        if len(ends[call.id]) != 1:
            yield f"{call.id}: its end was told {len(ends[call.id])} times"
        elif newest[call.id] != call.end_reason:
            yield f"{call.id}: told {newest[call.id]}, in the books {call.end_reason}"
    if evidence.books.untold:
        yield f"{evidence.books.untold} webhooks were not taken"
