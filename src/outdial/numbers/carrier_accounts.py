"""Accounts at carriers: which there are, and changing one's credentials, region or pace. Credentials never come out."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.accounts.access import NOT_OWNED, callback_urls, check_place, opened, refusals, require_public_url
from outdial.carriers.errors import CarrierError
from outdial.carriers.kind import CarrierKind
from outdial.carriers.name import CarrierName
from outdial.carriers.numbers import NumberControl
from outdial.carriers.registry import CARRIERS, KnownCarrier
from outdial.db.notify import notify
from outdial.db.tables import attempts, carrier_accounts, numbers
from outdial.ids import is_id
from outdial.instants import to_json
from outdial.numbers.connecting import Connector
from outdial.numbers.store import check_credentials
from outdial.refusals import Conflict, Invalid, NotFound
from outdial.telephony.state import CallState
from outdial.workspaces.audit import Actor, record

logger = logging.getLogger(__name__)

MIN_CALLS_PER_SECOND, MAX_CALLS_PER_SECOND = 0.01, 1000.0


class AccountNumber(TypedDict):
    id: str
    e164: str
    name: str


class AccountView(TypedDict):
    """`account` is what the carrier calls it. `region` is where its calls are handled, null where its requests go to
    `base_url` instead. `calls_per_second` is how fast we dial, whatever the number."""

    id: str
    carrier: KnownCarrier
    account: str
    region: str | None
    base_url: str | None
    calls_per_second: float
    numbers: list[AccountNumber]
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChanges:
    """What is None stays. Of `credentials` those that are left out stay, too; None takes an optional one away.

    `base_url` is for operators (a simulator); a region takes it away.
    """

    credentials: Mapping[str, str | None] | None = None
    region: str | None = None
    base_url: str | None = None
    calls_per_second: float | None = None


async def list_accounts(conn: AsyncConnection, workspace_id: str) -> list[AccountView]:
    account = carrier_accounts.c
    query = select(carrier_accounts).where(account.workspace_id == workspace_id)
    rows = (await conn.execute(query.order_by(account.created_at, account.id))).all()
    theirs = await _numbers(conn, [row.id for row in rows])
    return [_view(row, theirs.get(row.id, [])) for row in rows]


async def get_account(conn: AsyncConnection, workspace_id: str, account_id: str) -> AccountView:
    row = await _row(conn, workspace_id, account_id)
    return _view(row, (await _numbers(conn, [row.id])).get(row.id, []))


async def change_account(
    connector: Connector, workspace_id: str, account_id: str, changes: AccountChanges, *, by: Actor
) -> AccountView:
    """Credentials and region are kept once the carrier has accepted them.

    In another region its numbers are connected anew where a carrier's regions know nothing of each other.
    Raises NotFound, Invalid (also for credentials the carrier refuses), Unavailable, and Conflict: a number isn't of
    the account that these credentials are for, calls are running in the region it has now, somebody else changed it.
    """
    async with connector.engine.connect() as conn:
        row = await _row(conn, workspace_id, account_id)
        connected = (await _numbers(conn, [row.id])).get(row.id, [])
        live = await conn.scalar(
            select(func.count()).where(
                attempts.c.carrier_account_id == row.id, attempts.c.state != CallState.ENDED
            )
        )
    values = _pace(changes.calls_per_second)
    before, after = _places(connector, row, changes)
    undos: Mapping[str, Any] = {}
    if after.url != before.url and live:
        raise Conflict("account_in_use", f"{live} calls of this account are running; wait for their end.")
    if after != before or changes.credentials:
        if after.base_url != before.base_url or after.region != before.region:
            require_public_url(connector.public_url, after.base_url)
        undos = await _accepted(connector, row.id, before, after, connected)
        values |= {
            "account_ref": after.kind.account_ref(after.credentials),
            "credentials": connector.secret_box.encrypt(after.credentials),
            "region": after.region,
            "base_url": after.base_url,
        }
    async with connector.engine.begin() as conn:
        await _write(conn, row, values, connected, undos)
        account = await get_account(conn, workspace_id, account_id)
        await _record(conn, workspace_id, account, changes, by)
        return account


async def _record(
    conn: AsyncConnection, workspace_id: str, account: AccountView, changes: AccountChanges, by: Actor
) -> None:
    """Names of credentials, never what they are."""
    told = {
        "credentials": sorted(changes.credentials or {}),
        "region": changes.region,
        "base_url": changes.base_url,
        "calls_per_second": changes.calls_per_second,
    }
    await record(
        conn,
        workspace_id,
        by,
        "carrier_account.changed",
        subject_id=account["id"],
        subject_name=f"{CARRIERS[account['carrier']].label} {account['account']}",
        details={name: value for name, value in told.items() if value},
    )


# -- inside --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """An account as it is asked: with what, and where."""

    kind: CarrierKind
    credentials: dict[str, str]
    region: str | None
    base_url: str | None
    url: str

    @property
    def identity(self) -> dict[str, str]:
        """Those of the credentials that say whose account it is, and what in it."""
        names = {field.name for field in self.kind.credential_fields if not field.secret and not field.choices}
        return {name: value for name, value in self.credentials.items() if name in names}


def _pace(calls_per_second: float | None) -> dict[str, Any]:
    if calls_per_second is None:
        return {}
    if not MIN_CALLS_PER_SECOND <= calls_per_second <= MAX_CALLS_PER_SECOND:
        raise Invalid("calls_per_second", f"must be between {MIN_CALLS_PER_SECOND:g} and {MAX_CALLS_PER_SECOND:g}")
    # The next dial was put off at the pace there was.
    soon = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, 1 / calls_per_second)
    return {
        "calls_per_second": calls_per_second,
        "next_dial_at": func.least(carrier_accounts.c.next_dial_at, soon),
    }


def _places(connector: Connector, row: Row[Any], changes: AccountChanges) -> tuple[_Place, _Place]:
    """How the account is asked now, and how it will be."""
    kind = CARRIERS[CarrierName(row.carrier)]
    base_url = check_place(kind.name, changes.region, changes.base_url)
    before = _Place(
        kind=kind,
        credentials=connector.secret_box.decrypt(row.credentials),
        region=row.region,
        base_url=row.base_url,
        url=kind.api_url(row.region, row.base_url),
    )
    merged = {**before.credentials, **(changes.credentials or {})}
    credentials = {name: value for name, value in merged.items() if value is not None}
    check_credentials(kind, credentials)
    region = None if base_url is not None else changes.region or row.region
    if changes.region is None and base_url is None:
        base_url = row.base_url
    after = _Place(
        kind=kind,
        credentials=credentials,
        region=region,
        base_url=base_url,
        url=kind.api_url(region, base_url),
    )
    return before, after


async def _accepted(
    connector: Connector, account_id: str, before: _Place, after: _Place, connected: Sequence[Row[Any]]
) -> dict[str, Any]:
    """Have the carrier accept the account as it will be. How to undo what that changed, by number id."""
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
    client: NumberControl, kind: CarrierKind, connected: Sequence[Row[Any]], urls: Mapping[str, str]
) -> dict[str, bool]:
    """Of the numbers that are connected at the carrier, by id, whether it announces their calls to us.

    Raises Conflict for a number that isn't this account's, or is in use elsewhere.
    """
    ours: dict[str, bool] = {}
    for number in connected:
        with refusals(kind.name):
            if _is_connected(number):
                connection = await client.connection(number.e164, **urls)
                ours[number.id] = connection.answered_by == urls["inbound_url"]
            elif await client.owns(number.e164) is None:
                raise Conflict(*NOT_OWNED)
    return ours


async def _connect(
    client: NumberControl,
    kind: CarrierKind,
    asked: Sequence[tuple[Row[Any], bool]],
    urls: Mapping[str, str],
    *,
    elsewhere: bool,
) -> dict[str, Any]:
    """Connect what is ours once more, for the region it is to have; `elsewhere`, where nothing is known of us, all."""
    undos: dict[str, Any] = {}
    done: list[Row[Any]] = []
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
            await _disconnect(client, number.e164, undos[number.id])
        raise
    return undos


async def _leave(connector: Connector, before: _Place, moved: Sequence[Row[Any]]) -> None:
    """Put back what numbers were set to in the region they leave. What can't be, stays: no calls come in there."""
    client = connector.open_number_control(before.kind.name, before.credentials, before.url)
    try:
        for number in moved:
            await _disconnect(client, number.e164, number.undo["carrier"])
    finally:
        await client.aclose()


