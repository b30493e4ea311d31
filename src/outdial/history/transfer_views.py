"""What a call's transfers came to, and what those cost for which somebody was asked first."""

from collections.abc import Iterable
from typing import cast

from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from outdial.calls.consultations import leg_prices
from outdial.calls.records import error_json
from outdial.calls.transfers import TransferRecord, transfers_of
from outdial.history.stored_call import ErrorView
from outdial.instants import to_json
from outdial.telephony.price import Price
from outdial.telephony.transfer import TransferOutcome


class TransferView(TypedDict):
    """The callee was connected to somebody else, or that was tried. `result` is null while the other phone rings, and
    `no_answer` also when the callee hung up meanwhile; `error` says why it `failed`. `duration_s`: how long the other
    party talked, null until it has left. `warm`: the other party was asked first, with the callee waiting; it took the
    call with a `key` or in `words` (`accepted_by`), and `voicemail` says that it picked up and did neither; `price` is
    of the call on which it was asked, beside those of `attempts`, null where the carrier has told none."""

    to: str
    at: str
    result: TransferOutcome | None
    duration_s: float | None
    error: ErrorView | None
    warm: bool
    accepted_by: str | None
    price: str | None
    price_currency: str | None


async def transfer_views(conn: AsyncConnection, call_ids: Iterable[str]) -> dict[str, list[TransferView]]:
    """By call id, each call's in order."""
    found = await transfers_of(conn, call_ids)
    warm = [record.id for records in found.values() for record in records if record.warm]
    prices = await leg_prices(conn, warm) if warm else {}
    return {
        call_id: [_view(record, prices.get(record.id)) for record in records] for call_id, records in found.items()
    }


def _view(record: TransferRecord, price: Price | None) -> TransferView:
    return TransferView(
        to=record.to,
        at=to_json(record.at),
        result=record.result,
        duration_s=record.duration_s,
        error=cast(ErrorView | None, error_json(record.error)),
        warm=record.warm,
        accepted_by=record.accepted_by,
        price=None if price is None else price.amount,
        price_currency=None if price is None else price.currency,
    )
