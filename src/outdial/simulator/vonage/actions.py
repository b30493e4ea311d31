"""NCCO executed: what an answered leg does, action by action."""

import asyncio
import json
from collections import deque
from collections.abc import Coroutine
from typing import Any

from outdial.media.frames import silence
from outdial.simulator.background import Background
from outdial.simulator.faults import TRANSFER
from outdial.simulator.line import Nobody
from outdial.simulator.vonage import events, ncco
from outdial.simulator.vonage.account import VonageAccount
from outdial.simulator.vonage.answered_by import detect
from outdial.simulator.vonage.call import PhoneLeg
from outdial.simulator.vonage.connect import connect_websocket
from outdial.simulator.vonage.dial import connect_phone
from outdial.simulator.vonage.ncco import Action, Ncco
from outdial.simulator.vonage.recording import record
from outdial.simulator.vonage.sound import play_file, press, say
from outdial.simulator.vonage.validation import Invalid
from outdial.simulator.vonage.webhooks import Webhook
from outdial.simulator.waiting import first_of, run_until

SYNTAX_ERROR = "Syntax error in NCCO. Invalid value type or action."
ANSWER, EVENT = "answer", "event"


async def converse(account: VonageAccount, live: PhoneLeg) -> None:
    """What a call does once its phone is answered; an inbound one is answered here."""
    wishes = live.wishes
    if wishes.send_digits:
        await press(live, wishes.send_digits)
    async with Background() as background:
        if wishes.detection is not None:
            detecting = background.start(detect(live, wishes.detection))
            if wishes.detection.waits:
                await first_of(detecting)
        if wishes.answer is not None:
            await run(account, live, wishes.answer)


async def run(account: VonageAccount, live: PhoneLeg, source: Webhook | Ncco) -> None:
    """Run an NCCO, and every one that replaces it through REST, until one comes to its end."""
    while True:
        await run_until(_run(account, live, source), live.redirected)
        if not live.redirected.done():
            return
        source = live.redirected.result()
        live.redirected = asyncio.get_running_loop().create_future()


async def _run(account: VonageAccount, live: PhoneLeg, source: Webhook | Ncco) -> None:
    actions = await _fetch(account, live, source) if isinstance(source, Webhook) else source
    if not actions:
        return
    live.pick_up()
    async with Background() as background:
        runner = _Runner(account, live, background)
        waiting = deque(actions)
        while waiting:
            replacement = await runner.do(waiting.popleft())
            if replacement is not None:
                waiting = deque(replacement)


async def _fetch(account: VonageAccount, live: PhoneLeg, webhook: Webhook) -> Ncco | None:
    """The NCCO of an answer URL; None, after an error event, without one."""
    request = events.answer_request(live.leg, account.region_url)
    if webhook.method == "GET":
        request = {name: request[name] for name in ("to", "from", "conversation_uuid", "uuid")}
    reply = await live.ask(webhook, request, ANSWER)
    if reply is None:
        return None
    return _read(live, reply, webhook.url)


def _read(live: PhoneLeg, reply: bytes, url: str) -> Ncco | None:
    try:
        return ncco.parse(json.loads(reply))
    except (ValueError, RecursionError) as exc:  # Invalid is one
        live.note(str(exc) if isinstance(exc, Invalid) else "The NCCO is not JSON", url)
        live.complain(SYNTAX_ERROR, url)
        return None


