"""Connecting a number: its account checked, what would change at the carrier told, then changed; and the way back."""

import logging
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import TypedDict

from outdial.accounts.access import (
    NOT_OWNED,
    OpenNumberControl,
    callback_urls,
    open_number_control,
    opened,
    refusals,
    require_public_url,
    unavailable,
)
from outdial.accounts.store import AccountRecord, read_account
from outdial.carriers.errors import CarrierError, CarrierRefused
from outdial.carriers.numbers import NumberConnection, NumberControl
from outdial.carriers.registry import KnownCarrier
from outdial.db.tables import numbers
from outdial.numbers import store
from outdial.numbers.account_for import AccountForNumber, account_for
from outdial.numbers.new_number import NewNumber
from outdial.numbers.records import NumberRow, already_connected, numbers_of, read_number, require_no_open_calls
from outdial.numbers.undo import Undo
from outdial.numbers.views import NumberView
from outdial.refusals import Conflict, Invalid
from outdial.telephony.failures import FailureCode
from outdial.workspaces.audit import Actor
from outdial.workspaces.secrets import SecretBox, WrongSecretKey

logger = logging.getLogger(__name__)

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
    are because they have changed since, the carrier refuses or the account's credentials can't be read (`left`;
    `message` says why), or never were ours (`untouched`)."""

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

    async def check(self, workspace_id: str, new: NewNumber) -> NumberCheck:
        """What connecting would do. Changes and stores nothing.

        Raises Invalid (a field is of the wrong form) and Unavailable (the carrier can't be asked).
        """
        new = new.checked()
        found = NumberCheck(carrier=new.carrier, e164=new.e164, answered_by=None, changes=[], problems=[])
        try:
            account = await self._prepare(workspace_id, new)
            async with opened(self.open_number_control, new.carrier, account.credentials, account.url) as client:
                connection = await self._connection(client, new, account.id)
        except Invalid as refusal:
            found["problems"].append(ProblemView(code="credentials_refused", message=refusal.message))
        except Conflict as refusal:
            found["problems"].append(ProblemView(code=refusal.code, message=refusal.message))
        else:
            found["answered_by"] = connection.answered_by
            found["changes"] = list(connection.changes)
        return found

    async def connect(self, workspace_id: str, new: NewNumber, *, by: Actor) -> NumberView:
        """Have calls to a number announced to us, and keep it.

        Raises as `check` and `store.add_number`, and Conflict: the number isn't the account's, or is in use elsewhere.
        """
        new = new.checked()
        async with self.engine.connect() as conn:
            await store.require_agent(conn, workspace_id, new.agent_id)
        account = await self._prepare(workspace_id, new)
        undo: Undo | None = None
        stored = account.credentials
        async with opened(self.open_number_control, new.carrier, account.credentials, account.url) as client:
            if new.configure_carrier:
                await self._connection(client, new, account.id)
                urls = callback_urls(self.public_url, new.carrier, account.id)
                with refusals(new.carrier):
                    connected = await client.connect(new.e164, **urls)
                stored = {**stored, **connected.credentials}
                undo = Undo(carrier=connected.undo, made=account.made | connected.credentials.keys())
            else:
                await self._may_call(client, new)
            try:
                return await store.add_number(
                    self.engine,
                    self.secret_box,
                    workspace_id,
                    replace(new, credentials=stored, region=account.region),
                    public_url=self.public_url,
                    account_id=account.id,
                    undo=undo,
                    by=by,
                )
            except Conflict:
                raise  # connected by somebody else in the same moment: what the carrier has is right for them
            except Exception:
                if undo is not None and undo.carrier is not None:
                    await put_back(client, new.e164, undo.carrier, is_last=not account.is_known)
                raise

    async def remove(
        self, workspace_id: str, number_id: str, *, configure_carrier: bool = True, by: Actor
    ) -> RemovedNumber:
        """Put the carrier's settings back as they were, and forget the number (see store.remove_number).

        Raises NotFound, Conflict while calls of it wait or run, and Unavailable: then nothing was removed.
        """
        async with self.engine.connect() as conn:
            number = await read_number(conn, workspace_id, number_id)
            await require_no_open_calls(conn, number_id)
            account = await read_account(conn, workspace_id, number.account_id)
            is_last = len(await numbers_of(conn, account.id)) == 1
        removed = RemovedNumber(id=number_id, carrier="untouched", message=None)
        if configure_carrier and number.undo is not None:
            message = await self._disconnect(number, number.undo, account, is_last=is_last)
            if number.is_connected:
                removed["message"] = message
                removed["carrier"] = "restored" if message is None else "left"
        await store.remove_number(self.engine, workspace_id, number_id, is_put_back=configure_carrier, by=by)
        return removed

    # -- inside ----------------------------------------------------------------------------------------------

    async def _prepare(self, workspace_id: str, new: NewNumber) -> AccountForNumber:
        """The account as it will be stored. Raises Conflict for what can be known without the carrier."""
        async with self.engine.connect() as conn:
            taken = await conn.scalar(
                select(numbers.c.id).where(numbers.c.workspace_id == workspace_id, numbers.c.e164 == new.e164)
            )
            if taken is not None:
                raise already_connected()
            account = await account_for(conn, self.secret_box, workspace_id, new)
        require_public_url(self.public_url, account.base_url)
        return account

    async def _connection(self, client: NumberControl, new: NewNumber, account_id: str) -> NumberConnection:
        with refusals(new.carrier):
            urls = callback_urls(self.public_url, new.carrier, account_id)
            connection = await client.connection(new.e164, **urls)
        if not connection.number.can_call:
            raise Conflict(*CANT_CALL)
        return connection

    async def _may_call(self, client: NumberControl, new: NewNumber) -> None:
        with refusals(new.carrier):
            record = await client.owns(new.e164)
        if record is None:
            raise Conflict(*NOT_OWNED)
        if not record.can_call:
            raise Conflict(*CANT_CALL)

    async def _disconnect(self, number: NumberRow, undo: Undo, account: AccountRecord, *, is_last: bool) -> str | None:
        """Why something was left as it is; None when all is as before."""
        kind = account.kind
        try:
            credentials = self.secret_box.decrypt(account.sealed_credentials)
        except WrongSecretKey:
            # Not a carrier out of reach, for which one waits: what is lost doesn't come back by itself.
            logger.warning("Number left connected: its account is unreadable", extra={"account_id": account.id})
            return (
                f"{kind.label} wasn't told, because the account's credentials can't be read with this secret key: see "
                "to the number's settings there."
            )
        urls = callback_urls(self.public_url, account.carrier, account.id)
        async with aclosing(self.open_number_control(account.carrier, credentials, account.url)) as client:
            try:
                try:
                    still_ours = (await client.connection(number.e164, **urls)).answered_by == urls["inbound_url"]
                except CarrierRefused:
                    still_ours = False
                if undo.carrier is not None:
                    await client.disconnect(number.e164, undo.carrier, is_last=is_last)
                if is_last:
                    for each in reversed(undo.earlier):
                        await client.disconnect(each.e164, each.carrier, is_last=True)
            except CarrierRefused as error:
                return f"{kind.label} refused to change the number's settings: {error.message}"
            except CarrierError as error:
                raise unavailable(account.carrier, error) from error
        if still_ours:
            return None
        return f"The number's settings at {kind.label} have been changed since, so they were left as they are."


async def put_back(client: NumberControl, e164: str, undo: Mapping[str, Any], *, is_last: bool) -> None:
    """As well as can be; what can't is in the log."""
    try:
        await client.disconnect(e164, undo, is_last=is_last)
    except CarrierError as error:
        logger.warning("Number left connected at its carrier", extra=error.codes)
