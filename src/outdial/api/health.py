"""For load balancers and people: is this process alive, and can it take calls?"""

import asyncio

from fastapi import APIRouter
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from typing_extensions import TypedDict

from outdial.api.docs import documented, example
from outdial.api.problems import unavailable
from outdial.api.services import Use
from outdial.db.engine import reading

router = APIRouter(tags=["Health"])

_PATIENCE_S = 3.0


class Health(TypedDict):
    status: str


@router.get("/healthz", summary="Is the process alive?", operation_id="healthz", responses=example({"status": "ok"}))
async def healthz() -> Health:
    return Health(status="ok")


@router.get(
    "/readyz",
    summary="Can calls be taken?",
    operation_id="readyz",
    description="Asks the database. 503 also while the process drains: it is to stop and takes no new calls; those it "
    "has go on, and so does the API.",
    responses=example({"status": "ready"}) | documented(503),
)
async def readyz(services: Use) -> Health:
    if (why := services.not_ready()) is not None:
        raise unavailable(why)
    try:
        async with asyncio.timeout(_PATIENCE_S), reading(services.engine) as conn:
            await conn.execute(text("SELECT 1"))
    except (SQLAlchemyError, TimeoutError):
        raise unavailable("The database can't be reached.") from None
    return Health(status="ready")
