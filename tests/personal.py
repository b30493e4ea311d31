"""Calls with something personal in every table and file that can hold it, and a search for it that knows no columns."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.calls.enqueue import create_call
from outdial.calls.request import OutboundRequest
from outdial.db.consultation_tables import consultations
from outdial.db.tables import (
    attempts,
    call_commands,
    call_events,
    callbacks,
    calls,
    idempotency_keys,
    transfers,
    turns,
)
from outdial.db.webhook_tables import webhook_deliveries, webhook_events, webhooks
from outdial.db.wrap_up_tables import wrap_ups
from outdial.ids import new_id

WORDS = ("Rumpelstilzchen", "Quittengelee")  # said, and sent along: they stand nowhere else
OTHER_NUMBER = "+12025550177"

# Of a column's text, whatever its type: bytes are looked at, too.
_COLUMNS = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND data_type <> 'bytea' ORDER BY table_name, ordinal_position
"""


async def found_in_database(engine: AsyncEngine, *traces: str) -> list[str]:
    """The columns of any table in which any of these texts stands."""
    found = []
    async with engine.connect() as conn:
        for table, column in (await conn.execute(text(_COLUMNS))).all():
            for trace in traces:
                query = text(f'SELECT count(*) FROM "{table}" WHERE strpos("{column}"::text, :trace) > 0')
                if await conn.scalar(query, {"trace": trace}):
                    found.append(f"{table}.{column}: {trace}")
    return found


def found_in_files(folder: Path, *traces: str) -> list[str]:
    found = ((path.name, trace) for path in _files(folder) for trace in traces if trace.encode() in path.read_bytes())
    return [f"{name}: {trace}" for name, trace in found]


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A call that has ended, with all that it brought."""

    call_id: str
    attempt_id: str
    recording: Path


async def told_call(
    engine: AsyncEngine, data_dir: Path, workspace_id: str, number_id: str, settings: Any, to: str, **row: Any
) -> Told:
    """Of a person who said and was sent WORDS. `row` overrides columns of the call."""
    words = " ".join(WORDS)
    request = OutboundRequest.model_validate(
        {
            "to": to,
            "variables": {"name": words, "number": to},
            "metadata": {"crm": words, "phone": to},
            "amd": {"on_machine": "leave_message", "message": f"Hello {words}"},
            "webhook_url": f"https://example.org/{WORDS[0]}",
        }
    )
    accepted = await create_call(
        engine,
        settings,
        workspace_id=workspace_id,
        number_id=number_id,
        request=request,
        idempotency_key=f"welcome-{to}-{new_id('x')}",
    )
    recording = data_dir / "recordings" / workspace_id / f"{accepted.call_id}.wav"
    recording.parent.mkdir(parents=True, exist_ok=True)
    recording.write_bytes(words.encode())
    recording.with_name(f"{accepted.call_id}-3.wav").write_bytes(words.encode())  # of an earlier attempt
    attempt_id = new_id("att")
    error = {"code": "network_failure", "message": f"{to} said {words}", "carrier_code": "sip_500"}
    values = {
        "state": "ended",
        "end_reason": "completed",
        "ended_by": "callee",
        "outcome": "confirmed",
        "answered_by": {"category": "human", "evidence": ["reply"], "after_answer_ms": 900},
        "answered_at": func.now(),
        "ended_at": func.now(),
        "recording": str(recording.relative_to(data_dir)),
        "noted": {"answer": words, "back": to},
        "error": error,
    }
    async with engine.begin() as conn:
        await conn.execute(calls.update().where(calls.c.id == accepted.call_id).values(values | row))
        await _add_attempt(conn, accepted.call_id, attempt_id, error)
        await _add_told(conn, workspace_id, accepted.call_id, attempt_id, to, words)
    return Told(call_id=accepted.call_id, attempt_id=attempt_id, recording=recording)


async def _add_attempt(conn: Any, call_id: str, attempt_id: str, error: dict[str, Any]) -> None:
    await conn.execute(
        insert(attempts).values(
            id=attempt_id,
            call_id=call_id,
            number=1,
            carrier="twilio",
            state="ended",
            end_reason="completed",
            stream_token_hash=b"",
            error=error,
            ending={"end_reason": "completed", "error": error},
            stream_opened_at=func.now(),
            result_at=func.now(),
            ended_at=func.now(),
            answered_at=func.now(),
            turns=2,
            price="0.013",
            price_currency="USD",
        )
    )


async def _add_told(conn: Any, workspace_id: str, call_id: str, attempt_id: str, to: str, words: str) -> None:
    state = {"state": "ended", "end_reason": "completed", "error": {"code": "network_failure", "message": to}}
    events: Sequence[tuple[str, dict[str, Any]]] = (
        ("state", state),
        ("transcript", {"seq": 1, "text": words}),
        ("noted", {"values": {"answer": words}}),
        ("transfer", {"to": OTHER_NUMBER}),
        ("something_new", {"anything": [words, to]}),
    )
    for type_, data in events:
        await conn.execute(insert(call_events).values(call_id=call_id, type=type_, data=data))
    for seq, speaker in enumerate(("agent", "callee")):
        said = f"{words}, {to}"
        values = {"call_id": call_id, "seq": seq, "speaker": speaker, "text": said, "start_ms": 0}
        await conn.execute(insert(turns).values(values))
    command = {"call_id": call_id, "kind": "say", "data": {"text": words}, "result": {"done": to}}
    await conn.execute(insert(call_commands).values(command))
    body = f"To={to}&Said={words}"
    callback = {"attempt_id": attempt_id, "kind": "status", "dedupe_key": "1", "body": body, "handled_at": func.now()}
    await conn.execute(insert(callbacks).values(callback))
    connected = {"call_id": call_id, "attempt_id": attempt_id, "to": OTHER_NUMBER, "result": "answered"}
    connected["error"] = {"code": "network_failure", "message": words}
    transfer_id = await conn.scalar(insert(transfers).values(connected).returning(transfers.c.id))
    asked = {"transfer_id": transfer_id, "attempt_id": attempt_id, "owner": "worker_1", "wait_s": 10, "token_hash": b""}
    await conn.execute(insert(consultations).values(brief=f"{words}, {OTHER_NUMBER}", **asked))
    made = {"summary": words, "facts": [{"name": "x", "value": words, "evidence": [1]}], "unproved": [words]}
    made["error"] = {"code": "model_failed", "message": words}
    await conn.execute(insert(wrap_ups).values(call_id=call_id, state="done", outcome="confirmed", **made))
    endpoint, event = new_id("hook"), new_id("evt")
    await conn.execute(
        insert(webhooks).values(id=endpoint, workspace_id=workspace_id, url="https://example.org", secret=b"")
    )
    told = {"id": event, "workspace_id": workspace_id, "call_id": call_id, "type": "call.ended", "at": func.now()}
    await conn.execute(insert(webhook_events).values(data=json.dumps({"call": {"to": to, "said": words}}), **told))
    delivery = {
        "webhook_id": endpoint,
        "event_id": event,
        "call_id": call_id,
        "lane": "x",
        "url": "https://example.org",
        "state": "done",
        "tries": [{"answer": words}],
        "finished_at": func.now(),
    }
    await conn.execute(insert(webhook_deliveries).values(delivery))


async def keys_of(engine: AsyncEngine) -> int:
    async with engine.connect() as conn:
        return await conn.scalar(func.count(idempotency_keys.c.key).select()) or 0
