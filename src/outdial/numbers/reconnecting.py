"""Changing a carrier account whose numbers are connected: they stay so, wherever its calls are handled from then on."""

import logging
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
from outdial.accounts.store import AccountRecord, read_account
from outdial.accounts.views import AccountView, get_account
from outdial.carriers.errors import CarrierRefused
from outdial.carriers.kind import CarrierKind
from outdial.carriers.numbers import Connected, NumberControl
from outdial.db.tables import attempts
from outdial.numbers.connecting import Connector, put_back
from outdial.numbers.records import NumberRow, numbers_of
from outdial.numbers.store import set_undo
from outdial.numbers.undo import RemovedUndo, Undo
from outdial.refusals import Conflict
from outdial.telephony.state import CallState
from outdial.workspaces.audit import Actor

logger = logging.getLogger(__name__)

Undos = Mapping[str, Undo]  # by number id, of those that have another one now


async def change_account(
    connector: Connector, workspace_id: str, account_id: str, changes: AccountChanges, *, by: Actor
) -> AccountView:
    """Credentials and region are kept once the carrier has accepted them.

    In another region its numbers are connected anew where a carrier's regions know nothing of each other. Credentials
    that can't be read, for their key is lost, are replaced by whole ones; what connecting had made is made anew.
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
    access: AccountAccess | None = None
    undos: Undos = {}
    if changes.of_access:
        before, after = access_before_and_after(connector.secret_box, account, changes)
        if after.url != account.url and live:
            raise Conflict("account_in_use", f"{live} calls of this account are running; wait for their end.")
        if after != before or changes.credentials:
            if after.base_url != account.base_url or after.region != account.region:
                require_public_url(connector.public_url, after.base_url)
            access, undos = await _accepted(connector, account, before, after, connected)
    async with connector.engine.begin() as conn:
        await write_account(
            conn,
            connector.secret_box,
            account,
            access=access,
            calls_per_second=changes.calls_per_second,
        )
        for number_id, undo in undos.items():
            await set_undo(conn, number_id, undo)
        view = await get_account(conn, workspace_id, account.id)
        await record_changes(conn, workspace_id, view, changes, by)
        return view


async def _accepted(
    connector: Connector,
    account: AccountRecord,
    before: AccountAccess | None,
    after: AccountAccess,
    connected: Sequence[NumberRow],
) -> tuple[AccountAccess, Undos]:
    """Have the carrier accept the account as it will be. With what was made for that; how to undo what it changed."""
    kind = after.kind
    urls = callback_urls(connector.public_url, kind.name, account.id)
    made = {name for number in connected if number.undo is not None for name in number.undo.made}
    async with opened(connector.open_number_control, kind.name, after.credentials, after.url) as client:
        if before is not None and after.url == before.url and after.identity == before.identity:
            return after, {}  # other secrets of the same account
        if before is None and made - after.credentials.keys():
            await _require_owned(client, kind, connected)
            return await _make_anew(connector, after, connected, urls)
        ours = await _answered_by_us(client, kind, connected, urls)
        if after.url == account.url:
            return after, {}
        regions_apart = kind.numbers_per_region and after.base_url is None and account.base_url is None
        elsewhere = regions_apart or after.base_url != account.base_url
        asked = [(each, ours[each.id]) for each in connected if each.id in ours]
        undos = await _connect(client, kind, asked, urls, elsewhere=elsewhere)
    if regions_apart:
        await _leave(connector, account, before, [each for each in connected if each.id in undos])
    return after, undos


async def _require_owned(client: NumberControl, kind: CarrierKind, connected: Sequence[NumberRow]) -> None:
    for number in connected:
        with refusals(kind.name):
            if await client.owns(number.e164) is None:
                raise Conflict(*NOT_OWNED)


async def _make_anew(
    connector: Connector, after: AccountAccess, connected: Sequence[NumberRow], urls: Mapping[str, str]
) -> tuple[AccountAccess, Undos]:
    """Connect numbers once more whose account has lost what connecting it had made and only we had, such as the key of
    an application. What was made before is left for the last of them to put back."""
    kind = after.kind
    undos: dict[str, Undo] = {}
    done: list[tuple[NumberRow, Mapping[str, Any]]] = []
    try:
        for number in connected:
            if number.undo is None or number.undo.carrier is None:
                continue
            # Opened for each: the first makes what the others are connected with.
            async with opened(connector.open_number_control, kind.name, after.credentials, after.url) as client:
                result = await _connected_anew(client, kind, number, number.undo.carrier, urls)
            if result is None:
                continue
            done.append((number, result.undo))
            before = RemovedUndo(e164=number.e164, carrier=number.undo.carrier)
            undos[number.id] = Undo(
                carrier=result.undo,
                made=number.undo.made | result.credentials.keys(),
                earlier=(*number.undo.earlier, before),
            )
            after = replace(after, credentials={**after.credentials, **result.credentials})
    except Exception:
        async with aclosing(connector.open_number_control(kind.name, after.credentials, after.url)) as client:
            for number, undo in reversed(done):
                await put_back(client, number.e164, undo, is_last=True)  # unless others are at it still
        raise
    return after, undos


async def _connected_anew(
    client: NumberControl, kind: CarrierKind, number: NumberRow, undo: Mapping[str, Any], urls: Mapping[str, str]
) -> Connected | None:
    """None for a number that the carrier doesn't let be connected: somebody has put it to another use since."""
    with refusals(kind.name):
        try:
            await client.disconnect(number.e164, undo, is_last=False)
            return await client.connect(number.e164, **urls)
        except CarrierRefused as error:
            logger.warning("Number not connected anew", extra={"number_id": number.id, **error.codes})
            return None


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
    undos: dict[str, Undo] = {}
    done: list[tuple[NumberRow, Mapping[str, Any]]] = []
    try:
        for number, is_ours in asked:
            if is_ours or elsewhere:
                with refusals(kind.name):
                    result = await client.connect(number.e164, **urls)
                if not is_ours and number.undo is not None:
                    undos[number.id] = replace(number.undo, carrier=result.undo)
                    done.append((number, result.undo))
    except Exception:
        for number, undo in done:
            await put_back(client, number.e164, undo, is_last=False)
        raise
    return undos


async def _leave(
    connector: Connector, account: AccountRecord, before: AccountAccess | None, moved: Sequence[NumberRow]
) -> None:
    """Put back what numbers were set to in the region they leave. What can't be, stays: no calls come in there."""
    if before is None:
        logger.warning("Region left as it is: its credentials are unreadable", extra={"account_id": account.id})
        return
    opened_before = connector.open_number_control(before.kind.name, before.credentials, before.url)
    async with aclosing(opened_before) as client:
        for number in moved:
            if number.undo is not None and number.undo.carrier is not None:
                await put_back(client, number.e164, number.undo.carrier, is_last=False)
