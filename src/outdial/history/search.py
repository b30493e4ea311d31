"""Which calls: the filters of a list, and the pages it comes in."""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    collate,
    exists,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.calls.request import E164, CleanText, Instant
from outdial.db.tables import ENDED, QUEUED, UP, attempts, calls, turns
from outdial.history.stored_call import STORED_CALL, StoredCall
from outdial.ids import is_id
from outdial.instants import parse_instant, to_json
from outdial.refusals import Invalid
from outdial.telephony.outcome import MAX_WORD_CHARS
from outdial.telephony.state import CallDirection, CallState, EndedBy, EndReason
from outdial.telephony.verdict import AnsweredBy

OutcomeWord = Annotated[CleanText, Field(min_length=1, max_length=MAX_WORD_CHARS)]
Words = Annotated[CleanText, Field(min_length=1, max_length=200)]

# As the index ix_turns_words has it: without a language no word is left out, and none is cut to its stem.
_SIMPLE: ColumnElement[Any] = literal_column("'simple'::regconfig")
_CATEGORY = calls.c.answered_by.op("->>", return_type=Text())(literal_column("'category'"))  # as its index has it
RARE_TURNS = 2000
RARE_CALLS = 2000
MAX_OUTCOMES_SEEN = 100
_OUTCOMES_SEEN = text("""
    WITH RECURSIVE seen AS (
        (SELECT outcome, 1 AS number FROM calls WHERE workspace_id = :workspace AND outcome IS NOT NULL
            ORDER BY outcome LIMIT 1)
        UNION ALL
        SELECT (SELECT outcome FROM calls WHERE workspace_id = :workspace AND outcome > seen.outcome
            ORDER BY outcome LIMIT 1), number + 1
        FROM seen WHERE seen.outcome IS NOT NULL AND number < :at_most
    )
    SELECT outcome FROM seen WHERE outcome IS NOT NULL
""")
_PHRASES = re.compile(r'"([^"]*)"|([^"]+)')


class CallSearch(BaseModel):
    """Several filters must all hold; several values of one filter are alternatives."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    state: Annotated[list[CallState | Literal["unknown"]], Field(max_length=6)] = []
    """`unknown` are the calls of which it can't be known (yet) whether the carrier dialled."""
    end_reason: Annotated[list[EndReason], Field(max_length=8)] = []
    """How the call ended; empty while it hasn't."""
    ended_by: Annotated[list[EndedBy], Field(max_length=7)] = []
    """Who ended it."""
    outcome: Annotated[list[OutcomeWord], Field(max_length=20)] = []
    """`do_not_call`, `silent`, `transfer_failed`, `transferred`, `left_message`, `hung_up_early`, or a word of your
    agent's."""
    direction: CallDirection | None = None
    """`outbound` calls were placed by us; `inbound` ones came in."""
    number_id: CleanText | None = None
    """Id of the phone number of ours."""
    agent_id: CleanText | None = None
    """Id of the agent that talked, or is to."""
    to: E164 | None = None
    """The number that was called."""
    from_: Annotated[E164 | None, Field(alias="from")] = None
    """The number that called."""
    party: E164 | None = None
    """The other party: who was called, or who called."""
    answered_by: AnsweredBy | None = None
    """Who answered, as the last verdict has it."""
    words: Words | None = None
    """Said in one turn of the transcript, by either side, in any order; "in quotes" as they stand. Whole words, upper
    and lower case alike."""
    created_after: Instant | None = None
    """At or after this instant."""
    created_before: Instant | None = None
    """Before this instant."""


