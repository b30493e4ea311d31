"""What a REST request asks for, checked field by field as Telnyx does. Pure: JSON in, values out.

Raises ApiError. What this simulator doesn't simulate is refused, so that nobody relies on it by mistake.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any
from urllib.parse import urlsplit

from outdial.simulator.files import is_loopback
from outdial.simulator.telnyx import amd, codecs, errors
from outdial.simulator.telnyx.parameters import Answer, Detection, Dial, Hooks, Stream

E164 = re.compile(r"\+[1-9][0-9]{7,14}")
DIGITS = frozenset("0123456789ABCDabcd*#wW")
MAX_DIGITS = 64
TRACKS = ("inbound_track", "outbound_track", "both_tracks")
CODECS = ("PCMU", "PCMA", "G722", "OPUS", "AMR-WB", "L16")
MAX_RETRIES_MS = 60_000
NOT_SIMULATED = frozenset(
    {
        "audio_url",
        "bridge_intent",
        "bridge_on_answer",
        "conference_config",
        "dialogflow_config",
        "link_to",
        "media_name",
        "park_after_unbridge",
        "record",
        "sound_modifications",
        "supervise_call_control_id",
        "transcription",
    }
)


class Body:
    """A JSON object; null and "" count as not given."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) not in (None, "")

    def raw(self, name: str) -> Any:
        return self._values.get(name)

    def given(self, name: str) -> bool:
        """Named at all, be it with null."""
        return name in self._values

    def text(self, name: str, default: str = "", *, longest: int = 0) -> str:
        if name not in self:
            return default
        value = self._values[name]
        if not isinstance(value, str) or (longest and len(value) > longest):
            limit = f" of at most {longest} characters" if longest else ""
            raise errors.invalid(name, f"The '{name}' parameter must be a string{limit}.")
        return value

    def required(self, name: str) -> str:
        if name not in self:
            raise errors.missing(name)
        return self.text(name)

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        if name not in self:
            return default
        value = self._values[name]
        if not isinstance(value, int) or isinstance(value, bool):
            raise errors.invalid(name, f"The '{name}' parameter must be an integer.")
        if not low <= value <= high:
            raise errors.out_of_range(name, low, high)
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        if name not in self:
            return default
        value = self._values[name]
        if not isinstance(value, bool):
            raise errors.invalid(name, f"The '{name}' parameter must be a boolean.")
        return value

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        word = self.text(name, default)
        if word not in allowed:
            raise errors.not_one_of(name, allowed)
        return word

    def object(self, name: str) -> "Body":
        value = self._values.get(name) or {}
        if not isinstance(value, dict):
            raise errors.invalid(name, f"The '{name}' parameter must be an object.")
        return Body(value)

    def names(self) -> list[str]:
        return list(self._values)

    def url(self, name: str, schemes: tuple[str, ...] = ("http", "https")) -> str:
        url = self.text(name)
        if url and not is_url(url, schemes):
            raise errors.invalid(name, f"The '{name}' parameter must be a URL ({' or '.join(schemes)}).")
        return url

    def number(self, name: str) -> str:
        number = self.required(name)
        if not E164.fullmatch(number):
            raise errors.not_e164(name)
        return number

    def base64(self, name: str) -> str:
        text = self.text(name)
        try:
            base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise errors.invalid(name, f"The '{name}' parameter must be a valid Base-64 encoded string.") from None
        return text

    def digits(self, name: str) -> str:
        digits = self.text(name, longest=MAX_DIGITS)
        if not set(digits) <= DIGITS:
            raise errors.invalid(name, f"The '{name}' parameter may hold 0-9, A-D, *, #, w and W.")
        return digits


def is_url(url: str, schemes: tuple[str, ...] = ("http", "https")) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def dial(body: Body) -> Dial:
    """`POST /calls`, without its `connection_id`."""
    _refuse_what_is_not_simulated(body)
    if isinstance(body.raw("to"), list) or str(body.raw("to")).startswith("sip:"):
        raise errors.not_simulated("to")
    return Dial(
        to=body.number("to"),
        from_=body.number("from"),
        client_state=body.base64("client_state"),
        hooks=hooks(body),
        ring_timeout_s=body.integer("timeout_secs", 30, 5, 600),
        time_limit_s=body.integer("time_limit_secs", 14_400, 30, 14_400),
        retry_on_timeout=body.flag("retry_on_timeout", True),
        send_digits=body.digits("send_digits_on_answer"),
        detection=detection(body),
        stream=stream(body),
    )


