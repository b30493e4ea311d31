"""What may be asked of an outbound call: the JSON body of POST …/outbound, checked field by field.

Strict: nothing is coerced ("true" is no boolean, 30.0 no integer) and unknown fields are refused, because a
misspelt `expires_at` would otherwise be found out by the person who is phoned.
"""

import json
import math
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    WithJsonSchema,
    model_validator,
)

from outdial.instants import parse_instant
from outdial.net.addresses import Allowed
from outdial.net.urls import MAX_URL_CHARS, check_url
from outdial.refusals import Invalid
from outdial.telephony.e164 import parse_e164
from outdial.telephony.verdict import DetectedBy

MAX_DEPTH = 20
MAX_KEYS = 200
MAX_KEY_CHARS = 128
MAX_JSON_BYTES = 64_000
_MAX_INT = 2**63 - 1


def check_text(text: str) -> str:
    """Raises ValueError for what PostgreSQL can't keep. Other control characters stay: speech drops them."""
    if "\x00" in text:
        raise ValueError("must not contain the character U+0000")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("must not contain half of a surrogate pair") from None
    return text


class NotStorable(ValueError):
    """A part of some JSON can't be stored and given back as it is; the message says why. `path` leads there: names of
    members and places in lists, () for the whole."""

    def __init__(self, path: tuple[str | int, ...], reason: str) -> None:
        super().__init__(reason)
        self.path = path


def check_json_object(value: dict[str, Any]) -> dict[str, Any]:
    """Raises NotStorable unless `value` is of a size, depth and content that can be stored and given back.

    Walks with its own stack: the depth isn't known to be harmless before it was measured.
    """
    if len(value) > MAX_KEYS:
        raise NotStorable((), f"has {len(value)} keys, at most {MAX_KEYS} are allowed")
    stack: list[tuple[Any, tuple[str | int, ...]]] = [(value, ())]
    while stack:
        node, path = stack.pop()
        if isinstance(node, dict | list) and len(path) >= MAX_DEPTH:
            raise NotStorable(path[:1], f"is nested more than {MAX_DEPTH} levels deep")
        if (reason := _fault(node)) is not None:
            raise NotStorable(path, reason)
        match node:
            case dict():
                for key in node:
                    if (reason := _fault_of_key(key)) is not None:
                        raise NotStorable((*path, key), reason)
                stack.extend((child, (*path, key)) for key, child in node.items())
            case list():
                stack.extend((child, (*path, place)) for place, child in enumerate(node))
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_JSON_BYTES:
        raise NotStorable((), f"is {size} bytes of JSON, at most {MAX_JSON_BYTES} are allowed")
    return value


def _fault(node: Any) -> str | None:
    """Why a text or a number can't be stored."""
    match node:
        case str():
            return _fault_of_text(node)
        case float() if not math.isfinite(node):
            return "is a number that JSON can't express (NaN or infinity)"
        case int() if not -_MAX_INT - 1 <= node <= _MAX_INT:
            return "is an integer of more than 64 bits; send it as text"
    return None


def _fault_of_key(key: str) -> str | None:
    if len(key) > MAX_KEY_CHARS:
        return f"is a key longer than {MAX_KEY_CHARS} characters"
    return _fault_of_text(key)


def _fault_of_text(text: str) -> str | None:
    try:
        check_text(text)
    except ValueError as error:
        return str(error)
    return None


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime):
        value = value.isoformat()
    if not isinstance(value, str):
        raise ValueError("must be an ISO 8601 instant such as 2026-01-31T09:00:00Z")
    return parse_instant(value)


E164 = Annotated[
    str,
    AfterValidator(parse_e164),
    WithJsonSchema({"type": "string", "pattern": r"^\+[1-9][0-9]{7,14}$", "examples": ["+15551234567"]}),
]
JsonObject = Annotated[dict[str, Any], AfterValidator(check_json_object)]
Instant = Annotated[datetime, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
CleanText = Annotated[str, AfterValidator(check_text)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


class MachineDetection(_Strict):
    """Answering machine detection, in detail."""

    on_machine: Literal["hang_up", "leave_message", "continue"] | None = None
    """What to do when a machine answers. Default: as the agent says, else `hang_up`; `leave_message` when
    `message` is given."""
    message: Annotated[CleanText, Field(min_length=1, max_length=2000)] | None = None
    """Left after the beep, with `{variables}` filled in. Default: the agent's own message."""
    max_wait_s: Annotated[int, Field(ge=3, le=59)] = 30
    """How long to wait for a verdict. A machine that is found later, or once the callee has answered the agent, is
    noted and changes nothing."""
    by: Literal["local", "carrier", "both"] | None = None
    """Who finds it out: Outdial's own detector, the same on every carrier and without a fee, the carrier, or both, each
    of whose verdicts is kept. Default: the server's setting (`carrier`)."""

    @model_validator(mode="after")
    def _message_is_used(self) -> "MachineDetection":
        if self.message is not None and self.on_machine in ("hang_up", "continue"):
            raise ValueError(f'message is only used with on_machine "leave_message", not "{self.on_machine}"')
        return self


class Retry(_Strict):
    """When to dial again."""

    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """How often to dial at most, the first time included."""
    on: Annotated[
        list[Literal["busy", "no_answer", "declined", "failed", "machine", "screening", "menu", "silent"]],
        Field(min_length=1, max_length=8),
    ] = ["busy", "no_answer"]
    """After which ends. `failed` never includes a call that was talked on; `menu`: a phone menu answered, no key was
    pressed, and nobody behind it answered; `silent`: somebody answered, and neither spoke nor pressed a key."""
    delays_s: Annotated[list[Annotated[int, Field(ge=1, le=2_592_000)]], Field(min_length=1, max_length=10)] = [1800]
    """Seconds to wait before the second attempt, the third, …; the last delay repeats."""


def _which(value: Any) -> Any:
    is_number = isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**31
    if not is_number and value not in ("published", "draft"):
        raise ValueError('must be "published", "draft" or the number of a version, from 1')
    return value


# Checked by hand: of a union, Pydantic tells what is wrong once for each of its types.
_Version = Annotated[
    Literal["published", "draft"] | int,
    PlainValidator(_which),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "enum": ["published", "draft"]}, {"type": "integer", "minimum": 1}]}
    ),
]


