"""Twilio's errors: of REST replies, and of the console's debugger (a call's notifications)."""

MORE_INFO = "https://www.twilio.com/docs/errors/{code}"


class RestError(Exception):
    """An error reply: `{"code", "message", "more_info", "status"}`."""

    def __init__(self, status: int, code: int, message: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(code)
        self.headers = headers
        self.status = status
        self.code = code
        self.message = message

    def json(self) -> dict[str, object]:
        return {
            "code": self.code,
            "message": self.message,
            "more_info": MORE_INFO.format(code=self.code),
            "status": self.status,
        }


def not_found(path: str) -> RestError:
    return RestError(404, 20404, f"The requested resource {path} was not found")


def authenticate() -> RestError:
    return RestError(401, 20003, "Authenticate")


def test_credentials() -> RestError:
    return RestError(403, 20008, "Resource not accessible with Test Account Credentials")


def unavailable(headers: dict[str, str] | None = None) -> RestError:
    return RestError(503, 20503, "Service unavailable", headers=headers)


def throttled() -> RestError:
    return RestError(429, 20429, "Too Many Requests")


# Console debugger.
HTTP_RETRIEVAL_FAILURE = 11200
DOCUMENT_PARSE_FAILURE = 12100
SCHEMA_VALIDATION = 12200
INVALID_CALLER_ID = 13214
UNSUPPORTED_NUMBER = 13224
STREAM_HANDSHAKE = 31920
STREAM_CLOSED = 31921
STREAM_INVALID_MESSAGE = 31951

STREAM_ERRORS = {
    STREAM_HANDSHAKE: "Stream - WebSocket - Handshake Error",
    STREAM_CLOSED: "Stream - WebSocket - Close Error",
    STREAM_INVALID_MESSAGE: "Stream - Protocol - Invalid Message",
}
