"""Connected numbers as they are kept."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from outdial.db.tables import calls, numbers
from outdial.ids import is_id
from outdial.numbers.undo import Undo
from outdial.refusals import Conflict, NotFound
from outdial.telephony.state import CallState


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRow:
    """`undo` is None where there is nothing to put back."""

    id: str
    account_id: str
    e164: str
    name: str
    undo: Undo | None

    @property
    def is_connected(self) -> bool:
        """At its carrier; otherwise it only dials out."""
        return self.undo is not None and self.undo.carrier is not None


async def read_number(
    conn: AsyncConnection, workspace_id: str, number_id: str, *, for_update: bool = False
) -> NumberRow:
    """Raises NotFound."""
    query: Select[Any] = select(numbers).where(
        numbers.c.id == checked_id(number_id), numbers.c.workspace_id == workspace_id
    )
    row = (await conn.execute(query.with_for_update() if for_update else query)).mappings().one_or_none()
    if row is None:
        raise unknown_number()
    return _record(row)


async def numbers_of(conn: AsyncConnection, account_id: str) -> list[NumberRow]:
    """The numbers of an account, the oldest first."""
    query: Select[Any] = (
        select(numbers)
        .where(numbers.c.carrier_account_id == account_id)
        .order_by(numbers.c.created_at, numbers.c.id)
    )
    return [_record(row) for row in (await conn.execute(query)).mappings()]


async def require_no_open_calls(conn: AsyncConnection, number_id: str) -> None:
    """Raises Conflict while calls of the number wait or run."""
    open_calls = await conn.scalar(
        select(func.count()).where(calls.c.number_id == number_id, calls.c.state != CallState.ENDED)
    )
    if open_calls:
        message = f"{open_calls} calls of this phone number are waiting or running; end them first."
        raise Conflict("number_in_use", message)


def checked_id(number_id: str) -> str:
    """Raises NotFound for what is no number's id."""
    if not is_id(number_id, "num"):
        raise unknown_number()
    return number_id


def unknown_number() -> NotFound:
    return NotFound("number_not_found", "There is no such phone number.")


def already_connected() -> Conflict:
    return Conflict("number_exists", "This phone number is connected already.")


def _record(row: RowMapping) -> NumberRow:
    return NumberRow(
        id=row["id"],
        account_id=row["carrier_account_id"],
        e164=row["e164"],
        name=row["name"],
        undo=None if row["undo"] is None else Undo.from_json(row["undo"]),
    )
