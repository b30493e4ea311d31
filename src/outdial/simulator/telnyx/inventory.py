"""What an account owns besides calls: applications, outbound voice profiles, numbers."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True, kw_only=True, eq=False)
class Application:
    """A Call Control application; a call's `connection_id` is its id."""

    id: str
    name: str
    webhook_event_url: str
    created_at: datetime
    updated_at: datetime
    webhook_event_failover_url: str = ""
    webhook_api_version: str = "1"  # Telnyx's default; no callback is sent in this format here
    webhook_timeout_s: int | None = None
    outbound_voice_profile_id: str = ""
    outbound_channel_limit: int | None = None
    call_cost_in_webhooks: bool = False
    active: bool = True
    anchorsite_override: str = "Latency"
    dtmf_type: str = "RFC 2833"
    first_command_timeout: bool = False
    first_command_timeout_s: int = 30
    tags: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True, eq=False)
class OutboundVoiceProfile:
    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    whitelisted_destinations: list[str] = field(default_factory=lambda: ["US", "CA"])
    concurrent_call_limit: int | None = None
    daily_spend_limit: str | None = None
    daily_spend_limit_enabled: bool = False
    max_destination_rate: float | None = None
    enabled: bool = True
    tags: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True, eq=False)
class Number:
    id: str
    phone_number: str
    created_at: datetime
    updated_at: datetime
    connection_id: str | None = None
    customer_reference: str | None = None
    tags: list[str] = field(default_factory=list)
