"""What Twilio is to do with a call, in TwiML. Pure: values in, XML out.

New TwiML replaces the one that runs, so it closes a media stream. Source: twilio.com/docs/voice/twiml.
"""

import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement, tostring

MAX_TWIML_CHARS = 4000      # of the REST parameter Twiml
MAX_PARAMETER_CHARS = 499   # name + value of a <Parameter>

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2


def stream_answer(
    stream_url: str, parameters: Mapping[str, str] | None = None, status_callback: str | None = None
) -> str:
    """Connect the call to our media websocket, both ways; hang up once we close it.

    Raises ValueError for what Twilio would refuse: a URL with a query, a parameter or a document too long.
    """
    if "?" in stream_url:
        raise ValueError("a Twilio stream URL has no query: Twilio drops it; use parameters")
    response = Element("Response")
    stream = SubElement(SubElement(response, "Connect"), "Stream", url=stream_url)
    if status_callback is not None:
        stream.set("statusCallback", status_callback)
    for name, value in (parameters or {}).items():
        if len(name) + len(value) > MAX_PARAMETER_CHARS:
            raise ValueError(f"a stream parameter has at most {MAX_PARAMETER_CHARS} characters")
        SubElement(stream, "Parameter", name=name, value=value)
    SubElement(response, "Hangup")
    return _twiml(response)


def transfer_answer(to: str, caller_id: str, ring_timeout_s: int, action_url: str, leg_url: str) -> str:
    """Connect the callee to another number; how that went is told to `action_url`, whose answer runs next. `leg_url`
    hears of the other party's leg meanwhile, and with what code of the network it ended."""
    response = Element("Response")
    dial = SubElement(response, "Dial", callerId=caller_id, timeout=str(ring_timeout_s), action=action_url)
    events = {"statusCallback": leg_url, "statusCallbackEvent": "initiated answered completed"}
    SubElement(dial, "Number", events).text = to
    return _twiml(response)


def room_answer(room: str) -> str:
    """Connect the call with the others in a conference, which ends for all when one leaves; then hang up. Without
    music or a beep: whoever comes first waits for a moment only."""
    response = Element("Response")
    told = {"beep": "false", "waitUrl": "", "startConferenceOnEnter": "true", "endConferenceOnExit": "true"}
    SubElement(SubElement(response, "Dial"), "Conference", told).text = room
    SubElement(response, "Hangup")
    return _twiml(response)


def say_and_hang_up(text: str) -> str:
    response = Element("Response")
    SubElement(response, "Say").text = text
    SubElement(response, "Hangup")
    return _twiml(response)


def hang_up() -> str:
    response = Element("Response")
    SubElement(response, "Hangup")
    return _twiml(response)


def reject() -> str:
    """Refuse an inbound call without answering it, so unbilled: the caller hears a busy tone."""
    response = Element("Response")
    SubElement(response, "Reject", reason="busy")
    return _twiml(response)


def _twiml(response: Element) -> str:
    twiml = tostring(response, encoding="unicode")
    if _NOT_XML.search(twiml):
        raise ValueError("a character that XML can't hold")
    if len(twiml) > MAX_TWIML_CHARS:
        raise ValueError(f"TwiML of {len(twiml)} characters; Twilio takes {MAX_TWIML_CHARS}")
    return twiml