def transfer(body: Body, default_from: str) -> Dial:
    """The new leg. `default_from` is the original call's `to`."""
    _refuse_what_is_not_simulated(body)
    return Dial(
        to=body.number("to"),
        from_=body.number("from") if "from" in body else default_from,
        client_state=body.base64("target_leg_client_state"),
        hooks=hooks(body),
        ring_timeout_s=body.integer("timeout_secs", 30, 5, 600),
        time_limit_s=body.integer("time_limit_secs", 14_400, 30, 14_400),
        send_digits=body.digits("send_digits_on_answer"),
        detection=detection(body),
    )


def answer(body: Body) -> Answer:
    _refuse_what_is_not_simulated(body)
    wanted = hooks(body)
    return Answer(hooks=wanted if wanted != Hooks() else None, stream=stream(body))


def stream(body: Body) -> Stream | None:
    url = body.url("stream_url", ("ws", "wss"))
    if not url:
        return None
    if url.startswith("ws:") and not is_loopback(url):  # `ws` to this machine is our exception to Telnyx
        raise errors.invalid("stream_url", "The stream_url must be a wss URL.")
    body.text("stream_auth_token", longest=4000)  # not sent: nobody documents how
    body.choice("stream_bidirectional_target_legs", "opposite", ("both", "self", "opposite"))
    return Stream(
        url=url,
        track=body.choice("stream_track", "inbound_track", TRACKS),
        codec=_codec(body, "stream_codec", "default", (*CODECS, "default")),
        mode=body.choice("stream_bidirectional_mode", "mp3", ("mp3", "rtp")),
        bidirectional_codec=_codec(body, "stream_bidirectional_codec", "PCMU", CODECS),
    )


def detection(body: Body) -> Detection | None:
    mode = body.choice("answering_machine_detection", "disabled", amd.MODES)
    config = body.object("answering_machine_detection_config")
    if mode == "disabled":
        return None
    given = {}
    for setting in fields(amd.Tuning):
        plain = setting.name in ("maximum_number_of_words", "silence_threshold")
        name = setting.name if plain else f"{setting.name}_millis"
        if name in config:
            given[setting.name] = config.integer(name, 0, 0, 120_000)
    return Detection(mode=mode, tuning=amd.Tuning(**given))


def hooks(body: Body) -> Hooks:
    for name in ("webhook_url_method", "webhook_urls_method"):
        if body.choice(name, "POST", ("POST", "GET")) == "GET":
            raise errors.not_simulated(name)
    urls = body.object("webhook_urls")
    policies = body.object("webhook_retries_policies")
    return Hooks(
        url=body.url("webhook_url"),
        urls={event: urls.url(event) for event in urls.names()},
        retries_ms={event: _retries_ms(policies.object(event)) for event in policies.names()},
    )


def _retries_ms(policy: Body) -> tuple[int, ...]:
    delays = policy.raw("retries_ms")
    if (
        not isinstance(delays, list)
        or len(delays) > 5
        or not all(type(delay) is int and delay >= 0 for delay in delays)
        or sum(delays) > MAX_RETRIES_MS
    ):
        raise errors.invalid(
            "webhook_retries_policies", "retries_ms holds at most 5 delays of together at most 60000 ms."
        )
    return tuple(delays)


def _codec(body: Body, name: str, default: str, allowed: tuple[str, ...]) -> str:
    codec = body.choice(name, default, allowed)
    if codec not in (*codecs.NAMES, "default"):
        raise errors.invalid(name, f"This simulator does not speak {codec}.")
    return codec


def _refuse_what_is_not_simulated(body: Body) -> None:
    for name in body.names():
        if name in NOT_SIMULATED and body.raw(name) not in (None, "", False):
            raise errors.not_simulated(name)
