"""What the simulator's own API needs of every carrier it speaks."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from starlette.routing import Route

from outdial.simulator.calls import Call, Subscriber
from outdial.simulator.line import Line


class CannotCallIn(Exception):
    """Nobody would answer at that number; the text says why."""


class LiveCall(Protocol):
    """A call that hasn't ended; `line` is there once it was answered."""

    line: Line | None
    ended: asyncio.Event

    def hang_up(self) -> None: ...


class Carrier(Protocol):
    """A carrier with the one account it has here."""

    name: str

    @property
    def account_id(self) -> str:
        """What the book of calls and faults know the account by."""
        ...

    @property
    def live(self) -> Mapping[str, LiveCall]: ...

    def about(self) -> dict[str, Any]:
        """What a customer needs to know of the account; `credentials` to use it with are nobody's secrets here."""
        ...

    def call_in(self, to: str, *, from_: str, callee: Subscriber) -> Call | None:
        """`callee` calls the number `to`; None when the account doesn't own it. Raises CannotCallIn."""
        ...


class Api(Protocol):
    """What a carrier answers over HTTP."""

    @property
    def account(self) -> Carrier: ...

    def routes(self) -> list[Route]: ...


def call_in(carriers: Iterable[Carrier], to: str, *, from_: str, callee: Subscriber, carrier: str = "") -> Call:
    """`callee` calls an account's number; without `carrier`, the first account's that owns it. Raises CannotCallIn."""
    for each in carriers:
        if carrier in ("", each.name):
            call = each.call_in(to, from_=from_, callee=callee)
            if call is not None:
                return call
    raise CannotCallIn("not a number of an account")
