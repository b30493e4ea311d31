"""Carrier accounts as they are kept. Credentials go in and never come out."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import RowMapping, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.carriers.kind import CarrierKind, Credentials
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.db.tables import carrier_accounts
from outdial.ids import is_id
from outdial.refusals import NotFound
from outdial.workspaces.audit import Actor, record
from outdial.workspaces.secrets import SecretBox, WrongSecretKey


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRecord:
    """`account_ref` is what the carrier calls it. `region` is None where none was chosen, or where its requests go to
    `base_url` instead."""

    id: str
    workspace_id: str
    carrier: CarrierName
    account_ref: str
    sealed_credentials: bytes = field(repr=False)
    region: str | None
    base_url: str | None
    calls_per_second: float
    created_at: datetime

    @property
    def kind(self) -> CarrierKind:
        return CARRIERS[self.carrier]

    @property
    def url(self) -> str:
        """Where its requests go. Raises CarrierRefused for a region that is gone."""
        return self.kind.api_url(self.region, self.base_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """An account as it is to be kept. What is None stays as it is, if the account is known."""

    id: str
    carrier: CarrierName
    credentials: Credentials = field(repr=False)
    region: str | None
    base_url: str | None
    calls_per_second: float | None


async def keep_account(
    conn: AsyncConnection, secret_box: SecretBox, workspace_id: str, new: NewAccount, *, by: Actor
) -> str:
    """The account's id. One that is known already keeps its id and its region, and gets these credentials for all of
    its numbers."""
    kind = CARRIERS[new.carrier]
    account_ref = kind.account_ref(new.credentials)
    known = await find_account(conn, workspace_id, new.carrier, account_ref)
    pace = {} if new.calls_per_second is None else {"calls_per_second": new.calls_per_second}
    place = {} if new.base_url is None else {"base_url": new.base_url, "region": None}
    sealed = secret_box.encrypt(dict(new.credentials))
    account = upsert(carrier_accounts).values(
        {"calls_per_second": kind.default_calls_per_second, "region": new.region, "base_url": None}
        | pace
        | place
        | {
            "id": new.id,
            "workspace_id": workspace_id,
            "carrier": new.carrier,
            "account_ref": account_ref,
            "credentials": sealed,
        }
    )
    account_id = str(
        await conn.scalar(
            account.on_conflict_do_update(
                index_elements=["workspace_id", "carrier", "account_ref"],
                set_={"credentials": sealed} | pace | place,
            ).returning(carrier_accounts.c.id)
        )
    )
    if known is not None and not _holds(secret_box, known, new.credentials):
        await record(
            conn,
            workspace_id,
            by,
            "credentials.replaced",
            subject_id=account_id,
            subject_name=account_ref,
            details={"carrier": new.carrier},
        )
    return account_id


async def find_account(
    conn: AsyncConnection, workspace_id: str, carrier: CarrierName, account_ref: str
) -> AccountRecord | None:
    account = carrier_accounts.c
    query = select(carrier_accounts).where(
        account.workspace_id == workspace_id, account.carrier == carrier, account.account_ref == account_ref
    )
    row = (await conn.execute(query)).mappings().one_or_none()
    return None if row is None else _record(row)


async def read_account(conn: AsyncConnection, workspace_id: str, account_id: str) -> AccountRecord:
    """Raises NotFound."""
    row = None
    if is_id(account_id, "acct"):
        account = carrier_accounts.c
        query = select(carrier_accounts).where(account.id == account_id, account.workspace_id == workspace_id)
        row = (await conn.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFound("carrier_account_not_found", "There is no such carrier account.")
    return _record(row)


async def read_accounts(conn: AsyncConnection, workspace_id: str | None = None) -> list[AccountRecord]:
    """Of a workspace, or of all; the oldest first."""
    account = carrier_accounts.c
    query = select(carrier_accounts).order_by(account.created_at, account.id)
    if workspace_id is not None:
        query = query.where(account.workspace_id == workspace_id)
    return [_record(row) for row in (await conn.execute(query)).mappings()]


def _holds(secret_box: SecretBox, known: AccountRecord, credentials: Credentials) -> bool:
    try:
        return bool(secret_box.decrypt(known.sealed_credentials) == dict(credentials))
    except WrongSecretKey:
        return False


def _record(row: RowMapping) -> AccountRecord:
    return AccountRecord(
        id=row["id"],
        workspace_id=row["workspace_id"],
        carrier=CarrierName(row["carrier"]),
        account_ref=row["account_ref"],
        sealed_credentials=row["credentials"],
        region=row["region"],
        base_url=row["base_url"],
        calls_per_second=row["calls_per_second"],
        created_at=row["created_at"],
    )
