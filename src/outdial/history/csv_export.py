"""Calls as CSV, for people with spreadsheets: read and written page by page, however many there are."""

import csv
import io
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.agents.store import agent_names
from outdial.history.call_filter import CallFilter, CallSearch
from outdial.history.reading import History
from outdial.history.views import CallPage, CallSummary, list_calls

PAGE = 200
COLUMNS = (
    "id", "created_at", "direction", "state", "end_reason", "from", "to", "number_id", "agent_id", "agent",
    "agent_version", "answered_by", "answered_at", "ended_at", "duration_s", "attempts", "price", "price_currency",
    "error_code", "error_message", "recording_url", "variables", "noted", "metadata", "ended_by", "outcome",
    "transferred_to", "transfer_result", "transfer_duration_s", "outcome_by", "summary", "facts", "wrap_up",
    "disclosure_heard", "erased_at",
)  # fmt: skip

BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
# What spreadsheets take for the beginning of a formula, also behind white space and in its full-width form.
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
# A number can't do anything; a phone number is one, and is to stay as it is.
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


async def csv_of_calls(
    history: History, workspace_id: str, wanted: CallSearch, *, base_url: str
) -> AsyncIterator[str]:
    """The header, then calls, newest first, in pieces. Each page is read by itself, so no connection is held while
    somebody downloads slowly; calls that begin meanwhile are not among them."""
    yield BYTE_ORDER_MARK + lines([COLUMNS])
    given = wanted.model_dump(by_alias=True)
    cursor: str | None = None
    while True:
        page = CallFilter.model_validate(given | {"limit": PAGE, "cursor": cursor})

        async def ask(conn: AsyncConnection, page: CallFilter = page) -> tuple[CallPage, Mapping[str, str]]:
            return await list_calls(conn, workspace_id, page, base_url=base_url), await agent_names(conn, workspace_id)

        found, names = (await history.read(ask)).value
        if found["calls"]:
            yield lines(_row(call, names) for call in found["calls"])
        cursor = found["next_cursor"]
        if cursor is None:
            return


def cell(value: object) -> str:
    """As text that no spreadsheet takes for a formula: what looks like one gets an apostrophe in front."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def lines(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV (RFC 4180), each value a `cell`."""
    text = io.StringIO()
    csv.writer(text).writerows([[cell(value) for value in row] for row in rows])
    return text.getvalue()


def _row(call: CallSummary, agents: Mapping[str, str]) -> list[Any]:
    agent, error, who = call["agent"], call["error"], call["answered_by"]
    decided = call["outcome_from"]
    priced = [leg for leg in (*call["attempts"], *call["transfers"]) if leg["price"] is not None]
    transfer = call["transfers"][-1] if call["transfers"] else None
    price = sum((Decimal(leg["price"] or 0) for leg in priced), Decimal(0))
    return [
        call["id"],
        call["created_at"],
        call["direction"],
        call["state"],
        call["end_reason"],
        call["from"],
        call["to"],
        call["number_id"],
        None if agent is None else agent["id"],
        None if agent is None else agents.get(agent["id"]),
        None if agent is None else agent["version"],
        None if who is None else who["category"],
        call["answered_at"],
        call["ended_at"],
        call["duration_s"],
        len(call["attempts"]),
        f"{price:f}" if priced else None,
        priced[0]["price_currency"] if priced else None,
        None if error is None else error["code"],
        None if error is None else error["message"],
        call["recording_url"],
        call["variables"] or None,
        call["noted"] or None,
        call["metadata"],
        call["ended_by"],
        call["outcome"],
        None if transfer is None else transfer["to"],
        None if transfer is None else transfer["result"],
        None if transfer is None else transfer["duration_s"],
        None if decided is None else decided["by"],
        call["summary"],
        call["facts"] or None,
        None if call["wrap_up"] is None else call["wrap_up"]["state"],
        None if call["disclosure"] is None else call["disclosure"]["heard"],
        call["erased_at"],
    ]
