"""What was said on calls, as the API shows it."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.db.tables import turns


class TurnView(TypedDict):
    """What one side said. Times count from the start of the audio; `end_ms` is null while it is being said.

    `recorded`: whether they are also times of the recording. Of a call that was answered more than once, the recording
    is of the last time. `seq` names the turn, within the call.
    """

    seq: int
    speaker: str
    text: str
    start_ms: int
    end_ms: int | None
    interrupted: bool
    recorded: bool
    latency: dict[str, Any] | None


async def transcripts_of(conn: AsyncConnection, recordings: Mapping[str, str | None]) -> dict[str, list[TurnView]]:
    """By call id, of each of these calls with its recording."""
    heard = (turns.c.call_id.in_(recordings), turns.c.text != "")  # "": cut off before its first word
    before = {call_id: None if kept is None else _turns_before(kept) for call_id, kept in recordings.items()}
    by_call: dict[str, list[TurnView]] = {call_id: [] for call_id in recordings}
    for row in await conn.execute(select(turns).where(*heard).order_by(turns.c.call_id, turns.c.seq)):
        first = before[row.call_id]
        view = TurnView(
            seq=row.seq,
            speaker=row.speaker,
            text=row.text,
            start_ms=row.start_ms,
            end_ms=row.end_ms,
            interrupted=row.interrupted,
            recorded=first is not None and row.seq > first,
            latency=row.latency,
        )
        by_call[row.call_id].append(view)
    return by_call


def _turns_before(recording: str) -> int:
    """The `seq` at which a recording begins; live.conversations writes it into its name."""
    seq = PurePath(recording).stem.partition("-")[2]
    return int(seq) if seq.isdecimal() else 0
