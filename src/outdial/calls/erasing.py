"""What is personal in calls that have ended, erased: recordings, what was said, and all the rest. Calls stay, with
their times, ends, counts and prices.

Erased is erased for good: what comes later (a result that a dead process has left on its disk, a callback of the
carrier) is not written into it; who writes it looks at these columns of the call.
"""

# ruff: noqa: S608 - statements are put together of constants

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, Text, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.calls.events import add_event
from outdial.db.tables import attempts, calls
from outdial.telephony.state import CallState

ERASED = "erased"  # stands for a number; no number is written so
ERASED_MESSAGE = "What the carrier said was erased."
SEPARATORS = "[ .()/-]*"  # between the digits of a number, as people and transcripts write it
MEANWHILE_S = 900.0  # after its end a conversation may still be written down; whose process is dead then has left it


async def lock_ended(conn: AsyncConnection, call_ids: Sequence[str], *, skip_locked: bool = True) -> list[str]:
    """Those of these calls that have ended, with what their conversations brought; locked, attempts first. What
    somebody else has is left out, or waited for."""
    wanted = {"call_ids": list(call_ids)}
    dials = _ATTEMPTS.with_for_update(key_share=True, skip_locked=skip_locked)
    found = (await conn.execute(dials, wanted)).all()
    many: dict[str, int] = {}
    for row in found:
        many[row.call_id] = many.get(row.call_id, 0) + 1
    query = _CALLS.with_for_update(of=calls, key_share=True, skip_locked=skip_locked)
    rows = (await conn.execute(query, wanted)).all()
    return [row.id for row in rows if row.attempts == many.get(row.id, 0) and not row.being_written]


async def erase_recordings(conn: AsyncConnection, call_ids: Sequence[str]) -> None:
    """Forget the recordings, and have every host remove their files. The calls are locked."""
    await _each(conn, _RECORDINGS, call_ids)


async def erase_transcripts(conn: AsyncConnection, call_ids: Sequence[str]) -> None:
    """What was said, noted, made of it afterwards and wanted meanwhile. The calls are locked."""
    await _each(conn, _TRANSCRIPTS, call_ids)


async def erase_details(conn: AsyncConnection, call_ids: Sequence[str]) -> None:
    """All that is personal, and so recordings and transcripts as well. The calls are locked."""
    await erase_recordings(conn, call_ids)
    await erase_transcripts(conn, call_ids)
    await _each(conn, _DETAILS, call_ids)


async def erase_callbacks(conn: AsyncConnection, call_ids: Sequence[str]) -> int:
    """The carriers' callbacks as they came, but for those that are not handled yet; how many."""
    return (await conn.execute(_CALLBACKS, {"call_ids": list(call_ids)})).rowcount


async def erase_transfers_to(conn: AsyncConnection, call_ids: Sequence[str], number: str) -> None:
    """A number that calls were transferred to, wherever it stands in them. All else of them stays. They are locked."""
    as_written = SEPARATORS.join(number.lstrip("+"))
    await _each(conn, _NUMBER, call_ids, {"the_number": number, "as_written": as_written})


async def note_erased(conn: AsyncConnection, call_id: str) -> None:
    """Whoever follows the call, or has its page open, comes to know of it."""
    await add_event(conn, call_id, ERASED, {})


async def _each(
    conn: AsyncConnection, statements: Sequence[Any], call_ids: Sequence[str], more: Mapping[str, Any] | None = None
) -> None:
    for statement in statements:
        await conn.execute(statement, {"call_ids": list(call_ids), **(more or {})})


# -- statements, in the order in which they run ------------------------------------------------------------------