async def _disconnect(client: NumberControl, e164: str, undo: Mapping[str, Any]) -> None:
    try:
        await client.disconnect(e164, undo, is_last=False)
    except CarrierError as error:
        logger.warning("Number left connected at its carrier", extra=error.codes)


async def _write(
    conn: AsyncConnection,
    before: Row[Any],
    values: Mapping[str, Any],
    connected: Sequence[Row[Any]],
    undos: Mapping[str, Any],
) -> None:
    if not values:
        return
    account = carrier_accounts.c
    try:
        changed = await conn.execute(
            update(carrier_accounts)
            .where(account.id == before.id, account.credentials == before.credentials)
            .values(dict(values))
        )
    except IntegrityError as error:
        raise Conflict("account_exists", "This account of the carrier is connected already, as another one.") from error
    if not changed.rowcount:
        raise Conflict("account_changed", "Somebody else has changed this account in the same moment; look again.")
    for number in connected:
        if number.id in undos:
            undo = {**number.undo, "carrier": undos[number.id]}
            await conn.execute(update(numbers).where(numbers.c.id == number.id).values(undo=undo))
    await notify(conn, "outdial_queue", before.workspace_id)  # calls may wait for the pace


def _is_connected(number: Row[Any]) -> bool:
    """At its carrier; otherwise it only dials out."""
    return number.undo is not None and number.undo["carrier"] is not None


async def _row(conn: AsyncConnection, workspace_id: str, account_id: str) -> Row[Any]:
    row: Row[Any] | None = None
    if is_id(account_id, "acct"):
        account = carrier_accounts.c
        query: Select[Any] = select(carrier_accounts).where(
            account.id == account_id, account.workspace_id == workspace_id
        )
        row = (await conn.execute(query)).one_or_none()
    if row is None:
        raise NotFound("carrier_account_not_found", "There is no such carrier account.")
    return row


async def _numbers(conn: AsyncConnection, account_ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    """The numbers of accounts, oldest first."""
    query: Select[Any] = (
        select(numbers)
        .where(numbers.c.carrier_account_id.in_(account_ids))
        .order_by(numbers.c.created_at, numbers.c.id)
    )
    found: dict[str, list[Row[Any]]] = {}
    for row in await conn.execute(query):
        found.setdefault(row.carrier_account_id, []).append(row)
    return found


def _view(row: Row[Any], connected: Sequence[Row[Any]]) -> AccountView:
    kind = CARRIERS[CarrierName(row.carrier)]
    return AccountView(
        id=row.id,
        carrier=kind.name,
        account=row.account_ref,
        region=(row.region or kind.regions[0].name) if row.base_url is None else None,
        base_url=row.base_url,
        calls_per_second=row.calls_per_second,
        numbers=[AccountNumber(id=each.id, e164=each.e164, name=each.name) for each in connected],
        created_at=to_json(row.created_at),
    )
