"""The numbers a carrier account has, for somebody to choose one to connect."""

from sqlalchemy import select
from typing_extensions import TypedDict

from outdial.accounts.access import opened, refusals
from outdial.carriers.registry import KnownCarrier
from outdial.db.engine import reading
from outdial.db.tables import numbers
from outdial.numbers.account_for import account_for
from outdial.numbers.connecting import Connector
from outdial.numbers.new_number import GivenAccount


class OwnedNumber(TypedDict):
    """`name` is the carrier's, null where it has none. `can_call` is false of a number for messages only. `connected`:
    to this workspace, already."""

    e164: str
    name: str | None
    can_call: bool
    connected: bool


class OwnedNumbersView(TypedDict):
    """`more`: the account has others, which a search finds."""

    carrier: KnownCarrier
    numbers: list[OwnedNumber]
    more: bool


async def owned_numbers(
    connector: Connector, workspace_id: str, given: GivenAccount, search: str = ""
) -> OwnedNumbersView:
    """The first hundred whose number has the digits of `search` in it, in this order. Stores and changes nothing.

    Raises Invalid (the credentials are wrong) and Unavailable (the carrier can't be asked).
    """
    given = given.checked()
    async with reading(connector.engine) as conn:
        account = await account_for(conn, connector.secret_box, workspace_id, given)
        mine = select(numbers.c.e164).where(numbers.c.workspace_id == workspace_id)
        connected = set((await conn.execute(mine)).scalars())
    digits = "".join(each for each in search if each in "0123456789")
    async with opened(connector.open_number_control, given.carrier, account.credentials, account.url) as client:
        with refusals(given.carrier):
            owned = await client.owned(digits)
    return OwnedNumbersView(
        carrier=given.carrier,
        numbers=[
            OwnedNumber(
                e164=each.number,
                name=each.name if any(map(str.isalpha, each.name)) else None,  # some carriers name it by its digits
                can_call=each.can_call,
                connected=each.number in connected,
            )
            for each in owned.numbers
        ],
        more=owned.more,
    )
