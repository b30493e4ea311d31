"""The parts of a process: what it runs side by side, and how that ends."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outdial.calls.workers import WorkerLost
from outdial.db.embedded import EmbeddedPostgresError
from outdial.draining import Drain
from outdial.roles import Role

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Something a process runs, for a role (None: whatever its roles). `run` goes on until it is cancelled; `stop` ends
    in order what it has begun."""

    name: str
    role: Role | None = None
    run: Callable[[], Coroutine[Any, Any, None]] | None = None
    stop: Callable[[], Awaitable[None]] | None = None


async def run_part(part: Part, drain: Drain, failed: Callable[[], None]) -> None:
    """A part that fails takes the process down: the log says why, once, and `failed` is called."""
    assert part.run is not None
    try:
        await part.run()
    except Exception as error:
        is_known = isinstance(error, WorkerLost | EmbeddedPostgresError)
        fields = {"part": part.name, "reason": str(error) if is_known else type(error).__name__}
        logger.critical("Process can't go on", extra=fields, exc_info=None if is_known else error)
        drain.fail()
        failed()
        raise


async def stop_in_order(parts: Sequence[Part], tasks: Mapping[str, asyncio.Task[None]]) -> None:
    """Stop each part and cancel its task (by name), whatever one of them has against it."""
    for part in parts:
        try:
            if part.stop is not None:
                await part.stop()
        except Exception:
            logger.exception("Part not stopped in order", extra={"part": part.name})
        if part.name in tasks:
            tasks[part.name].cancel()
