"""Connected numbers as users see them."""

from typing import Any

from sqlalchemy import RowMapping, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS, KnownCarrier
from outdial.db.tables import agents, carrier_accounts, numbers
from outdial.instants import to_json
from outdial.numbers.new_number import Direction, Version
from outdial.numbers.records import checked_id, unknown_number
from outdial.policy.pauses import PauseView, pause_views


class NumberAgent(TypedDict):
    id: str
    name: str
    version: Version


class NumberView(TypedDict):
    """`account` is what the carrier calls the account (for Twilio its SID). `outbound_url` takes calls, null on
    an inbound-only number. `pause` is the number's own, null where there is none; its workspace may be paused as well.
    """

    id: str
    e164: str
    name: str
    carrier: KnownCarrier
    account: str
    direction: Direction
    agent: NumberAgent | None
    outbound_url: str | None
    pause: PauseView | None
    created_at: str


async def list_numbers(conn: AsyncConnection, workspace_id: str, *, public_url: str) -> list[NumberView]:
    query = _numbers().where(numbers.c.workspace_id == workspace_id).order_by(numbers.c.created_at, numbers.c.id)
    rows = (await conn.execute(query)).mappings().all()
    paused = await pause_views(conn, [row["id"] for row in rows])
    return [_view(row, paused.get(row["id"]), public_url) for row in rows]


async def number_names(conn: AsyncConnection, workspace_id: str) -> dict[str, str]:
    """By id, in the order of names."""
    query = select(numbers.c.id, numbers.c.name).where(numbers.c.workspace_id == workspace_id).order_by(numbers.c.name)
    return {row.id: row.name for row in await conn.execute(query)}


async def without_warm_transfer(conn: AsyncConnection, workspace_id: str) -> list[str]:
    """The labels of those carriers of the workspace's numbers that can't have somebody asked before a transfer."""
    query = (
        select(carrier_accounts.c.carrier)
        .join(numbers, numbers.c.carrier_account_id == carrier_accounts.c.id)
        .where(numbers.c.workspace_id == workspace_id)
        .distinct()
    )
    kinds = [CARRIERS[name] for name in map(CarrierName, await conn.scalars(query)) if name in CARRIERS]
    return [kind.label for kind in kinds if not kind.capabilities.warm_transfer]


async def get_number(conn: AsyncConnection, workspace_id: str, number_id: str, *, public_url: str) -> NumberView:
    """Raises NotFound."""
    query = _numbers().where(numbers.c.id == checked_id(number_id), numbers.c.workspace_id == workspace_id)
    row = (await conn.execute(query)).mappings().one_or_none()
    if row is None:
        raise unknown_number()
    return _view(row, (await pause_views(conn, [number_id])).get(number_id), public_url)


def _numbers() -> Select[Any]:
    return (
        select(
            numbers,
            carrier_accounts.c.carrier,
            carrier_accounts.c.account_ref,
            agents.c.name.label("agent_name"),
        )
        .join(carrier_accounts, carrier_accounts.c.id == numbers.c.carrier_account_id)
        .outerjoin(agents, agents.c.id == numbers.c.agent_id)
    )


def _view(row: RowMapping, pause: PauseView | None, public_url: str) -> NumberView:
    agent = None
    if row["agent_id"] is not None:
        agent = NumberAgent(id=row["agent_id"], name=row["agent_name"], version=row["agent_version"])
    return NumberView(
        id=row["id"],
        e164=row["e164"],
        name=row["name"],
        carrier=CarrierName(row["carrier"]),
        account=row["account_ref"],
        direction=row["direction"],
        agent=agent,
        outbound_url=f"{public_url}/v1/phone-number/{row['id']}/outbound" if row["direction"] == "both" else None,
        pause=pause,
        created_at=to_json(row["created_at"]),
    )
