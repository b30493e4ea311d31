"""Changing a carrier account whose numbers are connected: they stay so, wherever its calls are handled from then on."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from sqlalchemy import func, select

from outdial.accounts.access import NOT_OWNED, callback_urls, opened, refusals, require_public_url
from outdial.accounts.changes import (
    AccountAccess,
    AccountChanges,
    access_before_and_after,
    check_pace,
    record_changes,
    write_account,
)
from outdial.accounts.store import read_account
from outdial.accounts.views import AccountView, get_account
from outdial.carriers.kind import CarrierKind
from outdial.carriers.numbers import NumberControl
from outdial.db.tables import attempts
from outdial.numbers.connecting import Connector, put_back
from outdial.numbers.records import NumberRow, numbers_of
from outdial.numbers.store import set_undo
from outdial.refusals import Conflict
from outdial.telephony.state import CallState
from outdial.workspaces.audit import Actor

Undos = Mapping[str, Mapping[str, Any]]  # by number id, what a carrier's `disconnect` wants


async def change_account(
    connector: Connector, workspace_id: str, account_id: str, changes: AccountChanges, *, by: Actor
) -> AccountView:
    """Credentials and region are kept once the carrier has accepted them.

    In another region its numbers are connected anew where a carrier's regions know nothing of each other.
    Raises NotFound, Invalid (also for credentials the carrier refuses), Unavailable, and Conflict: a number isn't of
    the account that these credentials are for, calls are running in the region it has now, somebody else changed it.
    """
    async with connector.engine.connect() as conn:
        account = await read_account(conn, workspace_id, account_id)
        connected = await numbers_of(conn, account.id)
        live = await conn.scalar(
            select(func.count()).where(
                attempts.c.carrier_account_id == account.id, attempts.c.state != CallState.ENDED
            )
        )
    check_pace(changes.calls_per_second)
    before, after = access_before_and_after(connector.secret_box, account, changes)
    if after.url != before.url and live:
        raise Conflict("account_in_use", f"{live} calls of this account are running; wait for their end.")
    is_asked_otherwise = after != before or bool(changes.credentials)
    undos: Undos = {}
    if is_asked_otherwise:
        if after.base_url != before.base_url or after.region != before.region:
            require_public_url(connector.public_url, after.base_url)
        undos = await _accepted(connector, account.id, before, after, connected)
    async with connector.engine.begin() as conn:
        await write_account(
            conn,
            connector.secret_box,
            account,
            access=after if is_asked_otherwise else None,
            calls_per_second=changes.calls_per_second,
        )
        for number in connected:
            if number.undo is not None and number.id in undos:
                await set_undo(conn, number.id, replace(number.undo, carrier=undos[number.id]))
        view = await get_account(conn, workspace_id, account.id)
        await record_changes(conn, workspace_id, view, changes, by)
        return view


async def _accepted(
    connector: Connector,
    account_id: str,
    before: AccountAccess,
    after: AccountAccess,
    connected: Sequence[NumberRow],
) -> Undos:
    """Have the carrier accept the account as it will be. How to undo what that changed."""
    kind = after.kind
    async with opened(connector.open_number_control, kind.name, after.credentials, after.url) as client:
        if after.url == before.url and after.identity == before.identity:
            return {}  # other secrets of the same account
        urls = callback_urls(connector.public_url, kind.name, account_id)
        ours = await _answered_by_us(client, kind, connected, urls)
        if after.url == before.url:
            return {}
        regions_apart = kind.numbers_per_region and after.base_url is None and before.base_url is None
        elsewhere = regions_apart or after.base_url != before.base_url
        asked = [(each, ours[each.id]) for each in connected if each.id in ours]
        undos = await _connect(client, kind, asked, urls, elsewhere=elsewhere)
    if regions_apart:
        await _leave(connector, before, [each for each in connected if each.id in undos])
    return undos


async def _answered_by_us(
    client: NumberControl, kind: CarrierKind, connected: Sequence[NumberRow], urls: Mapping[str, str]
) -> dict[str, bool]:
    """Of the numbers that are connected at the carrier, by id, whether it announces their calls to us.

    Raises Conflict for a number that isn't this account's, or is in use elsewhere.
    """
    ours: dict[str, bool] = {}
    for number in connected:
        with refusals(kind.name):
            if number.is_connected:
                connection = await client.connection(number.e164, **urls)
                ours[number.id] = connection.answered_by == urls["inbound_url"]
            elif await client.owns(number.e164) is None:
                raise Conflict(*NOT_OWNED)
    return ours


async def _connect(
    client: NumberControl,
    kind: CarrierKind,
    asked: Sequence[tuple[NumberRow, bool]],
    urls: Mapping[str, str],
    *,
    elsewhere: bool,
) -> Undos:
    """Connect what is ours once more, for the region it is to have; `elsewhere`, where nothing is known of us, all."""
    undos: dict[str, Mapping[str, Any]] = {}
    done: list[NumberRow] = []
    try:
        for number, is_ours in asked:
            if is_ours or elsewhere:
                with refusals(kind.name):
                    result = await client.connect(number.e164, **urls)
                if not is_ours:
                    undos[number.id] = result.undo
                    done.append(number)
    except Exception:
        for number in done:
            await put_back(client, number.e164, undos[number.id], is_last=False)
        raise
    return undos


async def _leave(connector: Connector, before: AccountAccess, moved: Sequence[NumberRow]) -> None:
    """Put back what numbers were set to in the region they leave. What can't be, stays: no calls come in there."""
    opened_before = connector.open_number_control(before.kind.name, before.credentials, before.url)
    async with aclosing(opened_before) as client:
        for number in moved:
            if number.undo is not None and number.undo.carrier is not None:
                await put_back(client, number.e164, number.undo.carrier, is_last=False)
