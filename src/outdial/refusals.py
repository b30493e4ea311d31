"""Why Outdial says no. The class says what kind of no it is; `code` is stable, `message` is for the user.

The API turns each class into one status (api.problems), the CLI prints the message.
"""


class Refusal(Exception):
    """A request that can't be done as asked. `message` never reaches a log: it may name a phone number."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


class NotFound(Refusal):
    """There is no such thing, or the asker may not know that there is."""


class NotYours(Refusal):
    """It exists, and belongs to another workspace."""


class Denied(Refusal):
    """Not to whoever asks: not recognised, or not allowed to."""


class Conflict(Refusal):
    """Not in the state it is in now; something has to be changed first."""


class LimitReached(Refusal):
    """Not now; worth trying again after `retry_after_s`."""

    def __init__(self, code: str, message: str, retry_after_s: int) -> None:
        super().__init__(code, message)
        self.retry_after_s = retry_after_s


class Unavailable(Refusal):
    """What is needed for it can't be reached now; nothing was done. Worth trying again after `retry_after_s`."""

    def __init__(self, code: str, message: str, retry_after_s: int) -> None:
        super().__init__(code, message)
        self.retry_after_s = retry_after_s


class Invalid(Refusal):
    """One field is wrong; `message` is the reason, without the field's name in front."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__("invalid_request", message)
        self.field = field
