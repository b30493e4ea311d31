"""TwiML, parsed strictly: the verbs this simulator runs, with every attribute checked. Pure.

Source: twilio.com/docs/voice/twiml. Twilio itself skips a verb it doesn't know, with warning 12200; here that
ends the call, because a mistake in a document should be seen on one's own machine and not by a customer.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, ParseError, XMLParser

from outdial.simulator.twilio.errors import DOCUMENT_PARSE_FAILURE, SCHEMA_VALIDATION

MAX_CHARACTERS = 64 * 1024


class TwimlError(Exception):
    """A document Twilio wouldn't run; `code` is the debugger's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    text: str
    loop: int = 1  # 0: until the call ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    url: str = ""
    digits: str = ""
    loop: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    length_s: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    number: str
    caller_id: str = ""
    timeout_s: int = 30
    time_limit_s: int = 14_400
    action: str = ""
    method: str = "POST"
    status_callback: str = ""
    status_callback_method: str = "POST"
    status_callback_events: frozenset[str] = frozenset({"completed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Conference:
    """`<Dial><Conference>`: a room of the account. `starts` and `ends`: whether this call does that for all."""

    name: str
    starts: bool = True
    ends: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """`<Connect><Stream>`: a two-way media stream."""

    url: str
    name: str = ""
    status_callback: str = ""
    status_callback_method: str = "POST"
    parameters: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hangup:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    reason: str = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    url: str
    method: str = "POST"


Verb = Say | Play | Pause | Dial | Conference | Connect | Hangup | Reject | Redirect

NOT_SIMULATED = frozenset(
    "Conversation Echo Enqueue Gather Leave Pay Prompt Queue Record Refer Sms Start Stop Transcription".split()  # noqa: SIM905
)
SSML = frozenset("break emphasis lang p phoneme prosody s say-as sub w".split())  # noqa: SIM905
DIGITS = frozenset("0123456789ABCDabcd*#wW")


def parse(document: str) -> tuple[Verb, ...]:
    """The verbs of `<Response>`, in order. Raises TwimlError."""
    root = _xml(document)
    if root.tag != "Response":
        raise TwimlError(DOCUMENT_PARSE_FAILURE, "The root element is not <Response>")
    _attributes(root)
    _no_text(root)
    return tuple(_verb(element) for element in root)


def _xml(document: str) -> Element:
    if len(document) > MAX_CHARACTERS:
        raise TwimlError(DOCUMENT_PARSE_FAILURE, "The document is too long")
    if "<!DOCTYPE" in document:  # and with it entities, which can blow up; TwiML needs neither
        raise TwimlError(DOCUMENT_PARSE_FAILURE, "A document type is not allowed")
    parser = XMLParser()  # noqa: S314 - without a document type there are no entities to expand
    try:
        parser.feed(document.encode())
        root = parser.close()
    except (ParseError, ValueError, LookupError) as exc:  # lone surrogates, unknown encodings
        raise TwimlError(DOCUMENT_PARSE_FAILURE, "The document is not well-formed XML") from exc
    assert isinstance(root, Element)
    return root


def _verb(element: Element) -> Verb:
    build = _VERBS.get(element.tag)
    if build is not None:
        return build(element)
    if element.tag in NOT_SIMULATED:
        raise _invalid(f"<{element.tag}> is TwiML, but this simulator does not run it")
    raise _invalid(f"<{element.tag}> is not a verb")


def _say(element: Element) -> Say:
    given = _attributes(element, "voice", "language", "loop")
    for inner in element.iter():
        if inner is not element and inner.tag not in SSML:
            raise _invalid(f"<{inner.tag}> is not allowed in <Say>")
    return Say(text=" ".join("".join(element.itertext()).split()), loop=_number(given, "loop", 1, 0, 1000))


def _play(element: Element) -> Play:
    given = _attributes(element, "loop", "digits")
    _no_children(element)
    digits = given.get("digits", "")
    if not set(digits) <= DIGITS:
        raise _invalid("digits of <Play> may be 0-9, A-D, *, #, w and W")
    url = _text(element)
    if not digits and not url:
        raise _invalid("<Play> has neither a URL nor digits")
    return Play(url=url, digits=digits, loop=_number(given, "loop", 1, 0, 1000))


def _pause(element: Element) -> Pause:
    given = _attributes(element, "length")
    _empty(element)
    return Pause(length_s=_number(given, "length", 1, 0, 3600))


def _dial(element: Element) -> Dial | Conference:
    children = list(element)
    if len(children) == 1 and children[0].tag == "Conference":
        return _conference(element, children[0])
    given = _attributes(element, "callerId", "timeout", "timeLimit", "action", "method", "answerOnBridge")
    noun: dict[str, str] = {}
    if not children:
        number = _text(element)
    elif len(children) == 1 and children[0].tag == "Number":
        _no_text(element)
        _no_children(children[0])
        noun = _attributes(children[0], "statusCallback", "statusCallbackMethod", "statusCallbackEvent")
        number = _text(children[0])
    else:
        raise _invalid("this simulator dials exactly one <Number>")
    if not number:
        raise _invalid("<Dial> has no number")
    return Dial(
        number=number,
        caller_id=given.get("callerId", ""),
        timeout_s=_number(given, "timeout", 30, 1, 600),
        time_limit_s=_number(given, "timeLimit", 14_400, 1, 86_400),
        action=given.get("action", ""),
        method=_method(given, "method"),
        status_callback=noun.get("statusCallback", ""),
        status_callback_method=_method(noun, "statusCallbackMethod"),
        status_callback_events=frozenset(noun.get("statusCallbackEvent", "completed").split()),
    )


def _conference(dial: Element, element: Element) -> Conference:
    _attributes(dial)
    _no_text(dial)
    _no_children(element)
    given = _attributes(element, "beep", "waitUrl", "startConferenceOnEnter", "endConferenceOnExit")
    if given.get("beep", "true") != "false" or given.get("waitUrl") != "":
        raise _invalid('this simulator has no beeps or music in a <Conference>: beep="false" waitUrl=""')
    name = _text(element)
    if not name:
        raise _invalid("<Conference> has no name")
    return Conference(
        name=name,
        starts=_flag(given, "startConferenceOnEnter", "true"),
        ends=_flag(given, "endConferenceOnExit", "false"),
    )


def _connect(element: Element) -> Connect:
    _attributes(element)
    _no_text(element)
    nouns = list(element)
    if len(nouns) != 1 or nouns[0].tag != "Stream":
        raise _invalid("this simulator connects exactly one <Stream>")
    stream = nouns[0]
    given = _attributes(stream, "url", "name", "track", "statusCallback", "statusCallbackMethod")
    if given.get("track", "inbound_track") != "inbound_track":
        raise _invalid("<Connect><Stream> has the inbound track only")
    if not given.get("url"):
        raise _invalid("<Stream> has no url")
    _no_text(stream)
    parameters: dict[str, str] = {}
    for child in stream:
        if child.tag != "Parameter":
            raise _invalid(f"<{child.tag}> is not allowed in <Stream>")
        _empty(child)
        pair = _attributes(child, "name", "value")
        if not pair.get("name"):
            raise _invalid("<Parameter> has no name")
        if len(pair["name"]) + len(pair.get("value", "")) >= 500:
            raise _invalid("name and value of a <Parameter> must be under 500 characters")
        parameters[pair["name"]] = pair.get("value", "")
    return Connect(
        url=given["url"],
        name=given.get("name", ""),
        status_callback=given.get("statusCallback", ""),
        status_callback_method=_method(given, "statusCallbackMethod"),
        parameters=parameters,
    )


def _hangup(element: Element) -> Hangup:
    _attributes(element)
    _empty(element)
    return Hangup()


def _reject(element: Element) -> Reject:
    given = _attributes(element, "reason")
    _empty(element)
    if given.get("reason", "rejected") not in ("rejected", "busy"):
        raise _invalid("the reason of <Reject> is rejected or busy")
    return Reject(reason=given.get("reason", "rejected"))


def _redirect(element: Element) -> Redirect:
    given = _attributes(element, "method")
    _no_children(element)
    url = _text(element)
    if not url:
        raise _invalid("<Redirect> has no URL")
    return Redirect(url=url, method=_method(given, "method"))


_VERBS: dict[str, Callable[[Element], Verb]] = {
    "Say": _say,
    "Play": _play,
    "Pause": _pause,
    "Dial": _dial,
    "Connect": _connect,
    "Hangup": _hangup,
    "Reject": _reject,
    "Redirect": _redirect,
}


def _invalid(message: str) -> TwimlError:
    return TwimlError(SCHEMA_VALIDATION, message)


def _attributes(element: Element, *allowed: str) -> dict[str, str]:
    for name in element.attrib:
        if name not in allowed:
            raise _invalid(f"attribute {name} is not allowed in <{element.tag}>")
    return dict(element.attrib)


def _number(given: dict[str, str], name: str, default: int, low: int, high: int) -> int:
    text = given.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        raise _invalid(f"{name} must be a whole number from {low} to {high}")
    return int(text)


def _flag(given: dict[str, str], name: str, default: str) -> bool:
    word = given.get(name, default)
    if word not in ("true", "false"):
        raise _invalid(f"{name} is true or false")
    return word == "true"


def _method(given: dict[str, str], name: str) -> str:
    method = given.get(name, "POST").upper()
    if method not in ("GET", "POST"):
        raise _invalid(f"{name} is GET or POST")
    return method


def _text(element: Element) -> str:
    return (element.text or "").strip()


def _texts(element: Element) -> Iterator[str | None]:
    yield element.text
    for child in element:
        yield child.tail


def _no_text(element: Element) -> None:
    if any(text and text.strip() for text in _texts(element)):
        raise _invalid(f"text is not allowed in <{element.tag}>")


def _no_children(element: Element) -> None:
    for child in element:
        raise _invalid(f"<{child.tag}> is not allowed in <{element.tag}>")


def _empty(element: Element) -> None:
    _no_children(element)
    _no_text(element)
