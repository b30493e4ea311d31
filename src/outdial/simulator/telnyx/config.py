"""The simulated Telnyx account, as it is before anybody changes it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TelnyxConfig:
    """The defaults are fixed, so that they can be copied from the documentation; nobody's secrets."""

    api_key: str = "KEY0155500000000SIMULATOR_simulatorApiKey"
    private_key: str = ""  # base64 of an Ed25519 seed (32 bytes); "" makes a new key pair at every start
    user_id: str = "55555555-0000-4000-8000-000000000001"
    connection_id: str = "2555000000000000001"  # a Call Control application
    webhook_event_url: str = "http://127.0.0.1/callbacks/telnyx"  # of that application
    outbound_voice_profile_id: str = "2555000000000000002"
    numbers: tuple[str, ...] = ("+15551230032", "+15551230034")  # owned, connected to nothing
    verified_numbers: tuple[str, ...] = ("+15551230039",)
    dials_per_second: float = 30.0  # on average over 5 s; 0: no limit
    channel_limit: int | None = None  # calls at a time
    leg_codec: str = "PCMA"  # of the phone's side: what we stream when no `stream_codec` is asked for
    retry_delays_s: tuple[float, ...] = (1.0, 3.0)  # between the attempts to deliver a callback
    cost_after_s: float = 7.0  # from the end of a call to its call.cost; the simulator's pace applies
    status_kept_s: float = 600.0  # how long an ended call can be asked for
