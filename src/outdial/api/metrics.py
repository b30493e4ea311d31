"""GET /metrics for Prometheus: an API key sees its workspace, the instance's token this process and all workspaces."""

import asyncio
import hmac
from collections.abc import Callable, Iterable, Sequence

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from outdial.api.auth import bearer, holder_of_key
from outdial.api.services import Use
from outdial.db.engine import reading
from outdial.history.counted import Group
from outdial.history.gauges import Lines, calls_ended, lines_of
from outdial.history.workers import WorkerState, WorkerView, list_workers
from outdial.metrics import DATABASE_CONNECTIONS, REGISTRY
from outdial.telephony.outcome import closed_word
from outdial.workspaces.access import OPERATE

PATH = "/metrics"
router = APIRouter(include_in_schema=False)


@router.get(PATH)
async def get_metrics(request: Request, services: Use) -> Response:
    token = services.settings.metrics_token
    if token is not None and hmac.compare_digest(bearer(request).encode(), token.get_secret_value().encode()):
        async with reading(services.engine) as conn:
            lines, workers = await lines_of(conn), await list_workers(conn)
        _look_at_pool(services)
        found = _Found(_workers(workers))
        return await _exposed(lambda: generate_latest(REGISTRY) + _lines(lines) + generate_latest(found))
    principal = await holder_of_key(request)
    principal.require(OPERATE)
    async with reading(services.engine) as conn:
        lines = await lines_of(conn, principal.workspace_id)
        ended = await calls_ended(conn, principal.workspace_id)
    found = _Found([_ended(principal.workspace_id, ended)])
    return await _exposed(lambda: _lines(lines) + generate_latest(found))


class _Found(Collector):
    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


async def _exposed(write: Callable[[], bytes]) -> Response:
    """Written in a thread: of a thousand workspaces it takes some milliseconds, in which calls' audio is due."""
    headers = {"Cache-Control": "no-store"}
    return Response(await asyncio.to_thread(write), media_type=CONTENT_TYPE_LATEST, headers=headers)


def _lines(found: Sequence[Lines]) -> bytes:
    """Written by ourselves: by way of the library's families it takes ten times as long. Ids need no escapes."""
    written = [_head("outdial_lines", "Lines of the workspace")]
    written += [f'outdial_lines{{workspace="{one.workspace_id}"}} {one.lines}\n' for one in found]
    written.append(_head("outdial_lines_used", "Lines in use"))
    for one in found:
        workspace = f'outdial_lines_used{{workspace="{one.workspace_id}",direction='
        written.append(f'{workspace}"outbound"}} {one.used_outbound}\n{workspace}"inbound"}} {one.used_inbound}\n')
    written.append(_head("outdial_calls_queued", "Calls that wait"))
    written += [f'outdial_calls_queued{{workspace="{one.workspace_id}"}} {one.queued}\n' for one in found]
    waiting = "outdial_webhook_deliveries_waiting"
    written.append(_head(waiting, "Deliveries to webhooks that wait"))
    written += [f'{waiting}{{workspace="{one.workspace_id}"}} {one.deliveries_waiting}\n' for one in found]
    return "".join(written).encode()


def _head(name: str, about: str) -> str:
    return f"# HELP {name} {about}\n# TYPE {name} gauge\n"


def _workers(found: Sequence[WorkerView]) -> list[Metric]:
    """Of all processes: what each says of itself is in its own figures."""
    states = GaugeMetricFamily("outdial_workers", "Processes that serve, drain, or are away", labels=["state"])
    for state in WorkerState:
        states.add_metric([state], sum(worker.state is state for worker in found))
    serving = [worker for worker in found if worker.state is WorkerState.SERVES]
    seats = GaugeMetricFamily("outdial_seats", "Seats for conversations at the workers that serve")
    seats.add_metric([], sum(worker.seats for worker in serving))
    free = GaugeMetricFamily("outdial_seats_free", "Those of them that are free")
    free.add_metric([], sum(worker.free for worker in serving))
    return [states, seats, free]


def _ended(workspace_id: str, groups: Sequence[Group]) -> Metric:
    names = ["workspace", "direction", "end_reason", "error", "outcome"]
    metric = CounterMetricFamily("outdial_workspace_calls_ended", "Calls of the workspace that are over", labels=names)
    sums: dict[tuple[str, ...], int] = {}
    for group in groups:
        word = closed_word(group.outcome) or ""
        what = (workspace_id, group.direction, f"{group.end_reason}", group.code or "", word)
        sums[what] = sums.get(what, 0) + group.calls
    for labels, calls in sums.items():
        metric.add_metric(labels, calls)
    return metric


def _look_at_pool(services: Use) -> None:
    pool = services.engine.pool
    DATABASE_CONNECTIONS.labels("in_use").set(pool.checkedout())  # type: ignore[attr-defined]
    DATABASE_CONNECTIONS.labels("idle").set(pool.checkedin())  # type: ignore[attr-defined]
