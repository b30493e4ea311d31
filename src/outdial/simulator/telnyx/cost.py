"""What a call costs and how it sounded, in Telnyx's words. The rates are invented."""

import math
from decimal import Decimal
from typing import Any

from outdial.media.frames import FRAME_MS
from outdial.simulator.telnyx.leg import Leg

RATES_A_MINUTE_USD = {"sip-trunking": Decimal("0.0050"), "call-control": Decimal("0.0020")}


def payload(leg: Leg) -> dict[str, Any]:
    """Billed by the started minute."""
    minutes = max(1, math.ceil(leg.call.duration_s / 60))
    parts = [
        {
            "billed_duration_secs": minutes * 60,
            "call_part": part,
            "cost": str(rate * minutes),
            "currency": "USD",
            "rate": str(rate),
        }
        for part, rate in RATES_A_MINUTE_USD.items()
    ]
    return {
        "billed_duration_secs": minutes * 60,
        "billing_group_id": None,
        "cost_parts": parts,
        "total_cost": str(sum(RATES_A_MINUTE_USD.values(), Decimal()) * minutes),
    }


def quality(leg: Leg) -> dict[str, dict[str, str]]:
    packets = str(leg.call.duration_s * 1000 // FRAME_MS)
    return {
        "inbound": {
            "jitter_max_variance": "0.00",
            "jitter_packet_count": "0",
            "mos": "4.50",
            "packet_count": packets,
            "skip_packet_count": "0",
        },
        "outbound": {"packet_count": packets, "skip_packet_count": "0"},
    }
