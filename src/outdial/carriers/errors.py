"""What can go wrong with a carrier request: four classes that say what may be done next."""

from outdial.telephony.failures import CallError, FailureCode


class CarrierError(Exception):
    """A carrier request that did not do what was asked. The subclass says what may be done next.

    `code` is our word for why, `carrier_code` the carrier's own (None when it gave none), `message` a sentence for
    the user. `retry_after_s`: how long the carrier wants to be left alone (None: it didn't say); it is obeyed whatever
    the class.
    """

    retry_after_s: float | None

    def __init__(
        self,
        code: FailureCode,
        message: str,
        *,
        carrier_code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        # The sentence may name a phone number; it stays out of logs.
        super().__init__(code if carrier_code is None else f"{code} ({carrier_code})")
        self.code = code
        self.message = message
        self.carrier_code = carrier_code
        self.retry_after_s = retry_after_s

    @property
    def codes(self) -> dict[str, str | None]:
        """What a log line says of it."""
        return {"code": self.code, "carrier_code": self.carrier_code}

    def as_call_error(self) -> CallError:
        return CallError(code=self.code, message=self.message, carrier_code=self.carrier_code)


class CarrierUnreachable(CarrierError):
    """Nothing was sent; retrying is safe."""


class CarrierThrottled(CarrierError):
    """Refused for now; retrying is safe after `retry_after_s`."""

    retry_after_s: float

    def __init__(
        self, code: FailureCode, message: str, retry_after_s: float = 1.0, *, carrier_code: str | None = None
    ) -> None:
        super().__init__(code, message, carrier_code=carrier_code, retry_after_s=retry_after_s)


class CarrierRefused(CarrierError):
    """Will fail again (bad number, no funds, wrong credentials)."""


class CarrierUncertain(CarrierError):
    """Sent, but no usable reply. The phone may be ringing: look the call up, never redial."""
