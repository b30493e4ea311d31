"""Which calls a list has: its filters as a statement."""

import json
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

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

from outdial.db.tables import ENDED, QUEUED, UP, attempts, calls, turns
from outdial.history.call_filter import CallFilter, CallSearch
from outdial.history.cursor import Cursor, Order, Paged
from outdial.history.stored_call import STORED_CALL, StoredCall
from outdial.telephony.state import CallDirection, CallState

# As the index ix_turns_words has it: without a language no word is left out, and none is cut to its stem.
_SIMPLE: ColumnElement[Any] = literal_column("'simple'::regconfig")
_CATEGORY = calls.c.answered_by.op("->>", return_type=Text())(literal_column("'category'"))  # as its index has it
RARE_TURNS = 2000
RARE_CALLS = 2000
MAX_NUMBER = 1e30  # that is looked for as a number; also neither NaN nor Infinity
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


async def find_page(conn: AsyncConnection, workspace_id: str, wanted: CallFilter) -> Paged:
    """Raises Invalid for a cursor that isn't one of ours, or of a list in another order."""
    said_in = None if wanted.words is None else await _calls_that_say(conn, wanted.words)
    numbers = _numbers(wanted)
    with_numbers = None if numbers is None else await _calls_with(conn, numbers)
    waiting = None
    if wanted.number_id is not None and any(kind is QUEUED for kind in _kinds(wanted)):
        waiting = await _calls_with(conn, and_(calls.c.number_id == wanted.number_id, QUEUED))
    with_metadata = await _calls_with(conn, _has_metadata(wanted.metadata)) if wanted.metadata else None
    found = await conn.execute(_page_query(workspace_id, wanted, said_in, with_numbers, waiting, with_metadata))
    return Paged.of([StoredCall.of(row) for row in found.mappings()], wanted)


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
    """The same for phone numbers: callees have few calls, our own numbers may have any number of them. For metadata,
    of which a key of the user's has one call and the name of a campaign very many. And for what
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
    with_metadata: set[str] | None = None,
) -> Select[Any]:
    """The calls of a page and one more, in the order in which its cursor walks: so many of each kind are looked for,
    and the first of these are the page. A long queue would else stand before all calls that have ended."""
    cursor = Cursor.of(wanted)
    newer = cursor is not None and cursor.newer
    instant = calls.c.created_at if Order.of(wanted) is Order.CREATED else calls.c.ended_at
    place, kinds = tuple_(instant, calls.c.id), []
    for kind in _kinds(wanted):
        some = select(calls.c.id, instant.label("at")).where(calls.c.workspace_id == workspace_id, kind)
        if cursor is not None:
            at = (cursor.at, cursor.call_id)
            some = some.where(place > at if newer else place < at)
        if waiting is not None and kind is QUEUED:
            some = some.where(_is_one_of(waiting))
        if with_metadata is not None:
            some = some.where(_is_one_of(with_metadata))
        some = _filtered(some, wanted, said_in, with_numbers)
        kinds.append(some.order_by(*_walked(instant, calls.c.id, newer)).limit(wanted.limit + 1))
    nothing = select(calls.c.id, instant.label("at")).where(false())
    found = (union_all(*kinds) if kinds else nothing).subquery()
    page = select(found.c.id).order_by(*_walked(found.c.at, found.c.id, newer)).limit(wanted.limit + 1)
    first = page.subquery()
    query = select(*STORED_CALL).join(first, first.c.id == calls.c.id)
    return query.order_by(*_walked(instant, calls.c.id, newer))


def _walked(instant: ColumnElement[Any], call_id: ColumnElement[Any], newer: bool) -> Sequence[ColumnElement[Any]]:
    return (instant, call_id) if newer else (instant.desc(), call_id.desc())


def _kinds(wanted: CallSearch) -> list[ColumnElement[bool]]:
    """Those that calls can be of that are wanted."""
    states = set(wanted.state) or {*CallState}
    may_wait = not wanted.answered_by and wanted.direction is not CallDirection.INBOUND
    kinds: list[ColumnElement[bool]] = []
    if not (wanted.end_reason or wanted.ended_by or wanted.outcome or Order.of(wanted) is Order.ENDED):
        if CallState.QUEUED in states and may_wait:
            kinds.append(QUEUED if wanted.words is None else and_(QUEUED, calls.c.dialled))
        if states - {CallState.QUEUED, CallState.ENDED}:
            kinds.append(UP)
    if CallState.ENDED in states:
        kinds.append(ENDED)
    return kinds


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
    if wanted.ended_after is not None:
        query = query.where(calls.c.ended_at >= wanted.ended_after)
    if wanted.ended_before is not None:
        query = query.where(calls.c.ended_at < wanted.ended_before)
    return query.where(*(_is_sent_along(key, value) for key, value in wanted.metadata.items()))


def _has_metadata(wanted: Mapping[str, str]) -> ColumnElement[bool]:
    """As the index ix_calls_metadata finds it, and then to the letter."""
    return and_(
        *(or_(*(calls.c.metadata.contains({key: each}) for each in _meanings(value))) for key, value in wanted.items()),
        *(_is_sent_along(key, value) for key, value in wanted.items()),
    )


def _is_sent_along(key: str, value: str) -> ColumnElement[bool]:
    """As a function: of `=` PostgreSQL would guess that it holds for one call in 200, and sort them all for a page."""
    return func.texteq(calls.c.metadata[key].astext, value, type_=Boolean())


def _meanings(value: str) -> list[Any]:
    """What may stand in JSON for what was asked for in an address."""
    try:
        other = json.loads(value)
    except (ValueError, RecursionError):
        return [value]
    return [value, other] if isinstance(other, int | float) and abs(other) < MAX_NUMBER else [value]


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
