"""outdial workers: the processes that serve, and emptying one of them."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.calls.heartbeat import ask_to_drain
from outdial.cli.database import with_database
from outdial.cli.failures import CommandFailed
from outdial.cli.output import AsJson, console, show_rows
from outdial.cli.verbs import verbs
from outdial.db.engine import reading
from outdial.history.workers import WorkerView, list_workers
from outdial.instants import to_json
from outdial.refusals import NotFound
from outdial.settings import Settings

app = verbs("The processes that serve, on whatever host.")
WorkerId = Annotated[str, typer.Argument(help="Its id; see: outdial workers list.")]


@app.command("list")
def list_(json: AsJson = False) -> None:
    """What each process is there for, and how many of its seats are free."""

    async def work(engine: AsyncEngine, settings: Settings) -> list[WorkerView]:
        async with reading(engine) as conn:
            return list(await list_workers(conn))

    rows = [_row(worker) for worker in with_database(work)]
    shown = rows if json else [{**row, "roles": ",".join(row["roles"])} for row in rows]
    columns = ["id", "state", "roles", "seats", "free", "live", "version", "host", "stream_url", "seen_at"]
    show_rows(shown, columns, as_json=json, empty="No process has served here yet: outdial serve")


@app.command()
def drain(worker_id: WorkerId) -> None:
    """Empty a process: no new calls.

    Those it has may go on for OUTDIAL_DRAIN_S, then they hear a goodbye. The process goes on running until it is
    stopped.
    """
    _ask(worker_id, wanted=True)
    console.print(f"{worker_id} drains. To see how many calls it has left: outdial workers list")


@app.command()
def undrain(worker_id: WorkerId) -> None:
    """Have a process take calls again."""
    _ask(worker_id, wanted=False)
    console.print(f"{worker_id} takes calls again, unless it is being stopped.")


def _ask(worker_id: str, *, wanted: bool) -> None:
    async def work(engine: AsyncEngine, settings: Settings) -> None:
        try:
            await ask_to_drain(engine, worker_id, wanted=wanted)
        except NotFound as error:
            raise CommandFailed(f"there is no worker {worker_id}; see: outdial workers list") from error

    with_database(work)


def _row(worker: WorkerView) -> dict[str, Any]:
    return {
        "id": worker.id,
        "state": worker.state,
        "roles": list(worker.roles),
        "seats": worker.seats,
        "taken": worker.taken,
        "free": worker.free,
        "live": worker.live,
        "version": worker.version,
        "host": worker.host,
        "pid": worker.pid,
        "stream_url": worker.stream_url,
        "internal_url": worker.internal_url,
        "started_at": to_json(worker.started_at),
        "seen_at": to_json(worker.seen_at),
    }
