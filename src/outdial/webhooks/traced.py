"""Deliveries as parts of their calls' traces: who is told goes on with a span of the delivery's own."""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.db.engine import reading
from outdial.db.tables import calls
from outdial.db.trouble import tell_trouble
from outdial.tracing.context import TraceContext, of_call, span_id
from outdial.tracing.process import is_on, took
from outdial.tracing.span import Span, SpanKind, known
from outdial.webhooks.attempt import Try
from outdial.webhooks.deliveries import Delivery

logger = logging.getLogger(__name__)


async def roots_of(engine: AsyncEngine, deliveries: Sequence[Delivery]) -> Mapping[int, TraceContext]:
    """The first span of each one's call, by the delivery's id. Nothing is asked for without tracing."""
    call_ids = {each.id: each.call_id for each in deliveries if each.call_id is not None} if is_on() else {}
    if not call_ids:
        return {}
    try:
        async with reading(engine) as conn:
            query = select(calls.c.id, calls.c.traceparent).where(calls.c.id.in_(set(call_ids.values())))
            given = {row.id: row.traceparent for row in await conn.execute(query)}
    except Exception as error:  # they are sent all the same
        tell_trouble(engine, logger, "Traces of webhooks not read", error)
        return {}
    return {id_: of_call(call_id, given[call_id]) for id_, call_id in call_ids.items() if call_id in given}


def span_of_try(delivery: Delivery, root: TraceContext) -> TraceContext:
    return root.child(span_id(delivery.call_id or "", "webhook", delivery.id, delivery.attempts))


def trace(delivery: Delivery, root: TraceContext, told: Try) -> None:
    """A try that is over. Of the URL only the host is told: people put secrets into the rest."""
    address = urlsplit(delivery.url)
    took(
        Span(
            name=f"webhook {delivery.type}",
            context=span_of_try(delivery, root),
            parent=root,
            began_at=told.at,
            ended_at=told.at + timedelta(milliseconds=told.duration_ms),
            kind=SpanKind.CLIENT,
            attributes=known({
                "http.request.method": "POST",
                "http.request.resend_count": delivery.attempts - 1 or None,
                "http.response.status_code": told.status,
                "server.address": address.hostname,
                "outdial.webhook.id": delivery.webhook_id,
                "outdial.webhook.event": delivery.type,
                "outdial.webhook.event_id": delivery.event_id,
                "error.type": told.problem,
            }),
            error=told.problem,
        )
    )
