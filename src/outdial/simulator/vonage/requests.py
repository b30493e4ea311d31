"""What a request to the Voice API asks for, checked as Vonage does. Pure: JSON in, wishes out."""

from typing import Annotated, Any, Literal

import msgspec

from outdial.simulator.vonage import ncco
from outdial.simulator.vonage.call import Wishes, detection
from outdial.simulator.vonage.legs import digits
from outdial.simulator.vonage.ncco import AdvancedDetection, Endpoint, Level, Loop, Method, Ncco
from outdial.simulator.vonage.validation import Digits, Invalid, Number, OneUrl, decode
from outdial.simulator.vonage.webhooks import Webhook


class _Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    pass


class _From(_Body):
    type: Literal["phone"]
    number: Number


class CreateCall(_Body):
    to: Annotated[list[Endpoint], msgspec.Meta(min_length=1, max_length=1)]
    from_: _From | None = msgspec.field(name="from", default=None)
    random_from_number: bool = False
    ncco: list[Any] | None = None
    answer_url: OneUrl | None = None
    answer_method: Method = "GET"
    event_url: OneUrl | None = None
    event_method: Method = "POST"
    machine_detection: Literal["continue", "hangup"] | None = None
    advanced_machine_detection: AdvancedDetection | None = None
    length_timer: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 7200
    ringing_timer: Annotated[int, msgspec.Meta(ge=1, le=120)] = 60

    @property
    def number(self) -> str:
        """Whom to call, E.164. Raises Invalid."""
        endpoint = self.to[0]
        if not isinstance(endpoint, ncco.PhoneEndpoint):
            raise Invalid("to[0].type", "this simulator calls phones only")
        return f"+{digits(endpoint.number)}"


def create_call(body: bytes) -> CreateCall:
    """Raises Invalid."""
    request = decode(body, CreateCall)
    if (request.from_ is None) is not request.random_from_number:
        raise Invalid("from", "give either from or random_from_number")
    if (request.ncco is None) is (request.answer_url is None):
        raise Invalid("answer_url", "give either ncco or answer_url")
    return request


def wishes(request: CreateCall, application_events: Webhook | None) -> Wishes:
    """`application_events` is where events go that the request doesn't send elsewhere. Raises Invalid."""
    endpoint = request.to[0]
    answer: Webhook | Ncco
    if request.answer_url:
        answer = Webhook(url=request.answer_url[0], method=request.answer_method)
    else:
        answer = ncco.parse(request.ncco)
    event = application_events
    if request.event_url:
        event = Webhook(url=request.event_url[0], method=request.event_method)
    if event is None:
        raise Invalid("event_url", "is required, because the application has none")
    return Wishes(
        answer=answer,
        event=event,
        ring_timeout_s=request.ringing_timer,
        time_limit_s=request.length_timer,
        send_digits=(endpoint.dtmf_answer or "") if isinstance(endpoint, ncco.PhoneEndpoint) else "",
        detection=detection(request.machine_detection, request.advanced_machine_detection),
    )


# -- control of a call that is up


class _Destination(_Body):
    type: Literal["ncco"]
    ncco: list[Any] | None = None
    url: OneUrl | None = None


class UpdateCall(_Body):
    action: Literal["hangup", "transfer", "mute", "unmute", "earmuff", "unearmuff"]
    destination: _Destination | None = None


class StartTalk(_Body):
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=1500)]
    language: str = "en-US"
    style: int = 0
    premium: bool = False
    voice_name: str = ""
    loop: Loop = 1
    level: Level = 0


class StartStream(_Body):
    stream_url: OneUrl
    loop: Loop = 1
    level: Level = 0


class SendDigits(_Body):
    digits: Digits


class ListenForDigits(_Body):
    event_url: OneUrl


def destination(request: UpdateCall) -> Webhook | Ncco:
    """Where a transfer leads. Raises Invalid."""
    target = request.destination
    if target is None or (target.ncco is None) is (target.url is None):
        raise Invalid("destination", "give either ncco or url")
    if target.url:
        return Webhook(url=target.url[0], method="GET")
    return ncco.parse(target.ncco, "destination.ncco")
