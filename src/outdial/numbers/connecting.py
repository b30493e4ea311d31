"""Connecting a number: its account checked, what would change at the carrier told, then changed; and the way back."""

import logging
import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.calls.failures import FailureCode
from outdial.calls.state import CallState
from outdial.carriers.base import (
    Carrier,
    CarrierError,
    CarrierName,
    CarrierRefused,
    CarrierThrottled,
    NotSupported,
    NumberConnection,
)
from outdial.carriers.http import is_loopback
from outdial.carriers.kind import Credentials
from outdial.carriers.registry import CARRIERS
from outdial.db.tables import calls, carrier_accounts, numbers
from outdial.ids import id_of, is_id
from outdial.numbers import store
from outdial.numbers.store import Direction, NumberView, Version
from outdial.refusals import Conflict, Invalid, NotFound, Refusal, Unavailable
from outdial.workspaces.audit import Actor
from outdial.workspaces.secrets import SecretBox

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 5
INBOUND = "inbound"  # the kind of callback that announces a call

NO_PUBLIC_URL = (
    "no_public_url",
    "Carriers can't reach this server: it has no public https address. Set OUTDIAL_PUBLIC_URL, then connect again.",
)
NOT_OWNED = (
    FailureCode.NUMBER_NOT_OWNED,
    "This number does not belong to the carrier account. Give the credentials of the account it belongs to.",
)
CANT_CALL = (FailureCode.NUMBER_WITHOUT_VOICE, "This number of the carrier account can't be used for calls.")

OpenAccount = Callable[[CarrierName, Credentials, str | None], Carrier]


def open_account(carrier: CarrierName, credentials: Credentials, base_url: str | None) -> Carrier:
    """A client of its own, to be closed by the caller."""
    return CARRIERS[carrier].open(credentials, base_url)


class ProblemView(TypedDict):
    code: str
    message: str


class NumberCheck(TypedDict):
    """What answers calls to a number now, and what connecting it would change at the carrier, a sentence each. It can
    be connected when there are no `problems`."""

    carrier: CarrierName
    e164: str
    answered_by: str | None
    changes: list[str]
    problems: list[ProblemView]


