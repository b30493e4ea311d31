"""What there is to look at live, and its parts. A page is first rendered with the same templates, so a part that comes
later only ever says what has changed."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from outdial import clock
from outdial.agents.store import agent_names
from outdial.alerts.views import count_raised
from outdial.api.services import Services
from outdial.dashboard.call_filters import PAGE_SIZE
from outdial.dashboard.chart import SPANS, chart_of
from outdial.dashboard.live import Part, Rendered, View
from outdial.dashboard.one_call import OneCall, read_one_call
from outdial.dashboard.page import templates
from outdial.db.engine import reading
from outdial.history.call_filter import CallFilter
from outdial.history.overview import get_overview
from outdial.history.periods import Days, last_days
from outdial.history.transcripts import TurnView
from outdial.history.views import CallSummary, calls_by_id, list_calls
from outdial.numbers.views import number_names
from outdial.policy.pauses import list_pauses

OVERVIEW_PARTS = (
    "attention", "lines", "queue", "answer-rate", "latency", "chart", "chart-table", "funnel", "failures", "carriers",
    "recent",
)  # fmt: skip
CALL_PARTS = ("summary", "player", "wrap_up", "answered", "timeline", "latency", "model", "variables", "facts")
RECENT_CALLS = 8


def call_view(services: Services, workspace_id: str, call_id: str) -> View:
    """One call: its head, its turns as they are spoken, and all else its page shows."""
    turns: dict[int, tuple[TurnView, str]] = {}  # by place: what was rendered, and what that became

    async def render(changed: frozenset[str] | None) -> Rendered:
        async with reading(services.engine) as conn:
            shown = await read_one_call(conn, workspace_id, call_id, base_url=services.settings.base_url)
            frame = await frame_parts(conn, workspace_id, changed)
        return Rendered(parts=[*frame, *_call_parts(shown), *_turn_parts(shown, turns)], over=shown.is_final)

    return View(key=f"{workspace_id}/call/{call_id}", render=render, workspace_id=workspace_id, call_id=call_id)


def calls_view(services: Services, workspace_id: str) -> View:
    """The rows of the list. Where a row is on a page already it is replaced; a new one goes where it belongs on the
    first page without filters, the only one whose rows have this id."""
    base_url = services.settings.base_url

    async def render(changed: frozenset[str] | None) -> Rendered:
        async with reading(services.engine) as conn:
            frame = await frame_parts(conn, workspace_id, changed)
            if changed is None:
                newest = await list_calls(conn, workspace_id, CallFilter(limit=PAGE_SIZE), base_url=base_url)
                calls = newest["calls"]
            else:
                calls = await calls_by_id(conn, workspace_id, changed, base_url=base_url)
            if not calls:
                return Rendered(parts=frame)
            numbers = await number_names(conn, workspace_id)
            agents = await agent_names(conn, workspace_id)
        return Rendered(parts=[*_rows(calls, numbers, agents), *frame])

    return View(key=f"{workspace_id}/calls", render=render, workspace_id=workspace_id, keeps=2 * PAGE_SIZE)


async def frame_parts(conn: AsyncConnection, workspace_id: str, changed: frozenset[str] | None) -> list[Part]:
    """What every page has: the banner of pauses, the mark of alerts; nothing where only calls have changed."""
    if changed is not None:
        return []
    pauses, raised = await list_pauses(conn, workspace_id), await count_raised(conn, workspace_id)
    return [
        Part(id="pause-banner", html=templates().get_template("parts/pause_banner.html").render(pauses=pauses)),
        Part(id="alerts-mark", html=templates().get_template("parts/alerts_mark.html").render(raised=raised)),
    ]


def _rows(calls: Sequence[CallSummary], numbers: dict[str, str], agents: dict[str, str]) -> list[Part]:
    row = templates().get_template("parts/call_row.html").module.call_row  # type: ignore[attr-defined]
    return [
        Part(
            id=f"row-{call['id']}",
            html=str(row(call, numbers, agents)),
            into="call-rows",
            place="order",
        )
        for call in reversed(calls)
    ]


def _call_parts(shown: OneCall) -> list[Part]:
    head = templates().get_template("parts/call_head.html")
    parts = [Part(id=f"head-{shown.id}", html=head.render(call=shown.call))]
    for name in CALL_PARTS:
        html = templates().get_template(f"parts/call_{name}.html").render(shown=shown, call=shown.call)
        parts.append(Part(id=f"{name}-{shown.id}", html=html))
    return parts


def _turn_parts(shown: OneCall, known: dict[int, tuple[TurnView, str]]) -> list[Part]:
    turn_item = templates().get_template("parts/turn.html").module.turn_item  # type: ignore[attr-defined]
    parts = []
    for place, turn in enumerate(shown.call["transcript"]):
        before = known.get(place)
        html = before[1] if before is not None and before[0] == turn else None
        if html is None:
            html = str(turn_item(shown.call, turn, place))
            known[place] = (turn, html)
        parts.append(Part(id=f"turn-{shown.id}-{place}", html=html, into=f"transcript-{shown.id}"))
    return parts


def overview_view(services: Services, workspace_id: str, days: Days, time_zone: str) -> View:
    async def render(changed: frozenset[str] | None) -> Rendered:
        async with reading(services.engine) as conn:
            frame = await frame_parts(conn, workspace_id, changed)
            parts = await overview_parts(conn, workspace_id, days, time_zone, base_url=services.settings.base_url)
        return Rendered(parts=[*frame, *parts])

    return View(key=f"{workspace_id}/overview/{days}/{time_zone}", render=render, workspace_id=workspace_id)


async def overview_parts(
    conn: AsyncConnection, workspace_id: str, days: Days, time_zone: str, *, base_url: str
) -> list[Part]:
    """`days`, `time_zone`: how many days, and whose."""
    seen = await get_overview(conn, workspace_id, last_days(days, time_zone, now=clock.now()))
    recent = await list_calls(conn, workspace_id, CallFilter(limit=RECENT_CALLS), base_url=base_url)
    shown = {"seen": seen, "recent": recent["calls"], "chart": chart_of(seen["period"]), "span": SPANS[days]}
    return [
        Part(id=f"overview-{name}", html=templates().get_template(f"overview/{name}.html").render(shown))
        for name in OVERVIEW_PARTS
    ]
