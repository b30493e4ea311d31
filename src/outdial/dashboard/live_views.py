"""What there is to look at live, and its parts. A page is first rendered with the same templates, so a part that comes
later only ever says what has changed."""

from datetime import UTC, datetime

from outdial.api.services import Services
from outdial.calls.overview import get_overview
from outdial.calls.state import CallState
from outdial.calls.views import CallFilter, CallView, get_call, list_calls
from outdial.dashboard.live import Part, Rendered, View
from outdial.dashboard.page import templates
from outdial.db.engine import reading
from outdial.instants import start_of_day

RECENT_CALLS = 8


def call_view(services: Services, workspace_id: str, call_id: str) -> View:
    """One call: its head, and its turns as they are spoken."""

    async def render(_: frozenset[str] | None) -> Rendered:
        async with reading(services.engine) as conn:
            call = await get_call(conn, workspace_id, call_id, base_url=services.settings.base_url)
        return Rendered(parts=call_parts(call), over=call["state"] is CallState.ENDED and not _may_grow(call))

    return View(key=f"{workspace_id}/call/{call_id}", render=render, call_id=call_id)


def call_parts(call: CallView) -> list[Part]:
    head = templates().get_template("parts/call_head.html")
    turn = templates().get_template("parts/turn.html")
    transcript_id = f"transcript-{call['id']}"
    parts = [Part(id=f"head-{call['id']}", html=head.render(call=call))]
    for place, said in enumerate(call["transcript"]):
        html = turn.render(call=call, turn=said, place=place)
        parts.append(Part(id=f"turn-{call['id']}-{place}", html=html, into=transcript_id))
    return parts


def overview_view(services: Services, workspace_id: str, time_zone: str) -> View:
    async def render(_: frozenset[str] | None) -> Rendered:
        return Rendered(parts=await overview_parts(services, workspace_id, time_zone))

    return View(key=f"{workspace_id}/overview/{time_zone}", render=render, every_s=0.5)


async def overview_parts(services: Services, workspace_id: str, time_zone: str) -> list[Part]:
    """`time_zone`: whose today."""
    base_url = services.settings.base_url
    async with reading(services.engine) as conn:
        since = start_of_day(time_zone, now=datetime.now(UTC))
        seen = await get_overview(conn, workspace_id, since=since)
        recent = await list_calls(conn, workspace_id, CallFilter(limit=RECENT_CALLS), base_url=base_url)
    return [
        Part(
            id=f"overview-{name}",
            html=templates().get_template(f"overview/{name}.html").render(seen=seen, recent=recent["calls"]),
        )
        for name in ("lines", "queue", "latency", "attention", "today", "failures", "recent")
    ]


def _may_grow(call: CallView) -> bool:
    """A conversation's last words, its recording and its variables are written just after its end."""
    return call["answered_at"] is not None and call["recording_url"] is None
