"""NCCO, Vonage's call control objects: a JSON array of actions, read into dataclasses. Pure.

Unknown actions and fields are refused, so that a mistake is seen here and not on a customer's phone.
Source: developer.vonage.com/en/voice/voice-api/ncco-reference
"""

import json
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from outdial.simulator.vonage.validation import Digits, Invalid, Number, OneUrl, SocketUrl, Url, convert

MAX_HEADERS_BYTES = 512
Method = Literal["GET", "POST"]
Level = float | str
Loop = Annotated[int, msgspec.Meta(ge=0, le=1000)]  # 0: until the call ends


class Part(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    pass


# -- where a connect leads


class OnAnswer(Part):
    url: Url
    ringback_tone: str = ""
    ringback: str = ""


class Authorization(Part):
    type: Literal["vonage", "custom"]
    value: Annotated[str, msgspec.Meta(pattern=r"^[\x20-\x7e]*\Z", max_length=8191)] = ""


class PhoneEndpoint(Part, tag_field="type", tag="phone"):
    number: Number
    dtmf_answer: Digits | None = None
    on_answer: OnAnswer | None = None
    shaken: str = ""


class WebSocketEndpoint(Part, tag_field="type", tag="websocket"):
    uri: SocketUrl
    content_type: Literal["audio/l16;rate=8000", "audio/l16;rate=16000", "audio/l16;rate=24000"] = msgspec.field(
        name="content-type"
    )
    headers: dict[str, Any] = {}
    authorization: Authorization | None = None

    @property
    def rate_hz(self) -> int:
        return int(self.content_type.rpartition("=")[2])


class SipEndpoint(Part, tag_field="type", tag="sip"):
    uri: str
    headers: dict[str, Any] = {}
    standard_headers: dict[str, Any] = {}


class AppEndpoint(Part, tag_field="type", tag="app"):
    user: str


class VbcEndpoint(Part, tag_field="type", tag="vbc"):
    extension: str


Endpoint = PhoneEndpoint | WebSocketEndpoint | SipEndpoint | AppEndpoint | VbcEndpoint


class AdvancedDetection(Part, rename=None):
    """Its field names are the same in NCCO and in REST."""

    behavior: Literal["continue", "hangup"] = "continue"
    mode: Literal["default", "detect", "detect_beep"] = "default"
    beep_timeout: Annotated[int, msgspec.Meta(ge=45, le=120)] = 45


# -- actions


class Talk(Part, tag_field="action", tag="talk"):
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=1500)]
    barge_in: bool = False
    loop: Loop = 1
    level: Level = 0
    language: str = "en-US"
    style: int = 0
    premium: bool = False
    voice_name: str = ""


class Stream(Part, tag_field="action", tag="stream"):
    stream_url: OneUrl
    barge_in: bool = False
    loop: Loop = 1
    level: Level = 0


class Connect(Part, tag_field="action", tag="connect"):
    endpoint: Annotated[list[Endpoint], msgspec.Meta(min_length=1, max_length=1)]
    from_: str = msgspec.field(name="from", default="")
    random_from_number: bool = False
    event_type: Literal["synchronous"] | None = None
    timeout: Annotated[int, msgspec.Meta(ge=1, le=7200)] = 60
    limit: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 7200
    machine_detection: Literal["continue", "hangup"] | None = None
    advanced_machine_detection: AdvancedDetection | None = None
    event_url: OneUrl | None = None
    event_method: Method = "POST"
    ringback_tone: str | list[str] = ""


class DtmfInput(Part):
    time_out: Annotated[int, msgspec.Meta(ge=0, le=10)] = 3
    max_digits: Annotated[int, msgspec.Meta(ge=1, le=20)] = 4
    submit_on_hash: bool = False


