"""Open carrier accounts: one client each, kept for its connections' sake."""

import asyncio
from collections.abc import Awaitable, Callable
from math import inf

from sqlalchemy import Text, bindparam, select
from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.background import Background
from outdial.carriers.calls import CallControl
from outdial.carriers.errors import CarrierRefused
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.db.engine import is_away, reading
from outdial.db.tables import carrier_accounts
from outdial.telephony.failures import FailureCode
from outdial.workspaces.secrets import SecretBox

# The longest that a client may still be in use: a request, or a sentence that Telnyx speaks and the hang-up after it.
IN_USE_S = 120.0
FRESH_S = 0.5    # an account that was looked up so lately isn't looked up again: with many calls a second, each would
CLOSE_S = 10.0
PATIENCE_S = 1.0  # with a database, where the account is known
OpenCarrier = Callable[[str], Awaitable[CallControl]]  # carrier account id → the control of its calls


async def carrier_of(open_carrier: OpenCarrier, account_id: str | None) -> CallControl:
    """The control of the calls of an account, which may be gone (None). Raises CarrierRefused then."""
    if account_id is None:
        raise _removed()
    return await open_carrier(account_id)


def _removed() -> CarrierRefused:
    return CarrierRefused(FailureCode.ACCOUNT_REMOVED, "The carrier account of this number was removed.")


class Accounts:
    """Looks accounts up and opens them; an account whose credentials or address changed is opened again, at the latest
    `fresh_s` after that.

    The client it had is closed `in_use_s` later: requests may be under way on it.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        secret_box: SecretBox,
        *,
        in_use_s: float = IN_USE_S,
        patience_s: float = PATIENCE_S,
        fresh_s: float = FRESH_S,
    ) -> None:
        self._engine = engine
        self._secret_box = secret_box
        self._in_use_s = in_use_s
        self._patience_s = patience_s
        self._fresh_s = fresh_s
        self._looked_up: dict[str, float] = {}  # when, by the loop's clock
        self._open: dict[str, tuple[bytes, str, CallControl]] = {}
        self._background = Background()
        self._closing = Background()
        self._end = asyncio.Event()

    async def carrier(self, account_id: str) -> CallControl:
        """Raises CarrierRefused when the account is gone. While the database is away, or doesn't answer, one that is
        open is taken as it is known: there are calls to be ended."""
        known = self._open.get(account_id)
        now = asyncio.get_running_loop().time()
        if known is not None and now < self._looked_up.get(account_id, -inf) + self._fresh_s:
            return known[2]
        looking = self._background.start(self._look_up(account_id), name=f"account {account_id}", awaited=True)
        if known is None:
            return await asyncio.shield(looking)
        await asyncio.wait({looking}, timeout=self._patience_s)
        if not looking.done():
            looking.add_done_callback(lambda task: task.cancelled() or task.exception())
            return known[2]
        try:
            return looking.result()
        except Exception as error:
            if is_away(error):
                return known[2]
            raise

    async def _look_up(self, account_id: str) -> CallControl:
        asked_at = asyncio.get_running_loop().time()
        async with reading(self._engine) as conn:
            row = (await conn.execute(_ACCOUNT, {"the_account": account_id})).one_or_none()
        if row is None:
            self._retire(account_id)
            raise _removed()
        kind = CARRIERS[CarrierName(row.carrier)]
        url = kind.api_url(row.region, row.base_url)
        known = self._open.get(account_id)
        if known is not None and known[:2] == (row.credentials, url):
            self._looked_up[account_id] = asked_at
            return known[2]
        self._retire(account_id)
        carrier = kind.call_control(self._secret_box.decrypt(row.credentials), url)
        self._open[account_id] = (row.credentials, url, carrier)
        return carrier

    async def aclose(self) -> None:
        await self._background.cancel(patience_s=PATIENCE_S)
        for account_id in list(self._open):
            self._retire(account_id)
        self._end.set()
        await self._closing.finish(CLOSE_S)

    def _retire(self, account_id: str) -> None:
        self._looked_up.pop(account_id, None)
        known = self._open.pop(account_id, None)
        if known is not None:
            self._closing.start(self._close_later(known[2]), name=f"closing {account_id}")

    async def _close_later(self, carrier: CallControl) -> None:
        try:
            async with asyncio.timeout(self._in_use_s):
                await self._end.wait()
        except TimeoutError:
            pass
        await carrier.aclose()


_account = carrier_accounts.c
_ACCOUNT = select(_account.carrier, _account.credentials, _account.region, _account.base_url).where(
    _account.id == bindparam("the_account", type_=Text)
)
