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
    description="Asks the database. 503 while it can't be used, and until this process has its lock again; calls that "
    "are up go on. 503 also while the process drains: it is to stop and takes no new calls; those it has go on, and so "
    "does the API.",
    responses=example({"status": "ready"}) | documented(503),
)
async def readyz(services: Use) -> Health:
    if (why := services.not_ready()) is not None:
        raise unavailable(why)
    if not await _answers(services.engine):
        raise unavailable("The database can't be reached.")
    return Health(status="ready")


async def _answers(engine: AsyncEngine) -> bool:
    """Not waited for any longer than that, also where what was asked can't be cancelled (see db.engine)."""

    async def ask() -> None:
        async with reading(engine) as conn:
            await conn.execute(text("SELECT 1"))

    asking = asyncio.create_task(ask(), name="readiness")
    await asyncio.wait({asking}, timeout=_PATIENCE_S)
    if not asking.done():
        asking.cancel()
        asking.add_done_callback(lambda task: task.cancelled() or task.exception())  # seen, and nobody waits for it
        return False
    if (error := asking.exception()) is None:
        return True
    if isinstance(error, SQLAlchemyError):
        return False
    raise error
