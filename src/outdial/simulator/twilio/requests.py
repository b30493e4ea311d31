"""What a REST request asks for, checked field by field as Twilio does. Pure: forms in, wishes out."""

import re
from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

from outdial.simulator.detection import Tuning
from outdial.simulator.twilio.call import EVENTS, Detection, Document, StatusCallback, Wishes
from outdial.simulator.twilio.errors import RestError
from outdial.simulator.twilio.twiml import DIGITS

E164 = re.compile(r"\+[1-9][0-9]{7,14}")
MAX_TWIML_CHARACTERS = 4000
MAX_DIGITS = 32

# Twilio's magic numbers (twilio.com/docs/iam/test-credentials).
TEST_FROM = "+15005550006"
MAGIC_FROM = {"+15005550001": (21212, "Invalid 'From' Phone Number: {number}")}
MAGIC_TO = {
    "+15005550001": (21217, "Phone number does not appear to be valid"),
    "+15005550002": (21214, "'To' phone number cannot be reached"),
    "+15005550003": (
        21215,
        "Account not authorized to call {number}. Perhaps you need to enable some international permissions",
    ),
    "+15005550004": (21216, "Account not allowed to call {number}"),
}


class Form:
    """An urlencoded body or query; names may repeat."""

    def __init__(self, text: str) -> None:
        try:
            self.fields = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=200)
        except ValueError as exc:  # not UTF-8, or too many
            raise RestError(400, 20001, "Invalid request body") from exc
        self._values: dict[str, list[str]] = {}
        for name, value in self.fields:
            self._values.setdefault(name, []).append(value)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def get(self, name: str, default: str = "") -> str:
        """The last value given; blank counts as not given."""
        return self._values.get(name, [""])[-1] or default

    def words(self, name: str) -> list[str]:
        return [word for value in self._values.get(name, []) for word in value.split()]

    def url(self, name: str, code: int) -> str:
        url = self.get(name)
        if url:
            try:
                parts = urlsplit(url)
                usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
            except ValueError:
                usable = False
            if not usable:
                raise RestError(400, code, f"{name} is not a valid URL")
        return url

    def method(self, name: str) -> str:
        method = self.get(name, "POST").upper()
        if method not in ("GET", "POST"):
            raise RestError(400, 21209, f"Invalid {name}")
        return method

    def number(self, name: str, default: int, low: int, high: int, code: int = 20001) -> int:
        text = self.get(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
            raise RestError(400, code, f"{name} must be a whole number from {low} to {high}")
        return int(text)

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        word = self.get(name)
        if word and word not in allowed:
            raise RestError(400, 20001, f"{name} must be one of {', '.join(allowed)}")
        return word


def parties(form: Form, may_call_from: Callable[[str], bool]) -> tuple[str, str]:
    """To and From of a new call. `may_call_from` tells whether the account owns or has verified a number."""
    to, from_ = form.get("To"), form.get("From")
    if not to:
        raise RestError(400, 21201, "No 'To' number is specified")
    if not from_:
        raise RestError(400, 21213, "No 'From' number is specified")
    if from_ in MAGIC_FROM:
        code, text = MAGIC_FROM[from_]
        raise RestError(400, code, text.format(number=from_))
    if not E164.fullmatch(from_):
        raise RestError(400, 21212, f"Invalid 'From' Phone Number: {from_}")
    if not may_call_from(from_):
        raise RestError(
            400,
            21210,
            f"Source phone number provided, {from_}, is not yet verified for your account. You may only make "
            "calls from phone numbers that you've verified or purchased from Twilio.",
        )
    if to in MAGIC_TO:
        code, text = MAGIC_TO[to]
        raise RestError(400, code, text.format(number=to))
    if not E164.fullmatch(to):
        raise RestError(400, 21211, f"Invalid 'To' Phone Number: {to}")
    return to, from_


def wishes(form: Form) -> Wishes:
    if form.get("ApplicationSid"):
        raise RestError(400, 21218, "Invalid ApplicationSid: this simulated account has no applications")
    wanted = document(form)
    if wanted is None:
        raise RestError(400, 21205, "Url parameter is required.")
    digits = form.get("SendDigits")
    if len(digits) > MAX_DIGITS or not set(digits) <= DIGITS:
        raise RestError(400, 21206, "Invalid SendDigits")
    return Wishes(
        document=wanted,
        status_callback=status_callback(form),
        ring_timeout_s=form.number("Timeout", 60, 1, 600, 21208),
        time_limit_s=form.number("TimeLimit", 14_400, 1, 86_400),
        send_digits=digits,
        detection=None if digits else detection(form),  # Twilio: SendDigits switches detection off
    )


def document(form: Form) -> Document | None:
    """The TwiML or URL a request names; None without either. `Url` wins over `Twiml`."""
    url = form.url("Url", 21205)
    if url:
        return Document(
            url=url,
            method=form.method("Method"),
            fallback_url=form.url("FallbackUrl", 21205),
            fallback_method=form.method("FallbackMethod"),
        )
    twiml = form.get("Twiml")
    if len(twiml) > MAX_TWIML_CHARACTERS:
        raise RestError(400, 20001, f"Twiml must be at most {MAX_TWIML_CHARACTERS} characters")
    return Document(twiml=twiml) if twiml else None


def status_callback(form: Form) -> StatusCallback:
    events = form.words("StatusCallbackEvent") or ["completed"]
    if not set(events) <= set(EVENTS):
        raise RestError(400, 21626, "Invalid StatusCallbackEvent")
    return StatusCallback(
        url=form.url("StatusCallback", 21609),
        method=form.method("StatusCallbackMethod"),
        events=frozenset(events),
    )


def detection(form: Form) -> Detection | None:
    mode = form.choice("MachineDetection", ("Enable", "DetectMessageEnd"))
    if not mode:
        return None
    return Detection(
        tuning=Tuning(
            message_end=mode == "DetectMessageEnd",
            timeout_ms=form.number("MachineDetectionTimeout", 30, 3, 59) * 1000,
            speech_threshold_ms=form.number("MachineDetectionSpeechThreshold", 2400, 1000, 6000),
            speech_end_threshold_ms=form.number("MachineDetectionSpeechEndThreshold", 1200, 500, 5000),
            silence_timeout_ms=form.number("MachineDetectionSilenceTimeout", 5000, 2000, 10_000),
        ),
        in_parallel=form.get("AsyncAmd").lower() == "true",
        url=form.url("AsyncAmdStatusCallback", 21609),
        method=form.method("AsyncAmdStatusCallbackMethod"),
    )
