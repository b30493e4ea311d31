"""The processes that serve: how much room there is for conversations."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from typing_extensions import TypedDict

from outdial.api.auth import ApiRoute, Caller
from outdial.api.docs import errors, example
from outdial.api.services import Use
from outdial.db.engine import reading
from outdial.history.workers import WorkerState, list_workers
from outdial.instants import to_json

router = APIRouter(route_class=ApiRoute, tags=["Workers"])


class Worker(TypedDict):
    """`taken`: seats that calls have, live or about to be; `live`: conversations under way when it was last seen."""

    id: str
    state: WorkerState
    roles: list[str]
    version: str | None
    seats: int
    taken: int
    free: int
    live: int
    started_at: str
    seen_at: str | None


class Workers(TypedDict):
    workers: list[Worker]


_WORKER: dict[str, Any] = {
    "id": "worker_3w6y9r4m1q8x5z2v7k0t",
    "state": "serves",
    "roles": ["api", "dispatch", "jobs", "media"],
    "version": "0.2.0",
    "seats": 300,
    "taken": 41,
    "free": 259,
    "live": 38,
    "started_at": "2026-01-31T08:00:00Z",
    "seen_at": "2026-01-31T09:00:00Z",
}


@router.get(
    "/v1/workers",
    summary="List workers",
    operation_id="list_workers",
    description=(
        "The processes of this Outdial, the oldest first, on whatever host, and the seats for conversations that each "
        "has. They serve all workspaces. A call takes a seat together with its line, where most are free; while none "
        "is, it waits."
    ),
    response_model=Workers,
    responses=example({"workers": [_WORKER]}) | errors(),
)
async def get_workers(services: Use, caller: Caller) -> JSONResponse:
    async with reading(services.engine) as conn:
        found = await list_workers(conn)
    return JSONResponse(
        Workers(
            workers=[
                Worker(
                    id=worker.id,
                    state=worker.state,
                    roles=list(worker.roles),
                    version=worker.version,
                    seats=worker.seats,
                    taken=worker.taken,
                    free=worker.free,
                    live=worker.live,
                    started_at=to_json(worker.started_at),
                    seen_at=to_json(worker.seen_at),
                )
                for worker in found
            ]
        )
    )
