"""Connected phone numbers, and the carrier accounts they belong to. Credentials go in and never come out."""

from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.carriers.kind import CarrierKind
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS, KnownCarrier
from outdial.db.tables import agents, calls, carrier_accounts, numbers
from outdial.ids import is_id, new_id
from outdial.instants import to_json
from outdial.refusals import Conflict, Invalid, NotFound
from outdial.telephony.e164 import parse_e164
from outdial.telephony.state import CallState
from outdial.workspaces.audit import Actor, record
from outdial.workspaces.secrets import SecretBox, WrongSecretKey

Direction = Literal["both", "inbound"]
Version = Literal["published", "draft"]

_MAX_CREDENTIAL_CHARS = 10_000  # a private key in PEM fits


class NumberAgent(TypedDict):
    id: str
    name: str
    version: Version


class NumberView(TypedDict):
    """`account` is what the carrier calls the account (for Twilio its SID). `outbound_url` takes calls, null on
    an inbound-only number."""

    id: str
    e164: str
    name: str
    carrier: KnownCarrier
    account: str
    direction: Direction
    agent: NumberAgent | None
    outbound_url: str | None
    created_at: str


async def add_number(
    engine: AsyncEngine,
    secret_box: SecretBox,
    workspace_id: str,
    *,
    carrier: CarrierName,
    e164: str,
    credentials: Mapping[str, str],
    public_url: str,
    name: str | None = None,
    agent_id: str | None = None,
    agent_version: Version = "published",
    direction: Direction = "both",
    region: str | None = None,
    base_url: str | None = None,
    calls_per_second: float | None = None,
    account_id: str | None = None,
    undo: Mapping[str, Any] | None = None,
    by: Actor,
) -> NumberView:
    """Keep a number; numbers.connecting makes the carrier announce its calls first. An account that is known already
    gets these credentials for all of its numbers.

    `region` and `account_id` are for an account that isn't known yet, `base_url` sends its requests elsewhere (the
    simulator), `undo` is what connecting changed at the carrier.
    Raises Invalid (also for the agent) and Conflict (the number is connected already).
    """
    check_new(carrier, e164, credentials)
    kind = CARRIERS[carrier]
    number_id = new_id("num")
    pace = {} if calls_per_second is None else {"calls_per_second": calls_per_second}
    place = {} if base_url is None else {"base_url": base_url, "region": None}
    sealed = secret_box.encrypt(dict(credentials))
    account_ref = kind.account_ref(credentials)
    async with engine.begin() as conn:
        await require_agent(conn, workspace_id, agent_id)
        replaced = await _replaces_credentials(conn, secret_box, workspace_id, carrier, account_ref, credentials)
        account = upsert(carrier_accounts).values(
            {"calls_per_second": kind.default_calls_per_second, "region": region, "base_url": None}
            | pace
            | place
            | {
                "id": account_id or new_id("acct"),
                "workspace_id": workspace_id,
                "carrier": carrier,
                "account_ref": account_ref,
                "credentials": sealed,
            }
        )
        stored_id = await conn.scalar(
            account.on_conflict_do_update(
                index_elements=["workspace_id", "carrier", "account_ref"],
                set_={"credentials": sealed} | pace | place,
            ).returning(carrier_accounts.c.id)
        )
        added = await conn.scalar(
            upsert(numbers)
            .values(
                id=number_id,
                workspace_id=workspace_id,
                carrier_account_id=stored_id,
                e164=e164,
                name=name or e164,
                direction=direction,
                agent_id=agent_id,
                agent_version=agent_version,
                undo=undo,
            )
            .on_conflict_do_nothing(index_elements=["workspace_id", "e164"])
            .returning(numbers.c.id)
        )
        if added is None:
            raise already_connected()
        number = await get_number(conn, workspace_id, number_id, public_url=public_url)
        details = {"carrier": carrier, "account": account_ref}
        await _record(conn, workspace_id, by, "number.connected", number, details)
        if replaced:
            await record(
                conn,
                workspace_id,
                by,
                "credentials.replaced",
                subject_id=str(stored_id),
                subject_name=account_ref,
                details={"carrier": carrier},
            )
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
                .where(numbers.c.id == _checked(number_id), numbers.c.workspace_id == workspace_id)
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
        row = (
            await conn.execute(
                select(numbers.c.carrier_account_id, numbers.c.name, numbers.c.e164, numbers.c.undo)
                .where(numbers.c.id == _checked(number_id), numbers.c.workspace_id == workspace_id)
                .with_for_update()
            )
        ).one_or_none()
        if row is None:
            raise _unknown()
        open_calls = await conn.scalar(
            select(func.count()).where(calls.c.number_id == number_id, calls.c.state != CallState.ENDED)
        )
        if open_calls:
            raise in_use(open_calls)
        account_id = row.carrier_account_id
        # Locked before its other numbers are looked for: add_number may be giving it one.
        await conn.execute(
            select(carrier_accounts.c.id).where(carrier_accounts.c.id == account_id).with_for_update()
        )
        await conn.execute(delete(numbers).where(numbers.c.id == number_id))
        if row.undo is not None:
            await _hand_on(conn, account_id, row, is_put_back=is_put_back)
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
            subject_name=row.name,
            details={"e164": row.e164},
        )


