"""Changing a carrier account: its credentials, where its requests go, its pace.

What that means for the account's numbers at the carrier is numbers.reconnecting's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.accounts.access import check_place
from outdial.accounts.credentials import check_credentials
from outdial.accounts.store import AccountRecord
from outdial.accounts.views import AccountView
from outdial.carriers.kind import CarrierKind
from outdial.carriers.registry import CARRIERS
from outdial.db.notify import notify
from outdial.db.tables import carrier_accounts
from outdial.refusals import Conflict, Invalid
from outdial.workspaces.audit import Actor, record
from outdial.workspaces.secrets import SecretBox, WrongSecretKey

MIN_CALLS_PER_SECOND, MAX_CALLS_PER_SECOND = 0.01, 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChanges:
    """What is None stays. Of `credentials` those that are left out stay, too; None takes an optional one away.

    `base_url` is for operators (a simulator); a region takes it away.
    """

    credentials: Mapping[str, str | None] | None = field(default=None, repr=False)
    region: str | None = None
    base_url: str | None = None
    calls_per_second: float | None = None

    @property
    def of_access(self) -> bool:
        """Whether the account may be asked otherwise than now; its pace is nothing the carrier knows of."""
        return bool(self.credentials) or self.region is not None or self.base_url is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountAccess:
    """An account as it is asked: with what, and where."""

    kind: CarrierKind
    credentials: dict[str, str] = field(repr=False)
    region: str | None
    base_url: str | None
    url: str

    @property
    def identity(self) -> dict[str, str]:
        """Those of the credentials that say whose account it is, and what in it."""
        names = {field.name for field in self.kind.credential_fields if not field.secret and not field.choices}
        return {name: value for name, value in self.credentials.items() if name in names}


def access_before_and_after(
    secret_box: SecretBox, account: AccountRecord, changes: AccountChanges
) -> tuple[AccountAccess | None, AccountAccess]:
    """How the account is asked now, None where its credentials can't be read (the key is lost), and how it will be.

    Raises Invalid for changes that make no sense, and for credentials in part where those stored can't be read.
    """
    kind = account.kind
    base_url = check_place(kind.name, changes.region, changes.base_url)
    before = _access_now(secret_box, account)
    merged = {**(_ref_alone(account) if before is None else before.credentials), **(changes.credentials or {})}
    credentials = {name: value for name, value in merged.items() if value is not None}
    if before is None:
        _require_whole(kind, credentials)
    check_credentials(kind, credentials)
    region = None if base_url is not None else changes.region or account.region
    if changes.region is None and base_url is None:
        base_url = account.base_url
    after = AccountAccess(
        kind=kind,
        credentials=credentials,
        region=region,
        base_url=base_url,
        url=kind.api_url(region, base_url),
    )
    return before, after


def check_pace(calls_per_second: float | None) -> None:
    """Raises Invalid."""
    if calls_per_second is not None and not MIN_CALLS_PER_SECOND <= calls_per_second <= MAX_CALLS_PER_SECOND:
        raise Invalid("calls_per_second", f"must be between {MIN_CALLS_PER_SECOND:g} and {MAX_CALLS_PER_SECOND:g}")


async def write_account(
    conn: AsyncConnection,
    secret_box: SecretBox,
    before: AccountRecord,
    *,
    access: AccountAccess | None,
    calls_per_second: float | None,
) -> None:
    """What is None stays. Raises Conflict when it has become another account that is known, or somebody else has
    changed this one since `before` was read."""
    values: dict[str, Any] = {} if calls_per_second is None else _pace(calls_per_second)
    if access is not None:
        values |= {
            "account_ref": access.kind.account_ref(access.credentials),
            "credentials": secret_box.encrypt(access.credentials),
            "region": access.region,
            "base_url": access.base_url,
        }
    if not values:
        return
    account = carrier_accounts.c
    try:
        changed = await conn.execute(
            update(carrier_accounts)
            .where(account.id == before.id, account.credentials == before.sealed_credentials)
            .values(values)
        )
    except IntegrityError as error:
        raise Conflict("account_exists", "This account of the carrier is connected already, as another one.") from error
    if not changed.rowcount:
        raise Conflict("account_changed", "Somebody else has changed this account in the same moment; look again.")
    await notify(conn, "outdial_queue", before.workspace_id)  # calls may wait for the pace


async def record_changes(
    conn: AsyncConnection, workspace_id: str, account: AccountView, changes: AccountChanges, by: Actor
) -> None:
    """In the audit log: names of credentials, never what they are."""
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


def _access_now(secret_box: SecretBox, account: AccountRecord) -> AccountAccess | None:
    try:
        credentials = secret_box.decrypt(account.sealed_credentials)
    except WrongSecretKey:
        return None
    return AccountAccess(
        kind=account.kind,
        credentials=credentials,
        region=account.region,
        base_url=account.base_url,
        url=account.url,
    )


def _ref_alone(account: AccountRecord) -> dict[str, str]:
    """The credential that is the account's own id, where the carrier has one: it is kept in the clear, too."""
    names = {field.name for field in account.kind.credential_fields}
    name = account.kind.account_ref({name: name for name in names})  # each is called as it is named
    return {name: account.account_ref} if name in names else {}


def _require_whole(kind: CarrierKind, credentials: Mapping[str, str]) -> None:
    missing = [field.name for field in kind.credential_fields if field.required and field.name not in credentials]
    if missing:
        raise Invalid(
            "credentials",
            "are to be given whole, because those stored can't be read with this secret key. Give "
            f"{' and '.join(missing)}, too, and those of the optional ones that you had given",
        )


def _pace(calls_per_second: float) -> dict[str, Any]:
    # The next dial was put off at the pace there was.
    soon = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, 1 / calls_per_second)
    return {
        "calls_per_second": calls_per_second,
        "next_dial_at": func.least(carrier_accounts.c.next_dial_at, soon),
    }
