"""The carriers by name."""

from enum import StrEnum


class CarrierName(StrEnum):
    TWILIO = "twilio"
    VONAGE = "vonage"
    TELNYX = "telnyx"
