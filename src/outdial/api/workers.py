"""The processes that serve: how much room there is for conversations."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse
from typing_extensions import TypedDict

from outdial.api.auth import ApiRoute, Caller
from outdial.api.docs import errors, example
from outdial.api.services import Services, Use
from outdial.calls.heartbeat import AskedBy, ask_to_drain
from outdial.db.engine import reading
from outdial.history.workers import WorkerState, WorkerView, list_workers
from outdial.instants import to_json
from outdial.members.store import operates_all
from outdial.refusals import Denied
from outdial.workspaces.access import Principal

router = APIRouter(route_class=ApiRoute, tags=["Workers"])


WorkerId = Annotated[str, Path(description="The worker's id", examples=["worker_3w6y9r4m1q8x5z2v7k0t"])]
NOT_OF_ALL = (
    "Workers serve all workspaces, and there are some that you aren't an operator of: whoever runs the server drains "
    "one with the command outdial workers drain."
)
_ASKED = {"s403_not_of_all_workspaces": NOT_OF_ALL, "s404_worker_not_found": "There is no such worker."}


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
    return JSONResponse(Workers(workers=[_shown(worker) for worker in found]))


@router.post(
    "/v1/workers/{worker_id}/drain",
    summary="Drain a worker",
    operation_id="drain_worker",
    description=(
        "It takes no new calls. Those it has may go on for `OUTDIAL_DRAIN_S`, then they hear a goodbye; it goes on "
        "running until it is stopped. Draining it again changes nothing."
    ),
    response_model=Worker,
    responses=example(_WORKER | {"state": "drains", "free": 0}) | errors(**_ASKED),
)
async def drain_worker(services: Use, caller: Caller, worker_id: WorkerId) -> JSONResponse:
    return await _ask(services, caller, worker_id, wanted=True)


@router.post(
    "/v1/workers/{worker_id}/undrain",
    summary="Have a worker take calls again",
    operation_id="undrain_worker",
    description="One that is being stopped goes on draining. Where it isn't drained nothing changes.",
    response_model=Worker,
    responses=example(_WORKER) | errors(**_ASKED),
)
async def undrain_worker(services: Use, caller: Caller, worker_id: WorkerId) -> JSONResponse:
    return await _ask(services, caller, worker_id, wanted=False)


async def _ask(services: Services, caller: Principal, worker_id: str, *, wanted: bool) -> JSONResponse:
    async with reading(services.engine) as conn:
        if not await operates_all(conn, caller.actor.id):
            raise Denied("not_of_all_workspaces", NOT_OF_ALL)
    by = AskedBy(actor=caller.actor, workspace_id=caller.workspace_id)
    await ask_to_drain(services.engine, worker_id, wanted=wanted, by=by)
    async with reading(services.engine) as conn:
        found = await list_workers(conn)
    return JSONResponse(_shown(next(worker for worker in found if worker.id == worker_id)))


def _shown(worker: WorkerView) -> Worker:
    return Worker(
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