_WANTED = bindparam("call_ids", type_=ARRAY(Text))
_ATTEMPTS = select(attempts.c.call_id).where(attempts.c.call_id == _WANTED.any_()).order_by(attempts.c.id)
_CALLS = (
    select(
        calls.c.id,
        text("(SELECT count(*) FROM attempts WHERE attempts.call_id = calls.id) AS attempts"),
        text(f"""EXISTS (
            SELECT FROM attempts WHERE attempts.call_id = calls.id
                AND attempts.stream_opened_at IS NOT NULL AND attempts.result_at IS NULL
                AND attempts.ended_at > now() - make_interval(secs => {MEANWHILE_S})
        ) AS being_written"""),
    )
    .where(calls.c.id == _WANTED.any_(), calls.c.state == CallState.ENDED)
    .order_by(calls.c.id)
)


def _of(table: str) -> str:
    return f"{table}.call_id = ANY(CAST(:call_ids AS text[]))"


def _without_words(column: str) -> str:
    """An error: its codes say what happened; its message may hold what a carrier says of a number."""
    blank = f"""{column} || jsonb_build_object('message', '{ERASED_MESSAGE}')"""
    return f"CASE WHEN {column} ? 'message' THEN {blank} ELSE {column} END"


def _without_speech(column: str) -> str:
    """Who answered: what tells it stays, but for what was said (evidence of our own detector's)."""
    kept = f"""
        SELECT jsonb_agg(piece) FROM jsonb_array_elements({column} -> 'evidence') AS piece
        WHERE NOT starts_with(piece #>> '{{}}', 'said ')
    """
    return f"({column} - 'heard_ms') || jsonb_build_object('evidence', coalesce(({kept}), '[]'))"


_CONSULTED = f"attempts.id = consultations.attempt_id AND {_of('attempts')}"
_CALL = "calls.id = ANY(CAST(:call_ids AS text[]))"
_RECORDINGS = (
    text(f"""
        INSERT INTO recording_removals (workspace_id, call_id)
        SELECT workspace_id, id FROM calls WHERE {_CALL} AND answered_at IS NOT NULL
    """),
    text(f"""
        UPDATE calls SET recording = NULL, recording_erased_at = coalesce(recording_erased_at, clock_timestamp())
        WHERE {_CALL} AND (recording IS NOT NULL OR recording_erased_at IS NULL)
    """),
)
_TRANSCRIPTS = (
    text(f"DELETE FROM turns WHERE {_of('turns')}"),
    text(f"""
        DELETE FROM call_events WHERE {_of('call_events')}
            AND type NOT IN ('state', 'answered_by', 'outcome', 'transfer', 'unknown', 'limit', '{ERASED}',
                'model', 'speech_used', 'speech_replaced')
    """),
    text(f"""
        UPDATE call_events SET data = {_without_speech('data')}
        WHERE {_of('call_events')} AND type = 'answered_by' AND data ? 'evidence'
    """),
    text(f"UPDATE calls SET answered_by = {_without_speech('answered_by')} WHERE {_CALL} AND answered_by ? 'evidence'"),
    text(f"DELETE FROM call_commands WHERE {_of('call_commands')}"),
    text(f"UPDATE consultations SET brief = '' FROM attempts WHERE {_CONSULTED}"),
    text(f"DELETE FROM wrap_ups WHERE {_of('wrap_ups')} AND state = 'pending'"),
    text(f"""
        UPDATE wrap_ups SET summary = NULL, facts = '[]', outcome_evidence = '[]', unproved = '[]', error = NULL
        WHERE {_of('wrap_ups')}
    """),
    text(f"""
        UPDATE calls SET noted = '{{}}', transcript_erased_at = coalesce(transcript_erased_at, clock_timestamp())
        WHERE {_CALL}
    """),
)
# An outcome is a word of the agent's author; what is none may hold what a callee said.
_DETAILS = (
    text(f"""
        DELETE FROM callbacks USING attempts
        WHERE attempts.id = callbacks.attempt_id AND callbacks.handled_at IS NOT NULL AND {_of('attempts')}
    """),
    text(f"DELETE FROM call_events WHERE {_of('call_events')} AND type = 'transfer'"),
    text(f"""
        UPDATE call_events SET data = data || jsonb_build_object('error', {_without_words("(data -> 'error')")})
        WHERE {_of('call_events')} AND jsonb_typeof(data -> 'error') = 'object'
    """),
    text(f"""
        UPDATE transfers SET "to" = '{ERASED}', error = {_without_words('error')} WHERE {_of('transfers')}
    """),
    text(f"""
        UPDATE attempts SET error = {_without_words('error')}, ending = CASE
            WHEN jsonb_typeof(ending -> 'error') = 'object'
            THEN ending || jsonb_build_object('error', {_without_words("(ending -> 'error')")}) ELSE ending END
        WHERE {_of('attempts')} AND (error IS NOT NULL OR ending IS NOT NULL)
    """),
    # A repeat of the request is refused from now on, and rings nobody.
    text(f"""
        DELETE FROM idempotency_keys AS kept USING calls
        WHERE {_CALL} AND kept.workspace_id = calls.workspace_id AND kept.created_at = calls.created_at
            AND kept.response ->> 'call_id' = calls.id AND kept.key ~ '[0-9]{{6}}'
    """),
    text(f"""
        UPDATE idempotency_keys AS kept SET request_hash = ''
        FROM calls WHERE {_CALL} AND kept.workspace_id = calls.workspace_id AND kept.created_at = calls.created_at
            AND kept.response ->> 'call_id' = calls.id
    """),
    text(f"""
        UPDATE calls SET
            "to" = CASE direction WHEN 'outbound' THEN '{ERASED}' ELSE "to" END,
            "from" = CASE direction WHEN 'outbound' THEN "from" ELSE '{ERASED}' END,
            variables = '{{}}', metadata = NULL, webhook_url = NULL, error = {_without_words('error')},
            detection = CASE WHEN detection ? 'message' THEN detection || '{{"message": null}}' ELSE detection END,
            outcome = CASE WHEN outcome ~ '^[A-Za-z0-9_-]{{1,64}}$' AND outcome !~ '[0-9]{{6}}' THEN outcome END,
            erased_at = coalesce(erased_at, clock_timestamp())
        WHERE {_CALL}
    """),
)
_CALLBACKS = text(f"""
    DELETE FROM callbacks USING attempts
    WHERE attempts.id = callbacks.attempt_id AND callbacks.handled_at IS NOT NULL AND {_of('attempts')}
""")