class _Runner:
    """`do` returns the NCCO that replaces the rest, if one does. `background` are actions that go on beside others."""

    def __init__(self, account: VonageAccount, live: PhoneLeg, background: Background) -> None:
        self._account = account
        self._live = live
        self._background = background
        self._keys = ""  # pressed into a talk or stream that allows it; the next input begins with them

    async def do(self, action: Action) -> Ncco | None:
        live = self._live
        match action:
            case ncco.Talk(text=text, loop=loop, barge_in=barge_in):
                await self._interruptible(say(live, text, loop), barge_in)
            case ncco.Stream(stream_url=[url], loop=loop, barge_in=barge_in):
                await self._interruptible(play_file(live, url, loop), barge_in)
            case ncco.Wait(timeout=timeout_s):
                await live.audio.play(silence(round(timeout_s * 1000)))
            case ncco.Connect():
                return await self._connect(action)
            case ncco.Input():
                return await self._input(action)
            case ncco.Record(time_out=None, end_on_silence=None, end_on_key=None):
                self._background.start(record(self._account, live, action))
                await asyncio.sleep(0)  # it has begun before the next action does
            case ncco.Record():
                await record(self._account, live, action)
            case ncco.Conversation():
                await self._join(action)
            case ncco.Notify(event_url=[url], event_method=method):
                body = events.notified(live.leg, live.now(), action.payload)
                return await self._ask(Webhook(url=url, method=method), body)
        return None

    # -- talk and stream

    async def _interruptible(self, playing: Coroutine[Any, Any, None], barge_in: bool) -> None:
        if not barge_in:
            await playing
            return
        if self._keys:  # already interrupted: what follows is skipped up to the input
            playing.close()
            return
        pressed = asyncio.Event()

        def on_key(digit: str) -> None:
            self._keys += digit
            pressed.set()

        self._live.audio.on_key.add(on_key)
        try:
            await run_until(playing, pressed)
        finally:
            self._live.audio.on_key.discard(on_key)

    # -- connect

    async def _connect(self, action: ncco.Connect) -> Ncco | None:
        live = self._live
        webhook = live.wishes.event
        if action.event_url:
            webhook = Webhook(url=action.event_url[0], method=action.event_method)
        synchronous = action.event_type == "synchronous" and webhook is not None
        name = TRANSFER if isinstance(action.endpoint[0], ncco.PhoneEndpoint) else ""

        async def report(body: dict[str, Any]) -> Ncco | None:
            if synchronous and webhook is not None:
                return await self._ask(webhook, body, name)
            live.post(events.STREAM, body, webhook)
            return None

        match action.endpoint[0]:
            case ncco.WebSocketEndpoint() as endpoint:
                return await connect_websocket(self._account, live, endpoint, action.limit, webhook, report)
            case ncco.PhoneEndpoint() as endpoint:
                return await connect_phone(self._account, live, action, endpoint, webhook, report)
            case _:
                live.complain("This simulator connects phones and websockets only.")
                return None

    # -- input

    async def _input(self, action: ncco.Input) -> Ncco | None:
        live, dtmf = self._live, action.dtmf
        webhook = live.wishes.event
        if action.event_url:
            webhook = Webhook(url=action.event_url[0], method=action.event_method)
        facts: dict[str, Any] = {}
        if action.speech is not None or "speech" in action.type:
            facts["speech"] = {"error": "Speech recognition is not simulated"}
        if dtmf is None and (action.type == [] or "dtmf" in action.type):
            dtmf = ncco.DtmfInput()
        digits, timed_out = await self._collect(dtmf) if dtmf is not None else (None, False)
        if webhook is None:
            return None
        return await self._ask(webhook, events.pressed(live.leg, live.now(), digits, timed_out=timed_out, **facts))

    async def _collect(self, wanted: ncco.DtmfInput) -> tuple[str, bool]:
        """The digits until there are enough, or none came for a while; whether it was the latter."""
        digits, self._keys = self._keys, ""
        news: asyncio.Queue[str] = asyncio.Queue()
        self._live.audio.on_key.add(news.put_nowait)
        try:
            while len(digits) < wanted.max_digits:
                async with asyncio.timeout(wanted.time_out):
                    digit = await news.get()
                if digit == "#" and wanted.submit_on_hash:
                    return digits, False
                digits += digit
        except TimeoutError:
            return digits, True
        finally:
            self._live.audio.on_key.discard(news.put_nowait)
        return digits, False

    # -- conversation

    async def _join(self, action: ncco.Conversation) -> None:
        live, conferences = self._live, self._account.conferences
        muted = action.mute or action.can_speak == []
        conference, participant = conferences.enter(
            live.leg.application_id, action.name, starts=action.start_on_enter, muted=muted
        )
        live.move(conference.conversation_uuid)
        live.audio.party = participant
        try:
            await conference.over.wait()
        finally:
            live.audio.party = Nobody()
            conferences.leave(conference, participant, ends=action.end_on_exit)

    async def _ask(self, webhook: Webhook, body: dict[str, Any], name: str = "") -> Ncco | None:
        """Report an event whose reply may be an NCCO; anything else lets the present one go on."""
        reply = await self._live.ask(webhook, body, EVENT, name=name)
        if not reply or not reply.lstrip().startswith(b"["):
            return None
        return _read(self._live, reply, webhook.url) or None