class AgentChoice(_Strict):
    """Who talks on this call, where that isn't whom its phone number has. What the number's other calls get stays."""

    id: Annotated[CleanText, Field(examples=["agent_7k2v5x8z1q4m0t3w6y9r"])] | None = None
    """An agent of the workspace. Default: the number's own."""
    version: _Version = "published"
    """`published`, `draft` (the newest one), or the number of a version. It is settled when the call is accepted: what
    is saved or published later changes nothing for it."""

    @model_validator(mode="after")
    def _chooses(self) -> "AgentChoice":
        if self.id is None and "version" not in self.model_fields_set:
            raise ValueError("needs an id, a version or both")
        return self


def _amd_kind(value: Any) -> str | None:
    if isinstance(value, bool):
        return "amd:switch"
    return "amd:object" if isinstance(value, dict | MachineDetection) else None


Amd = Annotated[
    Annotated[bool, Tag("amd:switch")] | Annotated[MachineDetection, Tag("amd:object")],
    Discriminator(
        _amd_kind, custom_error_type="amd_type", custom_error_message="must be true, false or an object"
    ),
]


class OutboundRequest(_Strict):
    """One call to place."""

    to: E164
    """The number to dial, E.164. Invisible characters that copying leaves in a number (marks of direction,
    zero-width and no-break spaces) are dropped, full-width digits and plus folded; anything else is refused by name."""
    variables: JsonObject | None = None
    """Injected when the call starts; usable in everything the agent says. At most 200 keys, 64 kB, 20 levels."""
    agent: AgentChoice | None = None
    """Another agent, or another version, for this call alone. Default: the number's."""
    amd: Amd | None = None
    """Answering machine detection: `true`, or an object with details. Default: off; a voicemail is still known by
    what it says, and treated as the agent wants machines to be."""
    on_limit: Literal["queue", "reject"] = "queue"
    """When every line is taken: wait for a free one, or answer 429."""
    not_before: Instant | None = None
    """Don't dial before this instant."""
    expires_at: Instant | None = None
    """Give up when no phone has rung by this instant."""
    retry: Retry | None = None
    """Dial again after these ends. Default: one attempt."""
    ring_timeout_s: Annotated[int, Field(ge=5, le=600)] | None = None
    """How long to let it ring. Default: the server's setting (30)."""
    max_duration_s: Annotated[int, Field(ge=10, le=14_400)] | None = None
    """End the call after this long. Default: the server's setting (1800)."""
    metadata: JsonObject | None = None
    """Yours: echoed in the call; never shown to the agent. Same limits as variables."""
    webhook_url: Annotated[CleanText, Field(max_length=MAX_URL_CHARS)] | None = None
    """Every event of this call goes there, too, signed with the secret of the workspace's requests
    (`GET /v1/webhooks/requests/secret`). `https://…`; private addresses only where the server allows them."""

    @model_validator(mode="after")
    def _times_agree(self) -> "OutboundRequest":
        if self.not_before is not None and self.expires_at is not None and self.expires_at <= self.not_before:
            raise ValueError("expires_at must be later than not_before")
        if self.on_limit == "reject" and self.not_before is not None:
            raise ValueError('on_limit "reject" asks for a line now, so it can\'t be used with not_before')
        return self

    def check_webhook_url(self, allowed: Allowed) -> None:
        """As far as it can be told without looking its host up: that is done when there is something to send. Raises
        Invalid."""
        if self.webhook_url is not None:
            try:
                check_url(self.webhook_url, allowed)
            except ValueError as error:
                raise Invalid("webhook_url", str(error)) from None

    def detection(self, by: DetectedBy) -> dict[str, Any] | None:
        """As stored: None when off; `on_machine` None means the agent's own setting, else hang up. `by`: who finds a
        machine where the request names nobody."""
        match self.amd:
            case MachineDetection() as amd:
                on_machine = amd.on_machine or ("leave_message" if amd.message else None)
                wanted = {"on_machine": on_machine, "message": amd.message, "max_wait_s": amd.max_wait_s}
                return {**wanted, "by": amd.by or by.value}
            case True:
                return {"on_machine": None, "message": None, "max_wait_s": 30, "by": by.value}
        return None
