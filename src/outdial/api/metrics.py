"""GET /metrics for Prometheus: an API key sees its workspace, the instance's token this process and all workspaces."""

import asyncio
import hmac
from collections.abc import Iterable, Sequence

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
            lines = await lines_of(conn)
        _look_at_pool(services)
        return await _exposed(REGISTRY, _Found(_lines(lines)))
    principal = await holder_of_key(request)
    principal.require(OPERATE)
    async with reading(services.engine) as conn:
        lines = await lines_of(conn, principal.workspace_id)
        ended = await calls_ended(conn, principal.workspace_id)
    return await _exposed(_Found([*_lines(lines), _ended(principal.workspace_id, ended)]))


class _Found(Collector):
    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


async def _exposed(*collectors: Collector) -> Response:
    """Written in a thread: of a thousand workspaces it takes 20 ms, in which calls' audio is due."""

    def written() -> bytes:
        return b"".join(generate_latest(collector) for collector in collectors)

    headers = {"Cache-Control": "no-store"}
    return Response(await asyncio.to_thread(written), media_type=CONTENT_TYPE_LATEST, headers=headers)


def _lines(found: Sequence[Lines]) -> list[Metric]:
    lines = GaugeMetricFamily("outdial_lines", "Lines of the workspace", labels=["workspace"])
    used = GaugeMetricFamily("outdial_lines_used", "Lines in use", labels=["workspace", "direction"])
    queued = GaugeMetricFamily("outdial_calls_queued", "Calls that wait", labels=["workspace"])
    deliveries = GaugeMetricFamily(
        "outdial_webhook_deliveries_waiting", "Deliveries to webhooks that wait", labels=["workspace"]
    )
    for one in found:
        lines.add_metric([one.workspace_id], one.lines)
        used.add_metric([one.workspace_id, "outbound"], one.used_outbound)
        used.add_metric([one.workspace_id, "inbound"], one.used_inbound)
        queued.add_metric([one.workspace_id], one.queued)
        deliveries.add_metric([one.workspace_id], one.deliveries_waiting)
    return [lines, used, queued, deliveries]


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
