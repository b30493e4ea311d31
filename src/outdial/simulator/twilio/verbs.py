"""TwiML executed: what a document makes of an answered call."""

import asyncio
from collections.abc import Sequence
from urllib.parse import urljoin

from outdial.media.frames import silence
from outdial.simulator.background import Background
from outdial.simulator.calls import Direction, Status
from outdial.simulator.twilio import twiml
from outdial.simulator.twilio.answered_by import detect
from outdial.simulator.twilio.call import Document, DocumentUnavailable, TwilioCall
from outdial.simulator.twilio.conference import confer
from outdial.simulator.twilio.connect import connect
from outdial.simulator.twilio.dial import dial
from outdial.simulator.twilio.sound import play, play_file, press, repeat
from outdial.simulator.waiting import run_until


async def converse(live: TwilioCall) -> None:
    """What a call placed through REST does once it is answered."""
    wishes = live.wishes
    if wishes.send_digits:
        await press(live, wishes.send_digits)
    extra: dict[str, str] = {}
    async with Background() as background:
        if wishes.detection is not None:
            if wishes.detection.in_parallel:
                background.start(detect(live))
            else:
                extra["AnsweredBy"] = await detect(live)
        await run(live, wishes.document, **extra)


async def run(live: TwilioCall, document: Document, **extra: str) -> None:
    """Run a document, and every one that replaces it through REST, until one comes to its end."""
    while True:
        await run_until(_run(live, document, extra), live.redirected)
        if not live.redirected.done():
            return
        document = live.redirected.result()
        live.redirected = asyncio.get_running_loop().create_future()
        extra = {}


async def _run(live: TwilioCall, document: Document, extra: dict[str, str]) -> None:
    """A document and those it redirects to; returns when there is nothing left to do."""
    base = document.url
    next_document: Document | None = document
    while next_document is not None:
        base = urljoin(base, next_document.url) if next_document.url else base
        try:
            verbs = twiml.parse(await live.fetch(next_document, **extra))
        except DocumentUnavailable:
            return
        except twiml.TwimlError as exc:
            live.note(exc.code, exc.message, url=next_document.url)
            return
        extra = {}
        if live.call.direction is Direction.INBOUND and not live.answered.is_set():
            if verbs and isinstance(verbs[0], twiml.Reject):
                live.end(Status.BUSY, 486 if verbs[0].reason == "busy" else 603)
                return
            live.pick_up()
        next_document = await _perform(live, verbs, base)


async def _perform(live: TwilioCall, verbs: Sequence[twiml.Verb], base: str) -> Document | None:
    """Do one verb after the other; the document to go on with, None at the end."""
    for verb in verbs:
        match verb:
            case twiml.Say(text=text, loop=loop):
                await repeat(live, await live.network.agent_voice.audio(text), loop)
            case twiml.Play(digits=digits) if digits:
                await press(live, digits)
            case twiml.Play(url=url, loop=loop):
                await play_file(live, urljoin(base, url), loop)
            case twiml.Pause(length_s=length_s):
                await play(live, silence(length_s * 1000))
            case twiml.Connect():
                await connect(live, verb, base)
            case twiml.Dial():
                following = await dial(live, verb, base)
                if following is not None:
                    return following
            case twiml.Conference():
                await confer(live, verb)
            case twiml.Redirect(url=url, method=method):
                return Document(url=urljoin(base, url), method=method)
            case twiml.Hangup() | twiml.Reject():
                live.end(Status.COMPLETED)
                return None
    return None
