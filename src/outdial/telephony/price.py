"""What a call costs. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What the carrier charges for a call: a positive decimal and an ISO 4217 currency."""

    amount: str
    currency: str