class CallFilter(CallSearch):
    """Which calls to list."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    """Calls a page."""
    cursor: Annotated[str | None, Field(max_length=200)] = None
    """`next_cursor` or `previous_cursor` of another page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A place between two calls. The page at it holds the older ones, or the `newer` ones next to it."""

    created_at: datetime
    call_id: str
    newer: bool = False

    def text(self) -> str:
        parts: list[object] = [to_json(self.created_at), self.call_id]
        return base64.urlsafe_b64encode(json.dumps(parts + ["newer"] * self.newer).encode()).decode()

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Raises Invalid."""
        try:
            created_at, call_id, *rest = json.loads(base64.b64decode(text, altchars=b"-_", validate=True))
            at = parse_instant(created_at).astimezone(UTC)
        except (ValueError, TypeError, RecursionError):
            raise Invalid("cursor", "is not a cursor of this API") from None
        if not (isinstance(call_id, str) and is_id(call_id, "call")) or rest not in ([], ["newer"]):
            raise Invalid("cursor", "is not a cursor of this API")
        return cls(created_at=at, call_id=call_id, newer=bool(rest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Paged:
    """Newest first, and the cursors of the pages on both sides; None where there is none."""

    calls: Sequence[StoredCall]
    older: str | None
    newer: str | None


async def find_page(conn: AsyncConnection, workspace_id: str, wanted: CallFilter) -> Paged:
    """Raises Invalid for a cursor that isn't one of ours."""
    said_in = None if wanted.words is None else await _calls_that_say(conn, wanted.words)
    numbers = _numbers(wanted)
    with_numbers = None if numbers is None else await _calls_with(conn, numbers)
    waiting = None
    if wanted.number_id is not None and any(kind is QUEUED for kind in _kinds(wanted)):
        waiting = await _calls_with(conn, and_(calls.c.number_id == wanted.number_id, QUEUED))
    found = await conn.execute(_page_query(workspace_id, wanted, said_in, with_numbers, waiting))
    return _paged([StoredCall.of(row) for row in found.mappings()], wanted)


async def outcomes_seen(conn: AsyncConnection, workspace_id: str) -> list[str]:
    """What calls of a workspace came to, each word once, in order, MAX_OUTCOMES_SEEN at most. Each is looked up in the
    index from the one before it: there may be a million calls, and agents have few words."""
    rows = await conn.scalars(_OUTCOMES_SEEN, {"workspace": workspace_id, "at_most": MAX_OUTCOMES_SEEN})
    return list(rows)


async def _calls_that_say(conn: AsyncConnection, words: str) -> set[str] | None:
    """Ids, of all workspaces together; None when there are many. Asked first, because PostgreSQL can't guess which
    words are rare (its statistics know only the most common ones), and with the wrong plan it takes seconds."""
    return await _if_few(conn, select(turns.c.call_id).where(_said(words)), RARE_TURNS)


async def _calls_with(conn: AsyncConnection, what: ColumnElement[bool]) -> set[str] | None:
    """The same for phone numbers: callees have few calls, our own numbers may have any number of them. And for what
    waits for a number: behind another number's queue it would be looked for among all that waits."""
    return await _if_few(conn, select(calls.c.id).where(what), RARE_CALLS)


async def _if_few(conn: AsyncConnection, query: Select[Any], most: int) -> set[str] | None:
    """What the query finds; None when that is more. The limit is written out: the plan is made for it."""
    found = (await conn.scalars(query.limit(literal_column(str(most + 1))))).all()
    return set(found) if len(found) <= most else None


def _page_query(
    workspace_id: str,
    wanted: CallFilter,
    said_in: set[str] | None,
    with_numbers: set[str] | None = None,
    waiting: set[str] | None = None,
) -> Select[Any]:
    """The calls of a page and one more, in the order in which its cursor walks: so many of each kind are looked for,
    and the first of these are the page. A long queue would else stand before all calls that have ended."""
    cursor = None if wanted.cursor is None else Cursor.parse(wanted.cursor)
    newer = cursor is not None and cursor.newer
    place, kinds = tuple_(calls.c.created_at, calls.c.id), []
    for kind in _kinds(wanted):
        some = select(calls.c.id, calls.c.created_at).where(calls.c.workspace_id == workspace_id, kind)
        if cursor is not None:
            at = (cursor.created_at, cursor.call_id)
            some = some.where(place > at if newer else place < at)
        if waiting is not None and kind is QUEUED:
            some = some.where(_is_one_of(waiting))
        some = _filtered(some, wanted, said_in, with_numbers)
        kinds.append(some.order_by(*_walked(calls.c.created_at, calls.c.id, newer)).limit(wanted.limit + 1))
    found = union_all(*kinds).subquery() if kinds else select(calls.c.id, calls.c.created_at).where(false()).subquery()
    page = select(found.c.id).order_by(*_walked(found.c.created_at, found.c.id, newer)).limit(wanted.limit + 1)
    first = page.subquery()
    query = select(*STORED_CALL).join(first, first.c.id == calls.c.id)
    return query.order_by(*_walked(calls.c.created_at, calls.c.id, newer))


def _walked(created_at: ColumnElement[Any], call_id: ColumnElement[Any], newer: bool) -> Sequence[ColumnElement[Any]]:
    return (created_at, call_id) if newer else (created_at.desc(), call_id.desc())


def _kinds(wanted: CallSearch) -> list[ColumnElement[bool]]:
    """Those that calls can be of that are wanted."""
    states = set(wanted.state) or {*CallState}
    may_wait = not wanted.answered_by and wanted.direction is not CallDirection.INBOUND
    kinds: list[ColumnElement[bool]] = []
    if not (wanted.end_reason or wanted.ended_by or wanted.outcome):
        if CallState.QUEUED in states and may_wait:
            kinds.append(QUEUED if wanted.words is None else and_(QUEUED, calls.c.dialled))
        if states - {CallState.QUEUED, CallState.ENDED}:
            kinds.append(UP)
    if CallState.ENDED in states:
        kinds.append(ENDED)
    return kinds


def _paged(found: Sequence[StoredCall], wanted: CallFilter) -> Paged:
    cursor = None if wanted.cursor is None else Cursor.parse(wanted.cursor)
    page, more = found[: wanted.limit], len(found) > wanted.limit
    if cursor is not None and cursor.newer:
        page = page[::-1]
        return Paged(calls=page, older=_at(page, -1), newer=_at(page, 0, newer=True) if more else None)
    return Paged(
        calls=page,
        older=_at(page, -1) if more else None,
        newer=None if cursor is None else _at(page, 0, newer=True),
    )


def _filtered(
    query: Select[Any], wanted: CallSearch, said_in: set[str] | None, with_numbers: set[str] | None
) -> Select[Any]:
    states = [state for state in wanted.state if state != "unknown"]
    if "unknown" in wanted.state:
        query = query.where(or_(_is_unknown(), calls.c.state.in_(states)) if states else _is_unknown())
    elif states:
        query = query.where(calls.c.state.in_(states))
    if wanted.end_reason:
        query = query.where(calls.c.end_reason.in_([_written_out(reason) for reason in wanted.end_reason]))
    if wanted.answered_by is not None:
        query = query.where(_written_out(wanted.answered_by) == _CATEGORY)
    if wanted.ended_by:
        query = query.where(calls.c.ended_by.in_(wanted.ended_by))
    if wanted.outcome:
        query = query.where(calls.c.outcome.in_(wanted.outcome))
    for column, value in (
        (calls.c.direction, wanted.direction),
        (calls.c.number_id, wanted.number_id),
        (calls.c.agent_id, wanted.agent_id),
    ):
        if value is not None:
            query = query.where(column == value)
    numbers = _numbers(wanted, indexed=with_numbers is not None)
    if numbers is not None:
        query = query.where(numbers)
    if with_numbers is not None:
        query = query.where(_is_one_of(with_numbers))
    if wanted.words is not None:
        query = query.where(_was_said(wanted.words) if said_in is None else _is_one_of(said_in))
    if wanted.created_after is not None:
        query = query.where(calls.c.created_at >= wanted.created_after)
    if wanted.created_before is not None:
        query = query.where(calls.c.created_at < wanted.created_before)
    return query


def _numbers(wanted: CallSearch, *, indexed: bool = True) -> ColumnElement[bool] | None:
    """Between which phone numbers; not `indexed`: looked at in call after call."""
    nothing: ColumnElement[str] = literal_column("''")
    to, from_ = (number if indexed else number.concat(nothing) for number in (calls.c.to, calls.c.from_))
    conditions: list[ColumnElement[bool]] = []
    if wanted.to is not None:
        conditions.append(to == wanted.to)
    if wanted.from_ is not None:
        conditions.append(from_ == wanted.from_)
    if wanted.party is not None:
        called = and_(calls.c.direction == CallDirection.OUTBOUND, to == wanted.party)
        caller = and_(calls.c.direction == CallDirection.INBOUND, from_ == wanted.party)
        conditions.append(or_(called, caller))
    return and_(*conditions) if conditions else None


def _written_out(word: StrEnum) -> ColumnElement[str]:
    """A word of ours, in the statement instead of beside it: some indexes leave the most common one out, and a plan
    that is kept for all words could use them for none."""
    return literal_column(f"'{word}'")


def _is_unknown() -> ColumnElement[bool]:
    """Asked the other way round ("is one of those"), because those are few."""
    live = (attempts.c.state != CallState.ENDED, attempts.c.unknown_since.is_not(None))
    return calls.c.id.in_(select(attempts.c.call_id).where(*live))


def _is_one_of(call_ids: set[str]) -> ColumnElement[bool]:
    return calls.c.id == any_(literal(list(call_ids), ARRAY(Text)))


def _said(words: str, text: ColumnElement[str] = turns.c.text) -> ColumnElement[bool]:
    """Whether a turn says it. Never websearch_to_tsquery: its "-word" would have PostgreSQL read every turn."""
    wanted: ColumnElement[Any] = func.plainto_tsquery(_SIMPLE, "")
    for phrase, rest in _PHRASES.findall(words):
        make = func.phraseto_tsquery if phrase else func.plainto_tsquery
        wanted = wanted.op("&&")(make(_SIMPLE, _known_to_the_planner(phrase or rest)))
    return func.to_tsvector(_SIMPLE, text).op("@@", return_type=Boolean())(wanted)


def _known_to_the_planner(words: str) -> ColumnElement[str]:
    """Quoted in the statement (by SQLAlchemy) instead of beside it: a statement that is used often gets a plan for
    words of any kind, and that is the slow one."""
    return bindparam(None, words, Text, literal_execute=True)


def _was_said(words: str) -> ColumnElement[bool]:
    """Of common words: looked for in call after call until the page is full. Turns that can't match are passed over
    first, for making a tsvector costs ten times as much."""
    letters = re.findall(r"[a-zA-Z0-9]+", words) if re.fullmatch(r"[a-zA-Z0-9\s]+", words) else []
    could = [collate(turns.c.text, "C").ilike(f"%{each}%") for each in letters]  # "C": ASCII, and much faster
    unindexed = turns.c.text.concat(literal_column("''"))  # else PostgreSQL asks the index of words for every call
    turn = select(turns.c.seq).where(turns.c.call_id == calls.c.id, *could, _said(words, unindexed))
    return exists(turn.offset(0))  # with an offset PostgreSQL does look call by call, and doesn't join everything first


def _at(page: Sequence[StoredCall], index: int, *, newer: bool = False) -> str | None:
    if not page:
        return None
    return Cursor(created_at=page[index].created_at, call_id=page[index].id, newer=newer).text()
