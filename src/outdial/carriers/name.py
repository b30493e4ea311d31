"""What a carrier is called in URLs, rows and the API."""

from typing import NewType

CarrierName = NewType("CarrierName", str)  # which there are, the registry alone knows