async def _hand_on(conn: AsyncConnection, account_id: str, removed: Any, *, is_put_back: bool) -> None:
    """Give what is left to undo of a removed number to the oldest of its account's others."""
    heir = (
        await conn.execute(
            select(numbers.c.id, numbers.c.undo)
            .where(numbers.c.carrier_account_id == account_id)
            .order_by(numbers.c.created_at, numbers.c.id)
            .limit(1)
            .with_for_update()
        )
    ).one_or_none()
    if heir is None:
        return
    undo = heir.undo or {"carrier": None, "made": []}
    earlier = [*removed.undo.get("earlier", []), *undo.get("earlier", [])]
    if is_put_back and removed.undo["carrier"] is not None:
        earlier.append({"e164": removed.e164, "carrier": removed.undo["carrier"]})
    made = sorted({*undo["made"], *removed.undo["made"]})
    await conn.execute(
        update(numbers)
        .where(numbers.c.id == heir.id)
        .values(undo={**undo, "made": made, "earlier": earlier})
    )


async def list_numbers(conn: AsyncConnection, workspace_id: str, *, public_url: str) -> list[NumberView]:
    rows = await conn.execute(
        _numbers().where(numbers.c.workspace_id == workspace_id).order_by(numbers.c.created_at, numbers.c.id)
    )
    return [_view(row, public_url) for row in rows]


async def number_names(conn: AsyncConnection, workspace_id: str) -> dict[str, str]:
    """By id, in the order of names."""
    query = select(numbers.c.id, numbers.c.name).where(numbers.c.workspace_id == workspace_id).order_by(numbers.c.name)
    return {row.id: row.name for row in await conn.execute(query)}


async def get_number(
    conn: AsyncConnection, workspace_id: str, number_id: str, *, public_url: str
) -> NumberView:
    query = _numbers().where(numbers.c.id == _checked(number_id), numbers.c.workspace_id == workspace_id)
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        raise _unknown()
    return _view(row, public_url)


def check_new(carrier: CarrierName, e164: str, credentials: Mapping[str, str]) -> None:
    """Raises Invalid for what can't be a number of a carrier we know, and the credentials of its account."""
    kind = CARRIERS.get(carrier)
    if kind is None:
        raise Invalid("carrier", f"must be one of: {', '.join(CARRIERS)}")
    try:
        parse_e164(e164)
    except ValueError as error:
        raise Invalid("e164", str(error)) from None
    check_credentials(kind, credentials)


def already_connected() -> Conflict:
    return Conflict("number_exists", "This phone number is connected already.")


def in_use(open_calls: int) -> Conflict:
    return Conflict(
        "number_in_use", f"{open_calls} calls of this phone number are waiting or running; end them first."
    )


def check_credentials(kind: CarrierKind, credentials: Mapping[str, str]) -> None:
    """Raises Invalid unless these are what the carrier asks for."""
    known = {field.name for field in kind.credential_fields}
    for name, value in credentials.items():
        if name not in known:
            wanted = ", ".join(sorted(known))
            raise Invalid(f"credentials.{name}"[:100], f"is not a credential of this carrier ({wanted})")
        if not 0 < len(value) <= _MAX_CREDENTIAL_CHARS:
            raise Invalid(f"credentials.{name}", f"must have 1 to {_MAX_CREDENTIAL_CHARS} characters")
    for field in kind.credential_fields:
        if field.required and field.name not in credentials:
            raise Invalid(f"credentials.{field.name}", "is required")
        if field.choices and credentials.get(field.name, field.choices[0]) not in field.choices:
            raise Invalid(f"credentials.{field.name}", f"must be {' or '.join(field.choices)}")


async def require_agent(conn: AsyncConnection, workspace_id: str, agent_id: str | None) -> None:
    """Raises Invalid unless the agent, if there is one, is of the workspace."""
    if agent_id is None:
        return
    found = None
    if is_id(agent_id, "agent"):
        found = await conn.scalar(
            select(agents.c.id).where(agents.c.id == agent_id, agents.c.workspace_id == workspace_id)
        )
    if found is None:
        raise Invalid("agent_id", "is not an agent of this workspace")


async def _replaces_credentials(
    conn: AsyncConnection,
    secret_box: SecretBox,
    workspace_id: str,
    carrier: CarrierName,
    account_ref: str,
    credentials: Mapping[str, str],
) -> bool:
    """Whether the account is known already, with other credentials."""
    account = carrier_accounts.c
    known = await conn.scalar(
        select(account.credentials).where(
            account.workspace_id == workspace_id, account.carrier == carrier, account.account_ref == account_ref
        )
    )
    if known is None:
        return False
    try:
        return bool(secret_box.decrypt(known) != dict(credentials))
    except WrongSecretKey:
        return True


async def _record(
    conn: AsyncConnection, workspace_id: str, by: Actor, act: str, number: NumberView, details: Mapping[str, Any]
) -> None:
    details = {"e164": number["e164"], **details}
    await record(
        conn, workspace_id, by, act, subject_id=number["id"], subject_name=number["name"], details=details
    )


def _numbers() -> Any:
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


def _view(row: Row[Any], public_url: str) -> NumberView:
    agent = None
    if row.agent_id is not None:
        agent = NumberAgent(id=row.agent_id, name=row.agent_name, version=row.agent_version)
    return NumberView(
        id=row.id,
        e164=row.e164,
        name=row.name,
        carrier=CarrierName(row.carrier),
        account=row.account_ref,
        direction=row.direction,
        agent=agent,
        outbound_url=f"{public_url}/v1/phone-number/{row.id}/outbound" if row.direction == "both" else None,
        created_at=to_json(row.created_at),
    )


def _checked(number_id: str) -> str:
    if not is_id(number_id, "num"):
        raise _unknown()
    return number_id


def _unknown() -> NotFound:
    return NotFound("number_not_found", "There is no such phone number.")
