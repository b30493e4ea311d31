"""The simulated Twilio account, as it is before anybody changes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioConfig:
    """The defaults are fixed, so that they can be copied from the documentation; nobody's secrets."""

    account_sid: str = "AC" + "5" * 32
    auth_token: str = "simulator-auth-token"  # noqa: S105
    api_keys: Mapping[str, str] = field(default_factory=lambda: {"SK" + "5" * 32: "simulator-api-secret"})
    test_account_sid: str = "AC" + "7" * 32  # test credentials: requests are checked, nothing happens
    test_auth_token: str = "simulator-test-token"  # noqa: S105
    numbers: tuple[str, ...] = ("+15551230002", "+15551230004")
    caller_ids: tuple[str, ...] = ("+15551230009",)
    calls_per_second: float = 1.0  # 0: every call is dialled at once
    max_concurrent_requests: int = 100
