"""The simulated Vonage account, as it is before anybody changes it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VonageConfig:
    """The defaults are fixed, so that they can be copied from the documentation; nobody's secrets."""

    api_key: str = "simul8or"
    api_secret: str = "SimulatorSecret1"  # noqa: S105
    signature_secret: str = "simulator-signature-secret-of-vonage"  # noqa: S105
    application_id: str = "55555555-5555-4555-8555-555555555555"
    private_key: str = ""  # the application's, PEM; "": made once per process, shown by GET /_simulator
    numbers: tuple[str, ...] = ("+15551230012", "+15551230014")
    calls_per_second: int = 3       # 0: no limit
    requests_per_second: int = 15   # of the Voice API, creating calls apart
    event_retry_delay_s: float = 1.0
