"""The reply to a request that dials, and what can go wrong between it and the ringing."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from starlette.background import BackgroundTask
from starlette.responses import Response

from outdial.simulator.connection import Dropped
from outdial.simulator.faults import FaultKind
from outdial.simulator.waiting import first_of

CALLBACK_FIRST_PATIENCE_S = 5.0


class Dialled(Protocol):
    """A call that `start` sets going; `first_callback` is there once it is `dialled`, if it has one."""

    dialled: asyncio.Event
    first_callback: asyncio.Task[None] | None


async def reply_to_dial(
    reply: Response,
    live: Dialled,
    *,
    start: Callable[[], object],
    strikes: Callable[[FaultKind], bool],
    failure: Exception,
) -> Response:
    """`reply`, and the call is started. Raises `failure` when an error is to follow the dialling."""
    if strikes(FaultKind.ERROR_AFTER_DIALLING):
        start()
        raise failure
    if strikes(FaultKind.REPLY_LOST):
        start()
        return Dropped()
    if strikes(FaultKind.REPLY_AFTER_CALLBACK):
        start()
        await _first_callback(live)
        return reply

    async def start_afterwards() -> None:
        start()

    # After the reply has gone out: carriers' callbacks usually come later, too.
    reply.background = BackgroundTask(start_afterwards)
    return reply


async def _first_callback(live: Dialled) -> None:
    """Until the customer has answered the first callback, or the call went on without one."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CALLBACK_FIRST_PATIENCE_S):
            await live.dialled.wait()
            if live.first_callback is not None:
                await first_of(live.first_callback)
