"""What must be true of the hosts' calls: those that a failure had nothing to do with went on."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from chaos.evidence import Attempt, Evidence
from chaos.invariants.finding import invariant
from chaos.schedule import OF_ALL_HOSTS, Kind
from chaos.throwing import Thrown

INTERRUPTED = "interrupted"
AT_ONCE = (Kind.KILL, Kind.POWER_CUT, Kind.VANISH)  # ends what is talked there
# Of a host that loses its database for longer than its lease, others have to take the calls over.
CUTS = (*AT_ONCE, Kind.FREEZE, Kind.PAUSE, Kind.DRAIN, Kind.NO_DATABASE, Kind.NO_CARRIERS, *OF_ALL_HOSTS)
FOUND_OUT_S = 60.0                      # at most, on a busy machine: by those who take its calls over
WHOLE_SECONDS_S = 2.0                   # in which carriers count when a call has ended
WHILE_IT_TALKED = timedelta(seconds=3)  # who hangs up just then has talked to the end


@invariant("No seat is left taken")
def no_seat_left(evidence: Evidence) -> Iterator[str]:
    yield from (f"{attempt_id}: has a seat" for attempt_id in evidence.books.taken_seats)
    mended = (line for line in evidence.log if line.message.startswith("Seats given back"))
    yield from (f"{line.server}: {line.message}" for line in mended)


@invariant("A talk is cut only with its host")
def cut_with_its_host(evidence: Evidence) -> Iterator[str]:
    """Neither with the database, nor by a clock, the store, or another host."""
    for attempt in evidence.books.attempts:
        if attempt.error == INTERRUPTED and not _struck(evidence, attempt, CUTS):
            at = ", ".join(_hosts(evidence, attempt)) or "a host that wasn't seen"
            yield f"{attempt.call_id}: interrupted at {at}, where nothing was thrown"


@invariant("No talk that was cut is told completed")
def cut_is_told(evidence: Evidence) -> Iterator[str]:
    """One whose host was gone in the middle of it, while its phone was still up."""
    phones = {phone.id: phone for phone in evidence.phones}
    for attempt in evidence.books.attempts:
        phone = phones.get(attempt.carrier_call_id or "")
        if attempt.end_reason != "completed" or phone is None or phone.answered_at is None or phone.ended_at is None:
            continue
        began = (phone.answered_at + WHILE_IT_TALKED).timestamp()
        ended = (phone.ended_at - WHILE_IT_TALKED).timestamp()
        for thrown in evidence.thrown:
            is_its_host = [thrown.server] == list(evidence.seated.get(attempt.id, ()))
            if thrown.kind in AT_ONCE and is_its_host and began < thrown.since < ended:
                yield f"{attempt.call_id}: completed, and its host {thrown.server} was gone ({thrown.kind})"


def _struck(evidence: Evidence, attempt: Attempt, kinds: Sequence[Kind]) -> bool:
    """Whether such a throw hit one of its hosts while it lasted, or so shortly before that it had not come to itself.
    Where its seat was not seen, any host may have been its own."""
    began = attempt.created_at.timestamp()
    ended = attempt.ended_at.timestamp() if attempt.ended_at else began
    hosts = _hosts(evidence, attempt)
    return any(
        thrown.since <= ended + WHOLE_SECONDS_S and began <= thrown.until + FOUND_OUT_S and _is_at(thrown, hosts)
        for thrown in evidence.thrown
        if thrown.kind in kinds
    )


def _is_at(thrown: Thrown, hosts: Sequence[str]) -> bool:
    return not hosts or thrown.server is None or thrown.server in hosts


def _hosts(evidence: Evidence, attempt: Attempt) -> Sequence[str]:
    return evidence.seated.get(attempt.id, ())
