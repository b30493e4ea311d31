"""What is stored of a call that its trace is made of: history/call_story.py reads it. Values alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """A row of the call's feed, without what was said, asked for or answered. `attempt`: the number of the one that it
    is about; 0 before the first."""

    type: str
    data: Mapping[str, Any]
    at: datetime
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """An attempt, or the one of a call that came in. Instants are None for what didn't happen, or wasn't told."""

    id: str
    number: int
    carrier: str
    carrier_call_id: str | None
    created_at: datetime
    accepted_at: datetime | None
    ringing_at: datetime | None
    answered_at: datetime | None
    audio_started_at: datetime | None
    ended_at: datetime | None
    result_at: datetime | None
    end_reason: str | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    attempt_id: str
    at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    returned_at: datetime | None
    result: str | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A call that has ended. `outcome` is a word of ours, or `agent` for one of its agent's."""

    call_id: str
    workspace_id: str
    number_id: str | None
    direction: str
    agent_id: str | None
    agent_version: int | None
    traceparent: str | None
    created_at: datetime
    ended_at: datetime
    end_reason: str | None
    ended_by: str | None
    outcome: str | None
    error: str | None
    is_recorded: bool
    dials: Sequence[Dial] = ()
    transfers: Sequence[Transferred] = ()
    happenings: Sequence[Happening] = field(default=())
