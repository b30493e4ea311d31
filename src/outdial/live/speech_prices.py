"""What a call's speech costs, by the price list of the server's operator: told with what vendors were given."""

from collections.abc import Callable, Mapping
from typing import Any

from outdial.speech.vendor import PriceUnit
from outdial.speech.vendors import VENDORS

Event = Callable[[str, dict[str, Any]], object]
Prices = Mapping[str, Mapping[str, float]]  # by vendor, of its `voice` and its `recognition`

USED = "speech_used"


def priced(event: Event, prices: Prices) -> Event:
    """The same events, with `dollars` in what tells of use; null where the vendor has no price in the list."""

    def tell(type_: str, data: dict[str, Any]) -> None:
        event(type_, {**data, "dollars": dollars(data, prices)} if type_ == USED else data)

    return tell


def dollars(used: Mapping[str, Any], prices: Prices) -> float | None:
    """Of what a vendor was given in a call: characters by the thousand, audio and open sessions by the minute."""
    price = prices.get(used["vendor"], {}).get(used["part"])
    if price is None:
        return None
    if "characters" in used:
        return round(price * float(used["characters"]) / 1000, 6)
    vendor = VENDORS.get(used["vendor"])
    is_open = vendor is not None and vendor.recogniser is not None and vendor.recogniser.unit is PriceUnit.OPEN
    ms = float(used.get("open_ms" if is_open else "audio_ms") or 0)
    return round(price * ms / 60_000, 6)
