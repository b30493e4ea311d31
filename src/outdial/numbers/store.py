"""Connected phone numbers kept, changed and forgotten, each with its entry in the audit log."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.accounts.store import NewAccount, keep_account
from outdial.agents.store import is_agent_of
from outdial.db.tables import carrier_accounts, numbers
from outdial.ids import new_id
from outdial.numbers.new_number import NewNumber
from outdial.numbers.records import (
    NumberRow,
    already_connected,
    checked_id,
    numbers_of,
    read_number,
    require_no_open_calls,
)
from outdial.numbers.undo import NOTHING, Undo
from outdial.numbers.views import NumberView, get_number
from outdial.policy.destinations import allow_country_of
from outdial.refusals import Invalid
from outdial.workspaces.audit import Actor, record
from outdial.workspaces.secrets import SecretBox


async def add_number(
    engine: AsyncEngine,
    secret_box: SecretBox,
    workspace_id: str,
    new: NewNumber,
    *,
    public_url: str,
    account_id: str | None = None,
    undo: Undo | None = None,
    by: Actor,
) -> NumberView:
    """Keep a number; numbers.connecting makes the carrier announce its calls first. An account that is known already
    gets these credentials for all of its numbers.

    `account_id` is for an account that isn't known yet, `undo` is what connecting changed at the carrier.
    Raises Invalid (also for the agent) and Conflict (the number is connected already).
    """
    new.check()
    number_id = new_id("num")
    account = NewAccount(
        id=account_id or new_id("acct"),
        carrier=new.carrier,
        credentials=new.credentials,
        region=new.region,
        base_url=new.base_url,
        calls_per_second=new.calls_per_second,
    )
    async with engine.begin() as conn:
        await require_agent(conn, workspace_id, new.agent_id)
        kept_id = await keep_account(conn, secret_box, workspace_id, account, by=by)
        added = await conn.scalar(
            upsert(numbers)
            .values(
                id=number_id,
                workspace_id=workspace_id,
                carrier_account_id=kept_id,
                e164=new.e164,
                name=new.name or new.e164,
                direction=new.direction,
                agent_id=new.agent_id,
                agent_version=new.agent_version,
                undo=None if undo is None else undo.to_json(),
            )
            .on_conflict_do_nothing(index_elements=["workspace_id", "e164"])
            .returning(numbers.c.id)
        )
        if added is None:
            raise already_connected()
        await allow_country_of(conn, workspace_id, new.e164, kept_id, by=by)
        number = await get_number(conn, workspace_id, number_id, public_url=public_url)
        details = {"carrier": new.carrier, "account": new.account_ref}
        await _record(conn, workspace_id, by, "number.connected", number, details)
        return number


async def change_number(
    engine: AsyncEngine, workspace_id: str, number_id: str, changes: Mapping[str, Any], *, public_url: str, by: Actor
) -> NumberView:
    """Change some of: name, agent_id (None takes the agent away), agent_version, direction."""
    unknown = changes.keys() - {"name", "agent_id", "agent_version", "direction"}
    if unknown:
        raise Invalid(sorted(unknown)[0], "can't be changed")
    async with engine.begin() as conn:
        await require_agent(conn, workspace_id, changes.get("agent_id"))
        if changes:
            await conn.execute(
                update(numbers)
                .where(numbers.c.id == checked_id(number_id), numbers.c.workspace_id == workspace_id)
                .values(dict(changes))
            )
        number = await get_number(conn, workspace_id, number_id, public_url=public_url)
        if changes:
            await _record(conn, workspace_id, by, "number.changed", number, changes)
        return number


async def remove_number(
    engine: AsyncEngine, workspace_id: str, number_id: str, *, is_put_back: bool = False, by: Actor
) -> None:
    """Forget a number, and its account's credentials with the last number of the account.

    What connecting it changed or made at the carrier for all of the account's numbers is put back with the last of
    them: another number keeps that in mind, and this one's own settings if it `is_put_back`. Past calls stay.
    Raises Conflict while calls of it wait or run.
    """
    async with engine.begin() as conn:
        account_id = (await read_number(conn, workspace_id, number_id)).account_id
        # Locked before its other numbers are looked for: add_number may be giving it one.
        await conn.execute(select(carrier_accounts.c.id).where(carrier_accounts.c.id == account_id).with_for_update())
        number = await read_number(conn, workspace_id, number_id, for_update=True)
        await require_no_open_calls(conn, number_id)
        await conn.execute(delete(numbers).where(numbers.c.id == number_id))
        if number.undo is not None:
            await _hand_on(conn, number, number.undo, is_put_back=is_put_back)
        others = select(numbers.c.id).where(numbers.c.carrier_account_id == account_id)
        await conn.execute(
            delete(carrier_accounts).where(carrier_accounts.c.id == account_id, ~others.exists())
        )
        await record(
            conn,
            workspace_id,
            by,
            "number.disconnected",
            subject_id=number_id,
            subject_name=number.name,
            details={"e164": number.e164},
        )


async def set_undo(conn: AsyncConnection, number_id: str, undo: Undo) -> None:
    await conn.execute(update(numbers).where(numbers.c.id == number_id).values(undo=undo.to_json()))


async def require_agent(conn: AsyncConnection, workspace_id: str, agent_id: str | None) -> None:
    """Raises Invalid unless the agent, if there is one, is of the workspace."""
    if agent_id is not None and not await is_agent_of(conn, workspace_id, agent_id):
        raise Invalid("agent_id", "is not an agent of this workspace")


async def _hand_on(conn: AsyncConnection, removed: NumberRow, undo: Undo, *, is_put_back: bool) -> None:
    """Give what is left to undo of a removed number to the oldest of its account's others."""
    others = await numbers_of(conn, removed.account_id)
    if others:
        heir = others[0]
        left = (heir.undo or NOTHING).inheriting(undo, removed.e164, is_put_back=is_put_back)
        await set_undo(conn, heir.id, left)


async def _record(
    conn: AsyncConnection, workspace_id: str, by: Actor, act: str, number: NumberView, details: Mapping[str, Any]
) -> None:
    details = {"e164": number["e164"], **details}
    await record(
        conn, workspace_id, by, act, subject_id=number["id"], subject_name=number["name"], details=details
    )
