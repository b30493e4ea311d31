"""`<Dial>`: a call is connected with somebody else."""

import asyncio
from contextlib import suppress
from urllib.parse import urljoin

from outdial.media import tones
from outdial.simulator.calls import Call, Direction, Status
from outdial.simulator.line import Nobody, bridge
from outdial.simulator.twilio import errors, twiml
from outdial.simulator.twilio.call import (
    Document,
    DocumentUnavailable,
    StatusCallback,
    TwilioCall,
    Wishes,
)
from outdial.simulator.twilio.ids import new_sid
from outdial.simulator.twilio.requests import E164
from outdial.simulator.twilio.sound import play
from outdial.simulator.waiting import first_of, run_until

RINGBACK_MS = 6000


async def dial(live: TwilioCall, verb: twiml.Dial, base: str) -> Document | None:
    """Call somebody else and connect the two; the action's document, None to go on with the next verb."""
    if not E164.fullmatch(verb.number):
        live.note(errors.UNSUPPORTED_NUMBER, "<Dial>: the number is not valid")
        return _after_dial(live, verb, base, {"DialCallStatus": Status.FAILED})
    if verb.caller_id and not E164.fullmatch(verb.caller_id):
        live.note(errors.INVALID_CALLER_ID, "<Dial>: invalid callerId")
        return _after_dial(live, verb, base, {"DialCallStatus": Status.FAILED})
    child = _child(live, verb, base)
    network, line = live.network, live.phone_line
    network.book.add(child.call)
    living = network.start(child.live())
    try:
        await run_until(_ring_back(live), child.answered, living)
        if child.line is not None and not child.over:
            bridge(line, child.line)
        await first_of(living)
    except asyncio.CancelledError:
        child.hang_up()
        if live.over:  # the caller hung up: the action is told, but its document has nobody to run for
            network.start(_report(live, verb, base, child, living))
        raise
    finally:
        line.peer = Nobody()
    return _after_dial(live, verb, base, _outcome(child))


def _outcome(child: TwilioCall) -> dict[str, str]:
    connected = child.call.answered_at is not None
    return {
        "DialCallSid": child.call.id,
        "DialCallStatus": Status.COMPLETED if connected else child.call.status,
        **({"DialCallDuration": str(child.call.duration_s)} if connected else {}),
        "DialBridged": "true" if connected else "false",
    }


async def _report(
    live: TwilioCall, verb: twiml.Dial, base: str, child: TwilioCall, living: asyncio.Task[None]
) -> None:
    await first_of(living)
    document = _after_dial(live, verb, base, _outcome(child))
    if document is not None:
        with suppress(DocumentUnavailable):
            await live.fetch(document)


def _after_dial(live: TwilioCall, verb: twiml.Dial, base: str, facts: dict[str, str]) -> Document | None:
    if not verb.action:
        return None
    return Document(url=urljoin(base, verb.action), method=verb.method, facts=facts)


def _child(live: TwilioCall, verb: twiml.Dial, base: str) -> TwilioCall:
    parent, now = live.call, live.network.clock.now()
    call = Call(
        id=new_sid("CA"),
        account=parent.account,
        to=verb.number,
        from_=verb.caller_id or parent.from_,
        direction=Direction.OUTBOUND_DIAL,
        callee=live.network.subscriber_at(verb.number),
        created_at=now,
        updated_at=now,
        parent_id=parent.id,
    )
    wishes = Wishes(
        status_callback=StatusCallback(
            url=urljoin(base, verb.status_callback) if verb.status_callback else "",
            method=verb.status_callback_method,
            events=verb.status_callback_events,
        ),
        ring_timeout_s=verb.timeout_s,
        time_limit_s=verb.time_limit_s,
    )
    return TwilioCall(live.shared, call, wishes, _stay)


async def _stay(live: TwilioCall) -> None:
    """A dialled party stays until one side hangs up: `live` is cancelled then."""
    await asyncio.Event().wait()


async def _ring_back(live: TwilioCall) -> None:
    while True:
        await play(live, tones.ringback(RINGBACK_MS))
