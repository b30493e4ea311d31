"""The carriers Outdial knows: one dict. A new one is a folder beside this file and an entry here."""

from collections.abc import Mapping

from outdial.carriers.kind import CarrierKind
from outdial.carriers.name import CarrierName
from outdial.carriers.telnyx.kind import TELNYX
from outdial.carriers.twilio.kind import TWILIO
from outdial.carriers.vonage.kind import VONAGE

CARRIERS: Mapping[CarrierName, CarrierKind] = {kind.name: kind for kind in (TWILIO, VONAGE, TELNYX)}


def carrier_named(text: str) -> CarrierName | None:
    """The carrier a URL or a user names; None when we don't know it."""
    return CarrierName(text) if text in {name.value for name in CARRIERS} else None
