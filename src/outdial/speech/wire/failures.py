"""Why a speech vendor failed, and whether asking again may help. Pure.

Vendors tell it in three places: the HTTP status of a handshake or request, an error message, a close code. The same
number means several things (1008: nothing said for 20 s, or not allowed), so the vendor's word before it decides.
"""

import json
import re
from collections.abc import Iterator
from enum import StrEnum

MAX_BODY_BYTES = 4000   # of an answer that is looked at
MAX_WORD_CHARS = 60
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


class Fault(StrEnum):
    UNREACHABLE = "unreachable"    # nobody answered the handshake, or the request
    BUSY = "busy"                  # too many at once, or out of order: a moment later it may work
    LOST = "lost"                  # the connection broke, or the vendor closed it in the middle
    IDLE = "idle"                  # closed because nothing was sent for too long
    SLOW = "slow"                  # nothing came in time
    UNREADABLE = "unreadable"      # something came that isn't of the vendor's protocol
    REFUSED = "refused"            # what was asked for is wrong: the voice, the model, the format
    UNAUTHORIZED = "unauthorized"  # the key
    NO_CREDIT = "no_credit"        # the account has nothing left

    @property
    def may_pass(self) -> bool:
        """Whether it is worth asking once more, in this call."""
        return self not in (Fault.REFUSED, Fault.UNAUTHORIZED, Fault.NO_CREDIT)

    @property
    def is_of_account(self) -> bool:
        """Whether it is so whatever is asked for: the next call's texts fare no better."""
        return self in (Fault.UNAUTHORIZED, Fault.NO_CREDIT)


class VendorFailed(Exception):
    """`word` is the vendor's own, a short code such as "quota_exceeded" ("" without one); `status` of HTTP, `code` of
    the websocket's close."""

    def __init__(self, fault: Fault, *, word: str = "", status: int | None = None, code: int | None = None) -> None:
        super().__init__(f"Speech vendor failed: {fault}")
        self.fault = fault
        self.word = word
        self.status = status
        self.code = code


def by_status(status: int, body: bytes = b"") -> VendorFailed:
    """Of an answer that isn't a success."""
    word = word_of(body)
    fault = fault_of_word(word)
    if fault is None:
        fault = _BY_STATUS.get(status) or (Fault.BUSY if status >= 500 else Fault.REFUSED)
    return VendorFailed(fault, word=word, status=status)


def by_close(code: int, reason: str = "", told: VendorFailed | None = None) -> VendorFailed:
    """Of a websocket that the vendor closed, or that broke (1006). `told`: the error message right before."""
    if told is not None:
        return VendorFailed(told.fault, word=told.word, status=told.status, code=code)
    word = word_of(reason.encode())
    fault = fault_of_word(word)
    if fault is None and _is_idle(reason):
        fault = Fault.IDLE
    if fault is None:  # 1000 was asked for by nobody: the vendor has waited for long enough
        fault = {1000: Fault.IDLE, 1003: Fault.REFUSED, 1007: Fault.REFUSED, 1008: Fault.REFUSED}.get(code, Fault.LOST)
    return VendorFailed(fault, word=word, code=code)


def by_message(word: str, *, text: str = "", status: int | None = None) -> VendorFailed:
    """Of an error message: its short code, what it says to people, and its status, as far as they are there."""
    fault = fault_of_word(word)
    if fault is None and _is_idle(text):
        fault = Fault.IDLE
    if fault is None and status is not None and status >= 400:
        fault = by_status(status).fault
    if fault is None:
        fault = next(filter(None, map(fault_of_word, _WORD.findall(text))), Fault.LOST)
    return VendorFailed(fault, word=word[:MAX_WORD_CHARS], status=status)


def fault_of_word(word: str) -> Fault | None:
    """Of a vendor's short code, in any spelling; None when it tells nothing."""
    return _BY_WORD.get(re.sub(r"[^a-z0-9]+", "_", word.lower()).strip("_"))


def word_of(body: bytes) -> str:
    """The short code in an answer: the first string in it that means something to us, or else the first that looks
    like a code."""
    text = body[:MAX_BODY_BYTES].decode(errors="replace")
    try:
        found = list(_codes(json.loads(text)))
    except (ValueError, RecursionError):
        found = [text] if _WORD.fullmatch(text) else []
    known = next((word for word in found if fault_of_word(word) is not None), None)
    return (known or next(iter(found), ""))[:MAX_WORD_CHARS]


def _codes(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, str) and key in _CODE_KEYS and _WORD.fullmatch(inner):
                yield inner
            elif isinstance(inner, dict | list):
                yield from _codes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _codes(inner)


def _is_idle(text: str) -> bool:
    lowered = text.lower()
    return any(words in lowered for words in _IDLE_WORDS)


_CODE_KEYS = frozenset({"status", "code", "type", "error", "err_code", "error_code", "category", "message_type"})
_IDLE_WORDS = ("idle", "inactiv", "input_timeout", "did not receive audio", "not received within")
_BY_STATUS = {
    401: Fault.UNAUTHORIZED,
    402: Fault.NO_CREDIT,
    403: Fault.UNAUTHORIZED,
    408: Fault.SLOW,
    425: Fault.BUSY,
    429: Fault.BUSY,
}
_BY_WORD = {
    "quota_exceeded": Fault.NO_CREDIT,
    "insufficient_quota": Fault.NO_CREDIT,
    "insufficient_credits": Fault.NO_CREDIT,
    "insufficient_funds": Fault.NO_CREDIT,
    "billing_hard_limit_reached": Fault.NO_CREDIT,
    "payment_required": Fault.NO_CREDIT,
    "asr_payment_required": Fault.NO_CREDIT,
    "invalid_api_key": Fault.UNAUTHORIZED,
    "auth_error": Fault.UNAUTHORIZED,
    "invalid_auth": Fault.UNAUTHORIZED,
    "unauthorized": Fault.UNAUTHORIZED,
    "insufficient_permissions": Fault.UNAUTHORIZED,
    "voice_not_found": Fault.REFUSED,
    "model_not_found": Fault.REFUSED,
    "max_character_limit_exceeded": Fault.REFUSED,
    "schemaerror": Fault.REFUSED,
    "rate_limited": Fault.BUSY,
    "rate_limit_exceeded": Fault.BUSY,
    "concurrency_limited": Fault.BUSY,
    "too_many_concurrent_requests": Fault.BUSY,
    "too_many_requests": Fault.BUSY,
    "max_active_conversations": Fault.BUSY,
    "system_busy": Fault.BUSY,
    "queue_overflow": Fault.BUSY,
    "resource_exhausted": Fault.BUSY,
    "internal_server_error": Fault.BUSY,
    "input_timeout_exceeded": Fault.IDLE,
    "net_0001": Fault.IDLE,
    "net_0000": Fault.LOST,
    "data_0000": Fault.REFUSED,
}
