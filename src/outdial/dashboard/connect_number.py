"""Connecting a phone number, step by step: carrier, credentials, number, a look at what will change, the change."""

import logging
from collections.abc import Collection
from typing import Any

import httpx
from fastapi import APIRouter, Response

from outdial.accounts.simulated import simulated_accounts
from outdial.agents.store import list_agents
from outdial.carriers.kind import CarrierKind
from outdial.carriers.registry import CARRIERS
from outdial.dashboard.page import Here, PageRoute, needs
from outdial.db.engine import reading
from outdial.numbers.views import list_numbers
from outdial.workspaces.access import OPERATE

logger = logging.getLogger(__name__)

router = APIRouter(include_in_schema=False, route_class=PageRoute)

SIMULATOR_TIMEOUT_S = 1.0  # it runs on this machine


@router.get("/phone-numbers/connect")
@needs(OPERATE)
async def connect_number(page: Here) -> Response:
    base_url = page.services.settings.base_url
    async with reading(page.services.engine) as conn:
        agents = await list_agents(conn, page.workspace_id)
        numbers = await list_numbers(conn, page.workspace_id, public_url=base_url)
    connected = {number["e164"] for number in numbers}
    return await page.render(
        "connect_number.html",
        carriers=CARRIERS.values(),
        agents=[(agent["id"], agent["name"]) for agent in agents],
        regions={kind.name: region_choices(kind) for kind in CARRIERS.values()},
        simulated=await _simulated(page.simulator_url, connected),
        is_public=base_url.startswith("https://"),
    )


def region_choices(kind: CarrierKind) -> list[tuple[str, str]]:
    """Name, and what people read. The first is the carrier's own choice."""
    return [(region.name, f"{region.name} ({region.place})") for region in kind.regions]


async def _simulated(simulator_url: str | None, connected: Collection[str]) -> dict[str, Any] | None:
    """By carrier, the test credentials and a number that is still free; None without a simulator."""
    if simulator_url is None:
        return None
    try:
        accounts = await simulated_accounts(simulator_url, timeout_s=SIMULATOR_TIMEOUT_S)
    except httpx.HTTPError as error:
        logger.warning("Simulator unreachable", extra={"error": type(error).__name__})
        return None
    return {
        account.carrier: {
            "credentials": dict(account.credentials),
            "numbers": [e164 for e164 in account.numbers if e164 not in connected],
        }
        for account in accounts
    }