class RemovedNumber(TypedDict):
    """`carrier`: whether its settings there are as they were before it was connected (`restored`), were left as they
    are because they have changed since or the carrier refuses (`left`; `message` says why), or never were ours
    (`untouched`)."""

    id: str
    carrier: Literal["restored", "left", "untouched"]
    message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """Numbers of all workspaces. `public_url` is where carriers and users reach this server."""

    engine: AsyncEngine
    secret_box: SecretBox
    public_url: str
    open_account: OpenAccount = open_account

    async def check(
        self,
        workspace_id: str,
        *,
        carrier: CarrierName,
        e164: str,
        credentials: Credentials,
        base_url: str | None = None,
    ) -> NumberCheck:
        """What connecting would do. Changes and stores nothing.

        Raises Invalid (a field is of the wrong form) and Unavailable (the carrier can't be asked).
        """
        store.check_new(carrier, e164, credentials)
        found = NumberCheck(carrier=carrier, e164=e164, answered_by=None, changes=[], problems=[])
        try:
            account = await self._prepare(workspace_id, carrier, e164, credentials, base_url)
            async with self._opened(carrier, account) as client:
                connection = await self._connection(client, carrier, e164, account.id)
        except Invalid as refusal:
            found["problems"].append(ProblemView(code="credentials_refused", message=refusal.message))
        except Conflict as refusal:
            found["problems"].append(ProblemView(code=refusal.code, message=refusal.message))
        else:
            found["answered_by"] = connection.answered_by
            found["changes"] = list(connection.changes)
        return found

    async def connect(
        self,
        workspace_id: str,
        *,
        carrier: CarrierName,
        e164: str,
        credentials: Credentials,
        name: str | None = None,
        agent_id: str | None = None,
        agent_version: Version = "published",
        direction: Direction = "both",
        configure_carrier: bool = True,
        base_url: str | None = None,
        calls_per_second: float | None = None,
        by: Actor,
    ) -> NumberView:
        """Have calls to a number announced to us, and keep it. Without `configure_carrier` nothing is changed at the
        carrier: the number only dials out.

        Raises as `check` and `store.add_number`, and Conflict: the number isn't the account's, or is in use elsewhere.
        """
        store.check_new(carrier, e164, credentials)
        async with self.engine.connect() as conn:
            await store.require_agent(conn, workspace_id, agent_id)
        account = await self._prepare(workspace_id, carrier, e164, credentials, base_url)
        undo: Mapping[str, Any] | None = None
        stored = account.credentials
        async with self._opened(carrier, account) as client:
            if configure_carrier:
                await self._connection(client, carrier, e164, account.id)
                with _refusals(carrier):
                    connected = await client.connect(e164, **self._urls(carrier, account.id))
                stored = {**stored, **connected.credentials}
                undo = {"carrier": connected.undo, "made": sorted({*account.made, *connected.credentials})}
            else:
                await self._may_call(client, carrier, e164)
            try:
                return await store.add_number(
                    self.engine,
                    self.secret_box,
                    workspace_id,
                    carrier=carrier,
                    e164=e164,
                    credentials=stored,
                    public_url=self.public_url,
                    name=name,
                    agent_id=agent_id,
                    agent_version=agent_version,
                    direction=direction,
                    base_url=base_url,
                    calls_per_second=calls_per_second,
                    account_id=account.id,
                    undo=undo,
                    by=by,
                )
            except Conflict:
                raise  # connected by somebody else in the same moment: what the carrier has is right for them
            except Exception:
                if undo is not None:
                    await _put_back(client, e164, undo["carrier"])
                raise

    async def remove(
        self, workspace_id: str, number_id: str, *, configure_carrier: bool = True, by: Actor
    ) -> RemovedNumber:
        """Put the carrier's settings back as they were, and forget the number (see store.remove_number).

        Raises NotFound, Conflict while calls of it wait or run, and Unavailable: then nothing was removed.
        """
        async with self.engine.connect() as conn:
            row = await _connected(conn, workspace_id, number_id)
        removed = RemovedNumber(id=number_id, carrier="untouched", message=None)
        if configure_carrier and row.undo is not None:
            removed["message"] = await self._disconnect(row)
            removed["carrier"] = "restored" if removed["message"] is None else "left"
        await store.remove_number(self.engine, workspace_id, number_id, by=by)
        return removed

    # -- inside ----------------------------------------------------------------------------------------------

    async def _prepare(
        self, workspace_id: str, carrier: CarrierName, e164: str, credentials: Credentials, base_url: str | None
    ) -> "_Account":
        """The account as it will be stored. Raises Conflict for what can be known without the carrier."""
        async with self.engine.connect() as conn:
            taken = await conn.scalar(
                select(numbers.c.id).where(numbers.c.workspace_id == workspace_id, numbers.c.e164 == e164)
            )
            if taken is not None:
                raise store.already_connected()
            account = await self._account(conn, workspace_id, carrier, credentials, base_url)
        simulated = account.base_url is not None and is_loopback(account.base_url)
        if not simulated and not self.public_url.startswith("https://"):
            raise Conflict(*NO_PUBLIC_URL)
        return account

    async def _account(
        self,
        conn: AsyncConnection,
        workspace_id: str,
        carrier: CarrierName,
        credentials: Credentials,
        base_url: str | None,
    ) -> "_Account":
        """With an account that is known already come the credentials we made for its other numbers."""
        ref = CARRIERS[carrier].account_ref(credentials)
        account = carrier_accounts.c
        query: Select[Any] = (
            select(account.id, account.credentials, account.base_url, numbers.c.undo)
            .outerjoin(numbers, numbers.c.carrier_account_id == account.id)
            .where(account.workspace_id == workspace_id, account.carrier == carrier, account.account_ref == ref)
        )
        rows = (await conn.execute(query)).all()
        if not rows:
            account_id = id_of("acct", workspace_id, carrier, ref)
            return _Account(id=account_id, credentials=dict(credentials), made=frozenset(), base_url=base_url)
        known = self.secret_box.decrypt(rows[0].credentials)
        made = {name for row in rows if row.undo for name in row.undo["made"] if name not in credentials}
        kept = {name: known[name] for name in made if name in known}
        return _Account(
            id=rows[0].id,
            credentials={**kept, **credentials},
            made=frozenset(kept),
            base_url=base_url or rows[0].base_url,
        )

    @asynccontextmanager
    async def _opened(self, carrier: CarrierName, account: "_Account") -> AsyncIterator[Carrier]:
        """A client for an account whose credentials are right."""
        client = self.open_account(carrier, account.credentials, account.base_url)
        try:
            with _refusals(carrier, field="credentials"):
                await client.check()
            yield client
        finally:
            await client.aclose()

    async def _connection(
        self, client: Carrier, carrier: CarrierName, e164: str, account_id: str
    ) -> NumberConnection:
        with _refusals(carrier):
            connection = await client.connection(e164, **self._urls(carrier, account_id))
        if not connection.number.can_call:
            raise Conflict(*CANT_CALL)
        return connection

    async def _may_call(self, client: Carrier, carrier: CarrierName, e164: str) -> None:
        with _refusals(carrier):
            record = await client.owns(e164)
        if record is None:
            raise Conflict(*NOT_OWNED)
        if not record.can_call:
            raise Conflict(*CANT_CALL)

    async def _disconnect(self, row: Row[Any]) -> str | None:
        """Why something was left as it is; None when all is as before."""
        carrier = CarrierName(row.carrier)
        label = CARRIERS[carrier].label
        client = self.open_account(carrier, self.secret_box.decrypt(row.credentials), row.base_url)
        urls = self._urls(carrier, row.carrier_account_id)
        try:
            try:
                still_ours = (await client.connection(row.e164, **urls)).answered_by == urls["inbound_url"]
            except CarrierRefused:
                still_ours = False
            await client.disconnect(row.e164, row.undo["carrier"])
        except (CarrierRefused, NotSupported) as error:
            return f"{label} refused to change the number's settings: {error.message}"
        except CarrierError as error:
            raise _unavailable(carrier, error) from error
        finally:
            await client.aclose()
        if still_ours:
            return None
        return f"The number's settings at {label} were changed since it was connected, so they were left as they are."

    def _urls(self, carrier: CarrierName, account_id: str) -> dict[str, str]:
        url = account_url(self.public_url, carrier, account_id)
        return {"inbound_url": f"{url}/{INBOUND}", "callback_url": url}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    """`made`: those of the credentials that connecting made."""

    id: str
    credentials: dict[str, str]
    made: frozenset[str]
    base_url: str | None