class SpeechInput(Part):
    uuid: list[str] = []
    end_on_silence: Annotated[float, msgspec.Meta(ge=0.4, le=10)] = 2
    language: str = "en-US"
    context: list[str] = []
    start_timeout: Annotated[int, msgspec.Meta(ge=1, le=60)] = 10
    max_duration: Annotated[int, msgspec.Meta(ge=1, le=60)] = 60
    save_audio: bool = False
    sensitivity: Annotated[int, msgspec.Meta(ge=0, le=100)] = 90


class Input(Part, tag_field="action", tag="input"):
    type: list[Literal["dtmf", "speech"]] = []
    dtmf: DtmfInput | None = None
    speech: SpeechInput | None = None
    event_url: OneUrl | None = None
    event_method: Method = "POST"


class Record(Part, tag_field="action", tag="record"):
    format: Literal["mp3", "wav", "ogg"] = "mp3"
    split: Literal["conversation"] | None = None
    channels: Annotated[int, msgspec.Meta(ge=1, le=32)] = 1
    end_on_silence: Annotated[int, msgspec.Meta(ge=3, le=10)] | None = None
    end_on_key: Annotated[str, msgspec.Meta(pattern=r"^[0-9*#]\Z")] | None = None
    time_out: Annotated[int, msgspec.Meta(ge=3, le=7200)] | None = None
    beep_start: bool = False
    event_url: OneUrl | None = None
    event_method: Method = "POST"


class Conversation(Part, tag_field="action", tag="conversation"):
    name: Annotated[str, msgspec.Meta(min_length=1)]
    music_on_hold_url: OneUrl | None = None
    start_on_enter: bool = True
    end_on_exit: bool = False
    record: bool = False
    can_speak: list[str] | None = None
    can_hear: list[str] | None = None
    mute: bool = False
    event_url: OneUrl | None = None
    event_method: Method = "POST"


class Notify(Part, tag_field="action", tag="notify"):
    payload: dict[str, Any]
    event_url: OneUrl
    event_method: Method = "POST"


class Wait(Part, tag_field="action", tag="wait"):
    timeout: Annotated[float, msgspec.Meta(ge=0.1, le=7200)] = 10.0


Action = Talk | Stream | Connect | Input | Record | Conversation | Notify | Wait
Ncco = list[Action]


def parse(document: object, name: str = "ncco") -> Ncco:
    """The actions of decoded JSON; `name` is what the complaint calls it. Raises Invalid."""
    try:
        actions: Ncco = convert(document, Ncco)
        for index, action in enumerate(actions):
            _check(action, actions[index + 1 :], f"[{index}]")
    except Invalid as exc:
        raise Invalid(name + exc.name, exc.reason) from exc
    return actions


def _check(action: Action, rest: Ncco, path: str) -> None:
    """What the types alone don't say."""
    match action:
        case Input(type=[], dtmf=None, speech=None):
            raise Invalid(f"{path}.type", "is required")
        case Talk(barge_in=True) | Stream(barge_in=True):
            following = next((one for one in rest if not isinstance(one, Talk | Stream)), None)
            if not isinstance(following, Input):
                raise Invalid(f"{path}.bargeIn", "must be followed by an input action")
        case Connect(random_from_number=True, from_=from_) if from_:
            raise Invalid(f"{path}.from", "can't be used with randomFromNumber")
        case Connect(endpoint=[WebSocketEndpoint() as endpoint]):
            check_websocket(endpoint, f"{path}.endpoint[0]")
        case _:
            pass


def check_websocket(endpoint: WebSocketEndpoint, path: str) -> None:
    try:
        usable = bool(urlsplit(endpoint.uri).hostname) and urlsplit(endpoint.uri).port != 0
    except ValueError:
        usable = False
    if not usable:
        raise Invalid(f"{path}.uri", "must be a websocket URL")
    if len(json.dumps(endpoint.headers).encode()) > MAX_HEADERS_BYTES:
        raise Invalid(f"{path}.headers", f"must be at most {MAX_HEADERS_BYTES} bytes")
    authorization = endpoint.authorization
    if authorization is not None and authorization.type == "custom" and not authorization.value:
        raise Invalid(f"{path}.authorization.value", "is required")
