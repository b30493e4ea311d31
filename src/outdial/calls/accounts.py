"""Open carrier accounts: one client each, kept for its connections' sake."""

import asyncio

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.calls.failures import FailureCode
from outdial.carriers.base import Carrier, CarrierName, CarrierRefused
from outdial.carriers.registry import CARRIERS
from outdial.db.engine import reading
from outdial.db.tables import carrier_accounts
from outdial.workspaces.secrets import SecretBox


class Accounts:
    """Looks accounts up and opens them; an account whose credentials changed is opened again."""

    def __init__(self, engine: AsyncEngine, secret_box: SecretBox) -> None:
        self._engine = engine
        self._secret_box = secret_box
        self._open: dict[str, tuple[bytes, str | None, Carrier]] = {}
        self._retired: list[Carrier] = []

    async def carrier(self, account_id: str) -> Carrier:
        """Raises CarrierRefused when the account is gone."""
        account = carrier_accounts.c
        query = select(account.carrier, account.credentials, account.base_url).where(account.id == account_id)
        async with reading(self._engine) as conn:
            row = (await conn.execute(query)).one_or_none()
        if row is None:
            raise CarrierRefused(
                FailureCode.ACCOUNT_REMOVED, "The carrier account of this number was removed."
            )
        known = self._open.get(account_id)
        if known is not None:
            if known[:2] == (row.credentials, row.base_url):
                return known[2]
            self._retired.append(known[2])  # requests may be under way on it; closed at the end
        credentials = self._secret_box.decrypt(row.credentials)
        carrier = CARRIERS[CarrierName(row.carrier)].open(credentials, row.base_url)
        self._open[account_id] = (row.credentials, row.base_url, carrier)
        return carrier

    async def aclose(self) -> None:
        carriers = [carrier for _, _, carrier in self._open.values()] + self._retired
        self._open.clear()
        await asyncio.gather(*(carrier.aclose() for carrier in carriers))
