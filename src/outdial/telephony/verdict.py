"""Who answered, as answering machine detection tells it, and which of several verdicts wins. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from outdial.telephony.carrier_call import CarrierCall


class AnsweredBy(StrEnum):
    HUMAN = "human"
    MACHINE = "machine"
    FAX = "fax"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Answering machine detection's result. `message_end` says that a message can be left now, `confidence` (0 to
    1) how sure the carrier is, where it says so."""

    answered_by: AnsweredBy
    at: datetime
    evidence: tuple[str, ...] = ()
    confidence: float | None = None
    detection_ms: int | None = None
    message_end: bool = False
    carrier_call: CarrierCall | None = None
