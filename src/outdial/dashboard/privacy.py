"""Settings, Privacy: how long calls are kept, one person's number erased, and what agents disclose."""

from fastapi import APIRouter, Response

from outdial.agents.disclosures import COUNTED_DAYS, MAX_CHARS, list_disclosures
from outdial.agents.store import agent_names
from outdial.dashboard.page import Here, PageRoute
from outdial.db.engine import reading
from outdial.retention.erase_number import list_erasures
from outdial.retention.rules import MAX_DAYS, read_rules, retention_view
from outdial.retention.run import last_run
from outdial.retention.too_old import count_too_old

router = APIRouter(include_in_schema=False, route_class=PageRoute)

KINDS = {
    "recordings": ("Recordings", "The audio of both sides."),
    "transcripts": ("Transcripts", "What was said, what was noted, and summaries."),
    "details": ("Details", "Number, variables and metadata. With them everything personal goes."),
}


@router.get("/settings/privacy")
async def privacy(page: Here) -> Response:
    engine, workspace_id = page.services.engine, page.workspace_id
    async with reading(engine) as conn:
        view = await retention_view(conn, workspace_id)
        names = await agent_names(conn, workspace_id)
        erasures = await list_erasures(conn, workspace_id)
        run = await last_run(conn)
        disclosures = await list_disclosures(conn, workspace_id)
    async with engine.connect() as conn:  # counting takes its time, and sets its own limit
        due = await count_too_old(conn, await read_rules(conn, workspace_id))
    own = {rule["agent_id"] for rule in view["agents"]}
    return await page.render(
        "settings/privacy.html",
        rule=view["workspace"],
        rules=view["agents"],
        kinds=KINDS,
        others=[(agent_id, name) for agent_id, name in names.items() if agent_id not in own],
        due={kind: number for kind, number in due.items() if number},
        last_run=None if run is None else run.finished_at,
        erasures=erasures,
        max_days=MAX_DAYS,
        disclosures=disclosures,
        counted_days=COUNTED_DAYS,
        max_chars=MAX_CHARS,
    )
