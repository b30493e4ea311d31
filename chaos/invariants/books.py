"""What must be true of the books when a run is over, of the carrier's own list beside them, and of the processes."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from chaos.evidence import Attempt, Evidence, LogLine, Phone
from chaos.invariants.finding import invariant
from chaos.schedule import OF_A_PROCESS, OF_ALL_HOSTS, OF_THE_DATABASE, Kind
from chaos.throwing import Thrown

AGREES_WITHIN = timedelta(seconds=15)  # on how long a conversation was
RECOVERS_S = 60.0  # after a throw, on a busy machine: a process starts, takes calls over, and asks how they are
SAY_ANSWERED = ("no_media", "audio_lost", "interrupted", "internal_error")  # errors of a call that somebody took
WHOLE_SECONDS = timedelta(seconds=1)   # in which carriers count: who hung up at once talked for none
MIN_ANSWERED = 3

# Ends that say that nobody knows, and what may have kept the carrier from telling.
NOBODY_KNOWS = ("outcome_unknown", "not_known_there")
KEEPS_FROM_TELLING = frozenset(
    {
        Kind.CARRIER_UNREACHABLE, Kind.LOOK_UP_ERROR, Kind.HANG_UP_ERROR, Kind.REPLY_LOST, Kind.ERROR_AFTER_DIALLING,
        Kind.NO_CARRIERS, Kind.PAUSE,
    }
)  # fmt: skip
KEEPS_FROM_HEARING = KEEPS_FROM_TELLING | {
    *OF_A_PROCESS, *OF_ALL_HOSTS, *OF_THE_DATABASE, Kind.CALLBACK_LOST, Kind.CALLBACK_LATE
}  # fmt: skip
# What a log may say of the database while it is away, or while a process stands still that holds a lock.
RAISED = re.compile(r"^(?:\w+\.)*[A-Z]\w*[a-z]\w*(?::.*)?$", re.MULTILINE)  # of a traceback: the exceptions
DATABASE_AWAY = re.compile(
    r"OperationalError|InterfaceError|AdminShutdown|CannotConnectNow|CrashShutdown|ConnectionTimeout|QueryCanceled"
    r"|TimeoutError|PoolTimeout|DisconnectionError|ConnectionDoesNotExist|IdleInTransactionSessionTimeout|WorkerLost"
    r"|LockNotAvailable|InternalError|ConnectionRefusedError|ConnectionResetError"
)
ONE_TIME_LINK = re.compile(r"/sign-in/\w|/media/\w+/\w+/\w")  # with the token that opens it
NUMBER = re.compile(r"\+?\b1?55[56]\d{7}\b")  # of whoever is called, or calls, in a run


# -- dials -----------------------------------------------------------------------------------------------------


@invariant("Nobody is dialled twice for one attempt")
def not_twice(evidence: Evidence) -> Iterator[str]:
    dials = _dials(evidence)
    attempts = _attempts(evidence)
    for call in evidence.books.calls:
        if call.direction != "outbound":
            continue
        placed = [attempt for attempt in attempts[call.id] if not _was_written_off(attempt)]
        if dials[call.to] > len(placed):
            yield f"{call.id}: {dials[call.to]} dials, {len(placed)} attempts that may have been placed"


@invariant("Nobody is dialled more often than was asked for")
def not_more_often(evidence: Evidence) -> Iterator[str]:
    dials = _dials(evidence)
    for request in evidence.requests:
        if dials[request.to] > request.attempts:
            yield f"{_ids(request.call_ids)}: {dials[request.to]} dials, asked for {request.attempts}"


@invariant("Every dial of the carrier belongs to an attempt")
def no_stray_dial(evidence: Evidence) -> Iterator[str]:
    known = {attempt.carrier_call_id for attempt in evidence.books.attempts}
    attempts = _attempts(evidence)
    open_ends = Counter[str]()  # attempts of which nobody could say what became of them
    for call in evidence.books.calls:
        if call.direction == "outbound":
            open_ends[call.to] += sum(
                attempt.carrier_call_id is None and not _was_written_off(attempt) for attempt in attempts[call.id]
            )
    for phone in evidence.phones:
        if phone.direction != "outbound-api" or phone.id in known:
            continue
        open_ends[phone.to] -= 1
        if open_ends[phone.to] < 0:
            yield f"{phone.id} at the carrier ({phone.state}) is no attempt's"


def _was_written_off(attempt: Attempt) -> bool:
    """Taken for never placed."""
    return attempt.carrier_call_id is None and attempt.error == "never_placed"


# -- calls -----------------------------------------------------------------------------------------------------


@invariant("Every request is answered")
def all_answered(evidence: Evidence) -> Iterator[str]:
    for request in evidence.requests:
        if not request.is_answered:
            yield f"{request.key}: sent {request.sent} times, never answered"
        elif request.refused is not None and "do_not_call" not in request.refused:
            yield f"{request.key}: refused with {request.refused}"


@invariant("No accepted call is lost")
def not_lost(evidence: Evidence) -> Iterator[str]:
    calls = {call.id: call for call in evidence.books.calls}
    for request in evidence.requests:
        for call_id in dict.fromkeys(request.call_ids):
            if call_id not in calls:
                yield f"{call_id}: accepted, and not in the books"
    for call in evidence.books.calls:
        if call.state != "ended":
            yield f"{call.id}: still {call.state}"
        elif call.end_reason is None:
            yield f"{call.id}: ended without a reason"


@invariant("An unknown outcome has a cause")
def unknown_is_explained(evidence: Evidence) -> Iterator[str]:
    troubles = [each for each in evidence.thrown if each.kind in KEEPS_FROM_TELLING]
    for attempt in evidence.books.attempts:
        if attempt.error not in NOBODY_KNOWS:
            continue
        began = attempt.created_at.timestamp()
        ended = attempt.ended_at.timestamp() if attempt.ended_at else began
        if not attempt.was_unknown and not any(each.since <= ended and began <= each.until for each in troubles):
            yield f"{attempt.call_id}: {attempt.error}, and the carrier could have told"


@invariant("One key makes one call")
def idempotent(evidence: Evidence) -> Iterator[str]:
    asked = {request.key: request for request in evidence.requests}
    made: dict[str, set[str]] = defaultdict(set)
    for call in evidence.books.calls:
        if call.direction != "outbound":
            continue
        if call.key not in asked:
            yield f"{call.id}: nobody asked for it"
        else:
            made[call.key].add(call.id)
    for key, request in asked.items():
        if len(ids := made[key] | set(request.call_ids)) > 1:
            yield f"{key}: {_ids(sorted(ids))}"


# -- what is held ----------------------------------------------------------------------------------------------


@invariant("No line is left in use")
def no_line_left(evidence: Evidence) -> Iterator[str]:
    for call in evidence.books.calls:
        if call.holds_line:
            yield f"{call.id}: holds a line ({call.state})"
    for pool in evidence.books.pools:
        if pool.used_outbound or pool.used_inbound:
            yield f"pool: {pool.used_outbound} outbound and {pool.used_inbound} inbound lines in use"


@invariant("The pool's counters were always right")
def counters_right(evidence: Evidence) -> Iterator[str]:
    yield from (_told(line) for line in evidence.log if line.message == "Pool counter corrected")


@invariant("No attempt is left live")
def no_attempt_left(evidence: Evidence) -> Iterator[str]:
    for attempt in evidence.books.attempts:
        if attempt.state != "ended":
            owner = "nobody's" if attempt.owner is None else f"of {attempt.owner}"
            yield f"{attempt.call_id}: attempt {attempt.number} still {attempt.state}, {owner}"


@invariant("Every callback is handled")
def callbacks_handled(evidence: Evidence) -> Iterator[str]:
    if evidence.books.unhandled_callbacks:
        yield f"{evidence.books.unhandled_callbacks} callbacks not handled"


@invariant("Every phone is hung up")
def all_hung_up(evidence: Evidence) -> Iterator[str]:
    yield from (f"{phone.id}: still {phone.state} at the carrier" for phone in evidence.phones if phone.is_up)


# -- books and carrier -----------------------------------------------------------------------------------------


@invariant("Books and carrier agree on who answered")
def agree_on_answer(evidence: Evidence) -> Iterator[str]:
    """The error says it where no instant does: not every carrier can be asked whether a call was answered. A caller
    who heard why nobody comes was answered by the carrier alone."""
    for attempt, phone in _both_sides(evidence):
        if attempt.error in NOBODY_KNOWS or attempt.end_reason == "declined" or _lasted(phone) < WHOLE_SECONDS:
            continue
        agree = attempt.answered_at is None
        if phone.answered_at is not None:
            agree = attempt.answered_at is not None or attempt.error in SAY_ANSWERED
        if not agree:
            answered = "answered" if phone.answered_at else "not answered"
            yield f"{attempt.call_id}: {answered} at the carrier ({phone.state}), {attempt.end_reason} in the books"


@invariant("Books and carrier agree on how long it took")
def agree_on_length(evidence: Evidence) -> Iterator[str]:
    """Where one side heard of the end later, something must have kept it from hearing until then."""
    for attempt, phone in _both_sides(evidence):
        if attempt.answered_at is None or phone.answered_at is None:
            continue
        if attempt.ended_at is None or phone.ended_at is None:
            continue
        ours, theirs = attempt.ended_at - attempt.answered_at, _lasted(phone)
        if abs(ours - theirs) <= AGREES_WITHIN or attempt.error in NOBODY_KNOWS:
            continue
        first, last = sorted([attempt.ended_at, phone.ended_at])
        if not _kept_from_hearing(evidence.thrown, first, last - AGREES_WITHIN):
            yield f"{attempt.call_id}: {ours.total_seconds():.1f} s, at the carrier {theirs.total_seconds():.1f} s"


def _kept_from_hearing(thrown: Sequence[Thrown], since: datetime, until: datetime) -> bool:
    """Whether there was trouble all the time, one following the other."""
    heard_at = since.timestamp()
    troubles = [each for each in thrown if each.kind in KEEPS_FROM_HEARING]
    while heard_at < until.timestamp():
        over = [each.until + RECOVERS_S for each in troubles if each.since <= heard_at < each.until + RECOVERS_S]
        if not over:
            return False
        heard_at = max(over)
    return True


def _both_sides(evidence: Evidence) -> Iterator[tuple[Attempt, Phone]]:
    phones = {phone.id: phone for phone in evidence.phones}
    for attempt in evidence.books.attempts:
        if attempt.carrier_call_id in phones and attempt.state == "ended":
            yield attempt, phones[attempt.carrier_call_id]


def _lasted(phone: Phone) -> timedelta:
    """From its answer to its end. Who was never answered is none of those who hung up at once."""
    if phone.answered_at is None or phone.ended_at is None:
        return timedelta.max
    return phone.ended_at - phone.answered_at


# -- processes and logs ----------------------------------------------------------------------------------------


@invariant("No process ends by itself")
def none_ends(evidence: Evidence) -> Iterator[str]:
    """One that is started while the database is away can't come up, and says so to its service manager."""
    away = [each for each in evidence.thrown if each.kind in OF_THE_DATABASE]
    for ended in evidence.ended_by_itself:
        if not ended.had_served and any(each.since <= ended.at and ended.started_at <= each.until for each in away):
            continue
        yield f"{ended.server}: exit code {ended.exit_code}, {ended.last_words}"


