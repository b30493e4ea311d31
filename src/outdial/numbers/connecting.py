"""Connecting a number: its account checked, what would change at the carrier told, then changed; and the way back."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.accounts.access import (
    NOT_OWNED,
    OpenNumberControl,
    callback_urls,
    check_place,
    open_number_control,
    opened,
    refusals,
    require_public_url,
    unavailable,
)
from outdial.carriers.errors import CarrierError, CarrierRefused
from outdial.carriers.kind import Credentials
from outdial.carriers.name import CarrierName
from outdial.carriers.numbers import NumberConnection, NumberControl
from outdial.carriers.registry import CARRIERS, KnownCarrier
from outdial.db.tables import calls, carrier_accounts, numbers
from outdial.ids import id_of, is_id
from outdial.numbers import store
from outdial.numbers.store import Direction, NumberView, Version
from outdial.refusals import Conflict, Invalid, NotFound
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import CallState
from outdial.workspaces.audit import Actor
from outdial.workspaces.secrets import SecretBox

logger = logging.getLogger(__name__)

OTHER_REGION = (
    "other_region",
    "This carrier account is connected already, in another region. Change the account's region, or leave it out here.",
)
CANT_CALL = (FailureCode.NUMBER_WITHOUT_VOICE, "This number of the carrier account can't be used for calls.")


class ProblemView(TypedDict):
    code: str
    message: str


class NumberCheck(TypedDict):
    """What answers calls to a number now, and what connecting it would change at the carrier, a sentence each. It can
    be connected when there are no `problems`."""

    carrier: KnownCarrier
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
    open_number_control: OpenNumberControl = open_number_control

    async def check(
        self,
        workspace_id: str,
        *,
        carrier: CarrierName,
        e164: str,
        credentials: Credentials,
        region: str | None = None,
        base_url: str | None = None,
    ) -> NumberCheck:
        """What connecting would do. Changes and stores nothing.

        Raises Invalid (a field is of the wrong form) and Unavailable (the carrier can't be asked).
        """
        store.check_new(carrier, e164, credentials)
        base_url = check_place(carrier, region, base_url)
        found = NumberCheck(carrier=carrier, e164=e164, answered_by=None, changes=[], problems=[])
        try:
            account = await self._prepare(workspace_id, carrier, e164, credentials, region, base_url)
            async with opened(self.open_number_control, carrier, account.credentials, account.url) as client:
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
        region: str | None = None,
        base_url: str | None = None,
        calls_per_second: float | None = None,
        by: Actor,
    ) -> NumberView:
        """Have calls to a number announced to us, and keep it. Without `configure_carrier` nothing is changed at the
        carrier: the number only dials out.

        `region` is where the account's calls are handled, one of the carrier's; `base_url` sends its requests elsewhere
        instead (a simulator): that is for operators, not for API users.

        Raises as `check` and `store.add_number`, and Conflict: the number isn't the account's, or is in use elsewhere.
        """
        store.check_new(carrier, e164, credentials)
        base_url = check_place(carrier, region, base_url)
        async with self.engine.connect() as conn:
            await store.require_agent(conn, workspace_id, agent_id)
        account = await self._prepare(workspace_id, carrier, e164, credentials, region, base_url)
        undo: Mapping[str, Any] | None = None
        stored = account.credentials
        async with opened(self.open_number_control, carrier, account.credentials, account.url) as client:
            if configure_carrier:
                await self._connection(client, carrier, e164, account.id)
                with refusals(carrier):
                    connected = await client.connect(e164, **callback_urls(self.public_url, carrier, account.id))
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
                    region=account.region,
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
                    await _put_back(client, e164, undo["carrier"], is_last=not account.is_known)
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
            mine = row.undo["carrier"] is not None
            message = await self._disconnect(row)
            if mine:
                removed["message"] = message
                removed["carrier"] = "restored" if message is None else "left"
        await store.remove_number(self.engine, workspace_id, number_id, is_put_back=configure_carrier, by=by)
        return removed

    # -- inside ----------------------------------------------------------------------------------------------

    async def _prepare(
        self,
        workspace_id: str,
        carrier: CarrierName,
        e164: str,
        credentials: Credentials,
        region: str | None,
        base_url: str | None,
    ) -> "_Account":
        """The account as it will be stored. Raises Conflict for what can be known without the carrier."""
        async with self.engine.connect() as conn:
            taken = await conn.scalar(
                select(numbers.c.id).where(numbers.c.workspace_id == workspace_id, numbers.c.e164 == e164)
            )
            if taken is not None:
                raise store.already_connected()
            account = await self._account(conn, workspace_id, carrier, credentials, region, base_url)
        require_public_url(self.public_url, account.base_url)
        return account

    async def _account(
        self,
        conn: AsyncConnection,
        workspace_id: str,
        carrier: CarrierName,
        credentials: Credentials,
        region: str | None,
        base_url: str | None,
    ) -> "_Account":
        """With an account that is known already come the credentials we made for its other numbers, and what was chosen
        for it."""
        kind = CARRIERS[carrier]
        ref = kind.account_ref(credentials)
        account = carrier_accounts.c
        query: Select[Any] = (
            select(account.id, account.credentials, account.region, account.base_url, numbers.c.undo)
            .outerjoin(numbers, numbers.c.carrier_account_id == account.id)
            .where(account.workspace_id == workspace_id, account.carrier == carrier, account.account_ref == ref)
        )
        rows = (await conn.execute(query)).all()
        if not rows:
            account_id = id_of("acct", workspace_id, carrier, ref)
            return _Account(
                id=account_id,
                is_known=False,
                credentials=dict(credentials),
                made=frozenset(),
                region=region,
                base_url=base_url,
                url=kind.api_url(region, base_url),
            )
        if region is not None and (rows[0].base_url is not None or kind.region(rows[0].region) != kind.region(region)):
            raise Conflict(*OTHER_REGION)
        known = self.secret_box.decrypt(rows[0].credentials)
        made = {name for row in rows if row.undo for name in row.undo["made"] if name not in credentials}
        chosen = {field.name for field in kind.credential_fields if field.choices and field.name not in credentials}
        kept = {name: known[name] for name in made | chosen if name in known}
        base_url = base_url or rows[0].base_url
        return _Account(
            id=rows[0].id,
            is_known=True,
            credentials={**kept, **credentials},
            made=frozenset(made & kept.keys()),
            region=rows[0].region,
            base_url=base_url,
            url=kind.api_url(rows[0].region, base_url),
        )

    async def _connection(
        self, client: NumberControl, carrier: CarrierName, e164: str, account_id: str
    ) -> NumberConnection:
        with refusals(carrier):
            connection = await client.connection(e164, **callback_urls(self.public_url, carrier, account_id))
        if not connection.number.can_call:
            raise Conflict(*CANT_CALL)
        return connection

    async def _may_call(self, client: NumberControl, carrier: CarrierName, e164: str) -> None:
        with refusals(carrier):
            record = await client.owns(e164)
        if record is None:
            raise Conflict(*NOT_OWNED)
        if not record.can_call:
            raise Conflict(*CANT_CALL)

    async def _disconnect(self, row: Row[Any]) -> str | None:
        """Why something was left as it is; None when all is as before."""
        carrier = CarrierName(row.carrier)
        kind = CARRIERS[carrier]
        client = self.open_number_control(
            carrier, self.secret_box.decrypt(row.credentials), kind.api_url(row.region, row.base_url)
        )
        urls = callback_urls(self.public_url, carrier, row.carrier_account_id)
        try:
            try:
                still_ours = (await client.connection(row.e164, **urls)).answered_by == urls["inbound_url"]
            except CarrierRefused:
                still_ours = False
            if row.undo["carrier"] is not None:
                await client.disconnect(row.e164, row.undo["carrier"], is_last=row.others == 0)
            if row.others == 0:
                for each in reversed(row.undo.get("earlier", [])):
                    await client.disconnect(each["e164"], each["carrier"], is_last=True)
        except CarrierRefused as error:
            return f"{kind.label} refused to change the number's settings: {error.message}"
        except CarrierError as error:
            raise unavailable(carrier, error) from error
        finally:
            await client.aclose()
        if still_ours:
            return None
        return f"The number's settings at {kind.label} have been changed since, so they were left as they are."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    """`made`: those of the credentials that connecting made. `url`: where its requests go."""

    id: str
    is_known: bool
    credentials: dict[str, str]
    made: frozenset[str]
    region: str | None
    base_url: str | None
    url: str


async def _connected(conn: AsyncConnection, workspace_id: str, number_id: str) -> Row[Any]:
    """A number with its account, and how many `others` that has; it has no calls that wait or run."""
    row: Row[Any] | None = None
    if is_id(number_id, "num"):
        account = carrier_accounts.c
        other = numbers.alias("other")
        others = (
            select(func.count())
            .where(other.c.carrier_account_id == account.id, other.c.id != numbers.c.id)
            .correlate(carrier_accounts, numbers)
            .scalar_subquery()
        )
        query: Select[Any] = (
            select(
                numbers, account.carrier, account.credentials, account.region, account.base_url, others.label("others")
            )
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


async def _put_back(client: NumberControl, e164: str, undo: Mapping[str, Any], *, is_last: bool) -> None:
    try:
        await client.disconnect(e164, undo, is_last=is_last)
    except CarrierError as error:
        logger.warning("Number left connected at its carrier", extra=error.codes)
