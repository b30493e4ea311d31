"""For load balancers and people: is this process alive, and can it take calls?"""

import asyncio

from fastapi import APIRouter
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import TypedDict

from outdial.api.docs import documented, example
from outdial.api.problems import unavailable
from outdial.api.services import Use
from outdial.db.engine import reading
from outdial.db.storing import refuses

router = APIRouter(tags=["Health"])

_PATIENCE_S = 3.0


class Health(TypedDict):
    status: str


@router.get(
    "/healthz",
    summary="Is the process alive?",
    operation_id="healthz",
    description="Asks nothing else, not even the database.",
    responses=example({"status": "ok"}),
)
async def healthz() -> Health:
    return Health(status="ok")


@router.get(
    "/readyz",
    summary="Can calls be taken?",
    operation_id="readyz",
    description="Asks the database. 503 while it can't be used or stores nothing (it can only be read, or a call or a "
    "callback could not be stored in the last 15 s), and until this process has its lock again; calls that are up go "
    "on. 503 also while the process drains: it is to stop and takes no new calls; those it has go on, and so "
    "does the API.",
    responses=example({"status": "ready"}) | documented(503),
)
async def readyz(services: Use) -> Health:
    if (why := services.not_ready()) is not None:
        raise unavailable(why)
    takes = await _takes_writes(services.engine)
    if takes is None:
        raise unavailable("The database can't be reached.")
    if not takes:
        raise unavailable("The database can only be read: a standby, or set to read only.")
    if refuses(services.engine):
        raise unavailable("The database answers but stores nothing: see this process's log for its reason.")
    return Health(status="ready")


async def _takes_writes(engine: AsyncEngine) -> bool | None:
    """None where it doesn't answer. Not waited for any longer than that, also where what was asked can't be cancelled
    (see db.engine)."""

    async def ask() -> bool:
        async with reading(engine) as conn:
            return not await conn.scalar(text("SELECT current_setting('transaction_read_only')::boolean"))

    asking = asyncio.create_task(ask(), name="readiness")
    await asyncio.wait({asking}, timeout=_PATIENCE_S)
    if not asking.done():
        asking.cancel()
        asking.add_done_callback(lambda task: task.cancelled() or task.exception())  # seen, and nobody waits for it
        return None
    if (error := asking.exception()) is None:
        return asking.result()
    if isinstance(error, SQLAlchemyError):
        return None
    raise error
