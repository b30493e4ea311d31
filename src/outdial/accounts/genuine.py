"""Requests that say they come from a carrier: which account they are about, and whether its signature is right."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, Text, bindparam, select
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial import clock
from outdial.accounts.refused_callbacks import RefusalCounter
from outdial.carriers.kind import CarrierKind
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.db import hot
from outdial.db.hot import Hot
from outdial.db.tables import attempts, carrier_accounts
from outdial.logs import Seldom
from outdial.refusals import Unavailable
from outdial.short_memory import ShortMemory
from outdial.workspaces.secrets import SecretBox, WrongSecretKey

logger = logging.getLogger(__name__)

REMEMBERED_S = 30.0  # whose an attempt is, which never changes, and its account's credentials, which may


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A carrier account, with what is needed to check what comes from it (encrypted)."""

    id: str
    workspace_id: str
    carrier: CarrierName
    sealed_credentials: bytes

    @property
    def kind(self) -> CarrierKind:
        return CARRIERS[self.carrier]


class Genuine:
    """Tells a carrier's requests from other people's."""

    def __init__(self, engine: AsyncEngine, secret_box: SecretBox) -> None:
        self._engine = engine
        self._secret_box = secret_box
        self._refused = RefusalCounter(engine)
        self._unreadable = Seldom()
        self._of_attempts = ShortMemory[tuple[CarrierName, str], Account](ttl_s=REMEMBERED_S)

    async def aclose(self) -> None:
        """Write down what was counted."""
        await self._refused.aclose()

    async def account(self, carrier: CarrierName, account_id: str) -> Account | None:
        """The account of this id; None where there is none at this carrier."""
        return await self._find(_ACCOUNT, {"the_carrier": carrier, "the_account": account_id})

    async def account_of_attempt(
        self, carrier: CarrierName, attempt_id: str, *, anew: bool = False
    ) -> Account | None:
        """The account that an attempt was dialled by, or came in by: as it was REMEMBERED_S ago at most, for a call's
        callbacks come one after the other; or looked up `anew`."""

        async def ask() -> Account | None:
            return await self._find(_OF_ATTEMPT, {"the_carrier": carrier, "the_attempt": attempt_id})

        if anew:
            self._of_attempts.forget_one((carrier, attempt_id))
        return await self._of_attempts.get((carrier, attempt_id), ask)

    async def callback(self, account: Account, *, url: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether a callback is the carrier's own; one that isn't is counted. `url` is the public one.

        Raises Unavailable where the account's credentials can't be read: no carrier is to be blamed for that.
        """
        if self._is_signed(account, url, headers, body):
            return True
        newest = await self.account(account.carrier, account.id)  # it may be remembered as it was before
        if newest is not None and newest != account and self._is_signed(newest, url, headers, body):
            self._of_attempts.forget(lambda known: known.id == newest.id)
            return True
        await self._refused.count(account.id)
        return False

    def media_handshake(self, account: Account, *, url: str, headers: Mapping[str, str]) -> bool:
        """Whether the handshake of a media websocket is the carrier's own, where it signs them."""
        return not account.kind.signs_streams or self._is_signed(account, url, headers, b"")

    def _is_signed(self, account: Account, url: str, headers: Mapping[str, str], body: bytes) -> bool:
        try:
            credentials = self._secret_box.decrypt(account.sealed_credentials)
        except WrongSecretKey:
            if self._unreadable.again():
                logger.error("Credentials of carrier account unreadable", extra={"account_id": account.id})
            raise Unavailable("credentials_unreadable", "This can't be checked now; try again.", 60) from None
        return account.kind.verify(credentials, url=url, headers=headers, body=body, now=clock.now())

    async def _find(self, query: Hot, values: Mapping[str, str]) -> Account | None:
        row = (await hot.alone(self._engine, query, values)).one_or_none()
        if row is None:
            return None
        return Account(
            id=row.id,
            workspace_id=row.workspace_id,
            carrier=CarrierName(row.carrier),
            sealed_credentials=row.credentials,
        )


# -- statements, built once: building them takes longer than running them --------------------------------------


def _of_carrier() -> Select[Any]:
    account = carrier_accounts.c
    return select(account.id, account.workspace_id, account.carrier, account.credentials).where(
        account.carrier == bindparam("the_carrier", type_=Text)
    )


_ACCOUNT = Hot(_of_carrier().where(carrier_accounts.c.id == bindparam("the_account", type_=Text)))
_OF_ATTEMPT = Hot(
    _of_carrier()
    .join(attempts, attempts.c.carrier_account_id == carrier_accounts.c.id)
    .where(attempts.c.id == bindparam("the_attempt", type_=Text))
)
