"""Connecting a number: what its carrier says of it, and what was changed there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRecord:
    """A number the account may call from, as the carrier's books have it."""

    number: str
    carrier_number_id: str
    name: str
    can_call: bool
    rented: bool  # False: a caller ID that was only verified; it can be dialled from, never answered


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberConnection:
    """What answers calls to a number now, and what connecting it would change at the carrier, a sentence each."""

    number: NumberRecord
    answered_by: str
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A number is connected. `undo` (JSON) is what `disconnect` wants; `credentials` were made on the way and
    must be kept with those of the account: without them it can't place calls."""

    undo: Mapping[str, Any]
    credentials: Mapping[str, str]
