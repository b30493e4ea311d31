"""Dials that two detectors were asked about, as tests make them up."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.db.detection_tables import detections
from outdial.db.tables import attempts, calls
from outdial.ids import new_id
from tenants import Tenant

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


async def compared_dial(
    engine: AsyncEngine,
    tenant: Tenant,
    local: str | None,
    theirs: str | None,
    lead_ms: int | None = None,
    truth: str | None = None,
    **columns: Any,
) -> str:
    """The id of a call: what the two said, how much earlier the local one knew, and who it was; of an hour before
    NOW."""
    call_id, attempt_id, at = new_id("call"), new_id("att"), columns.get("at", NOW - timedelta(hours=1))
    known = {}
    if lead_ms is not None:
        known = {"local_known_at": at, "carrier_known_at": at + timedelta(milliseconds=lead_ms)}
    call = {"id": call_id, "workspace_id": tenant.workspace_id, "number_id": tenant.number_id, "state": "ended"}
    call |= {"direction": "outbound", "from_": "+15551230002", "to": "+15551230001", "ring_timeout_s": 30}
    dial = {"id": attempt_id, "call_id": call_id, "number": 1, "carrier": "twilio", "state": "ended"}
    row = {"attempt_id": attempt_id, "call_id": call_id, "workspace_id": tenant.workspace_id, "carrier": "twilio"}
    row |= {"at": at, "asked": "both", "local_category": local, "carrier_category": theirs, "truth": truth}
    row |= {"truth_at": None if truth is None else at}
    async with engine.begin() as conn:
        await conn.execute(insert(calls).values(max_duration_s=600, **call))
        await conn.execute(insert(attempts).values(stream_token_hash=b"", **dial))
        await conn.execute(insert(detections).values(**(row | known | columns)))
    return call_id
