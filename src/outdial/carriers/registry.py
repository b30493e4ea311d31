"""The carriers Outdial knows: one dict. A new one is a folder beside this file and an entry here."""

from collections.abc import Callable
from typing import Annotated, Any

from outdial.carriers.kind import CarrierKind
from outdial.carriers.name import CarrierName
from outdial.carriers.telnyx.kind import TELNYX
from outdial.carriers.twilio.kind import TWILIO
from outdial.carriers.vonage.kind import VONAGE

# The first is the one that documentation shows, and that a command takes where none is named.
CARRIERS: dict[CarrierName, CarrierKind] = {kind.name: kind for kind in (TWILIO, VONAGE, TELNYX)}


def carrier_named(text: str) -> CarrierName | None:
    """The carrier a URL or a user names; None when we don't know it."""
    name = CarrierName(text)
    return name if name in CARRIERS else None


def must_be_known(name: CarrierName) -> CarrierName:
    """Raises ValueError where it isn't."""
    if name not in CARRIERS:
        raise ValueError(f"must be one of: {', '.join(CARRIERS)}")
    return name


def default_carrier() -> CarrierKind:
    return next(iter(CARRIERS.values()))


class _OneOfTheRegistry:
    """Has the API's document list the names there are when it is written, not when this is read."""

    def __get_pydantic_json_schema__(self, schema: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {**handler(schema), "enum": list(CARRIERS)}


KnownCarrier = Annotated[CarrierName, _OneOfTheRegistry()]  # a CarrierName in what the API shows
