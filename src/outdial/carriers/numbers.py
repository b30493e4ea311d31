"""Connecting a number: what its carrier says of it, and what was changed there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

LISTED = 100  # numbers of an account that are shown at once, for people to choose from


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRecord:
    """A number the account may call from, as the carrier's books have it."""

    number: str
    carrier_number_id: str
    name: str
    can_call: bool
    rented: bool  # False: a caller ID that was only verified; it can be dialled from, never answered


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedNumbers:
    """The first numbers of an account, as its carrier orders them. `more`: there are others."""

    numbers: tuple[NumberRecord, ...]
    more: bool


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


class NumberControl(Protocol):
    """The numbers of one account, and what answers them. Every method raises a CarrierError subclass."""

    async def check(self) -> None:
        """Raises CarrierRefused when the credentials are wrong or the account can't be used."""
        ...

    async def owns(self, number: str) -> NumberRecord | None:
        """The account's own record of `number`, None when it may not call from it."""
        ...

    async def owned(self, digits: str = "") -> OwnedNumbers:
        """The numbers the account rents, LISTED at most; only those that `digits` stand in, in this order."""
        ...

    async def connection(self, number: str, *, inbound_url: str, callback_url: str) -> NumberConnection:
        """How `number` is set up now and what `connect` would change. Changes nothing.

        Raises CarrierRefused, with what to do, for a number that isn't the account's or is in use elsewhere.
        """
        ...

    async def connect(self, number: str, *, inbound_url: str, callback_url: str) -> Connected:
        """Have calls to `number` announced at `inbound_url`, and their progress told under `callback_url`.

        Both URLs are of the account, not of the number: at some carriers its numbers share them. A carrier
        that gives every call a callback URL of its own has no use for the second. Raises as `connection`.
        Harmless when repeated.
        """
        ...

    async def disconnect(self, number: str, undo: Mapping[str, Any], *, is_last: bool) -> None:
        """Put back what `connect` found, unless somebody has changed it since.

        What the account's numbers share is left alone while there are others of them here; for the last one
        this is called with the `undo` of those that went before, too.
        """
        ...

    async def aclose(self) -> None: ...