def account_url(public_url: str, carrier: CarrierName, account_id: str) -> str:
    """Where a carrier account's callbacks go that belong to no call we placed; their kind is appended."""
    return f"{public_url}/callbacks/{carrier}/accounts/{account_id}"


async def _connected(conn: AsyncConnection, workspace_id: str, number_id: str) -> Row[Any]:
    """A number with its account; it has no calls that wait or run."""
    row: Row[Any] | None = None
    if is_id(number_id, "num"):
        account = carrier_accounts.c
        query: Select[Any] = (
            select(numbers, account.carrier, account.credentials, account.base_url)
            .join(carrier_accounts, account.id == numbers.c.carrier_account_id)
            .where(numbers.c.id == number_id, numbers.c.workspace_id == workspace_id)
        )
        row = (await conn.execute(query)).one_or_none()
    if row is None:
        raise NotFound("number_not_found", "There is no such phone number.")
    open_calls = await conn.scalar(
        select(func.count()).where(calls.c.number_id == number_id, calls.c.state != CallState.ENDED)
    )
    if open_calls:
        raise store.in_use(open_calls)
    return row


async def _put_back(client: Carrier, e164: str, undo: Mapping[str, Any]) -> None:
    try:
        await client.disconnect(e164, undo)
    except CarrierError as error:
        logger.warning("Number left connected at its carrier", extra=error.codes)


@contextmanager
def _refusals(carrier: CarrierName, *, field: str | None = None) -> Iterator[None]:
    """What a carrier's error means to who connects a number; `field`: whose value the carrier refuses."""
    try:
        yield
    except (CarrierRefused, NotSupported) as error:
        if field is not None:
            raise Invalid(field, error.message) from error
        raise Conflict(error.code, error.message) from error
    except CarrierError as error:
        raise _unavailable(carrier, error) from error


def _unavailable(carrier: CarrierName, error: CarrierError) -> Refusal:
    retry_after_s = math.ceil(error.retry_after_s) if isinstance(error, CarrierThrottled) else RETRY_AFTER_S
    label = CARRIERS[carrier].label
    message = f"{label} can't be asked now: {error.message}"
    return Unavailable(FailureCode.CARRIER_UNREACHABLE, message, max(1, retry_after_s))