def _freed(column: str) -> str:
    return f"CAST(regexp_replace(CAST({column} AS text), :as_written, '{ERASED}', 'g') AS jsonb)"


_NUMBER = (
    text(f"""
        UPDATE transfers SET "to" = '{ERASED}', error = {_without_words('error')}
        WHERE {_of('transfers')} AND "to" = :the_number
    """),
    text(f"UPDATE call_events SET data = {_freed('data')} WHERE {_of('call_events')}"
         " AND CAST(data AS text) ~ :as_written"),
    text(f"""
        DELETE FROM call_commands WHERE {_of('call_commands')} AND CAST(data AS text) ~ :as_written
    """),
    text(f"""
        UPDATE turns SET text = regexp_replace(text, :as_written, '{ERASED}', 'g')
        WHERE {_of('turns')} AND text ~ :as_written
    """),
    text(f"""
        UPDATE consultations SET brief = regexp_replace(brief, :as_written, '{ERASED}', 'g')
        FROM attempts WHERE {_CONSULTED} AND brief ~ :as_written
    """),
    text(f"""
        UPDATE calls SET variables = {_freed('variables')}, noted = {_freed('noted')}, metadata = {_freed('metadata')}
        WHERE {_CALL}
    """),
    text(f"""
        DELETE FROM callbacks USING attempts WHERE attempts.id = callbacks.attempt_id
            AND callbacks.handled_at IS NOT NULL AND {_of('attempts')}
            AND callbacks.body ~ :as_written
    """),
    text(f"""
        UPDATE wrap_ups SET summary = regexp_replace(summary, :as_written, '{ERASED}', 'g'), facts = {_freed('facts')}
        WHERE {_of('wrap_ups')}
    """),
)