@invariant("Every process serves again, and stops when asked")
def none_hangs(evidence: Evidence) -> Iterator[str]:
    yield from (f"{name}: not ready when all was healed" for name in evidence.not_ready)
    yield from (f"{name}: not ended by SIGTERM" for name in evidence.not_stopped)


@invariant("Logs tell no fault of our own")
def no_fault_logged(evidence: Evidence) -> Iterator[str]:
    """Errors that come from the database being away are none."""
    for line in evidence.log:
        is_fault = bool(line.exception) and not DATABASE_AWAY.search(_raised(line.exception))
        if is_fault or line.message.startswith("Traceback "):
            yield _told(line)


@invariant("Logs tell no number and no secret")
def nothing_told(evidence: Evidence) -> Iterator[str]:
    for line in evidence.log:
        if NUMBER.search(f"{line.message}\n{line.exception}"):
            yield f"{line.server}: a number in {line.message.split('+')[0][:60]!r}"
        if ONE_TIME_LINK.search(line.text) or any(secret in line.text for secret in evidence.secrets):
            yield f"{line.server}: a secret in {line.message[:30]!r}"


@invariant("Something was tried")
def something_was_tried(evidence: Evidence) -> Iterator[str]:
    """A run in which nobody talked proves nothing."""
    answered = sum(phone.answered_at is not None for phone in evidence.phones)
    if answered < MIN_ANSWERED:
        yield f"only {answered} phones were answered"
    if not evidence.thrown:
        yield "nothing was thrown"


def _told(line: LogLine) -> str:
    raised = f": {_raised(line.exception)}" if line.exception else ""
    return f"{line.server}: {line.message[:200]}{raised[:200]}"


def _raised(exception: str) -> str:
    """The last line of a traceback that names an exception, which comes before what the library adds."""
    named = RAISED.findall(exception)
    return str(named[-1]) if named else exception[-200:]


def _ids(ids: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(ids)) or "no call"


def _dials(evidence: Evidence) -> Counter[str]:
    """How often the carrier dialled whom: in a run each call has a number of its own."""
    return Counter(phone.to for phone in evidence.phones if phone.direction == "outbound-api")


def _attempts(evidence: Evidence) -> dict[str, list[Attempt]]:
    attempts: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in evidence.books.attempts:
        attempts[attempt.call_id].append(attempt)
    return attempts
