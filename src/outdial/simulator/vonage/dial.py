"""The connect action to a phone: somebody else is called, and the two hear each other."""

from dataclasses import replace
from functools import partial

from outdial.media import tones
from outdial.simulator.background import Background
from outdial.simulator.line import Nobody, ends
from outdial.simulator.vonage.account import VonageAccount
from outdial.simulator.vonage.answered_by import detect
from outdial.simulator.vonage.call import PhoneLeg, Wishes, detection
from outdial.simulator.vonage.connect import Report
from outdial.simulator.vonage.legs import digits
from outdial.simulator.vonage.ncco import Connect, Ncco, PhoneEndpoint
from outdial.simulator.vonage.sound import press
from outdial.simulator.vonage.webhooks import Webhook
from outdial.simulator.waiting import first_of, run_until

RINGBACK_MS = 6000
ANONYMOUS = "unknown"


async def connect_phone(
    account: VonageAccount,
    live: PhoneLeg,
    action: Connect,
    endpoint: PhoneEndpoint,
    webhook: Webhook | None,
    report: Report,
) -> Ncco | None:
    """Until one of the two hangs up, or the other is transferred away.

    `report` is told when nobody answers a synchronous connect.
    """
    if not account.may_dial():
        live.complain("Too many calls per second: the connect action was not executed.")
        return None
    child = _child(account, live, action, endpoint, webhook)
    living = account.start(child)
    left = False
    try:
        await run_until(_ring_back(live), child.answered, living)
        if child.line is not None and not child.over:
            live.audio.party, child.audio.party = ends()
        await first_of(living, child.redirected)
        left = not living.done()
    finally:
        live.audio.party = child.audio.party = Nobody()
        if not left:
            child.hang_up()
    return await report(child.unreported) if child.unreported is not None else None


def _child(
    account: VonageAccount, live: PhoneLeg, action: Connect, endpoint: PhoneEndpoint, webhook: Webhook | None
) -> PhoneLeg:
    application = live.application
    caller = digits(action.from_)
    if action.random_from_number:
        caller = next((n.msisdn for n in account.numbers.values() if n.app_id == application.id), "")
    wishes = Wishes(
        event=webhook,
        asks=action.event_type == "synchronous" and webhook is not None,
        ring_timeout_s=action.timeout,
        time_limit_s=action.limit,
        send_digits=endpoint.dtmf_answer or "",
        detection=detection(action.machine_detection, action.advanced_machine_detection),
    )
    return account.place(
        to=f"+{digits(endpoint.number)}",
        from_=f"+{caller}" if caller.isdigit() else ANONYMOUS,
        application=application,
        wishes=wishes,
        converse=partial(_stay, account),
        parent=live,
    )


async def _stay(account: VonageAccount, live: PhoneLeg) -> None:
    """A connected party stays until one side hangs up (`live` is cancelled then) or it is transferred."""
    if live.wishes.send_digits:
        await press(live, live.wishes.send_digits)
    async with Background() as background:
        if live.wishes.detection is not None:
            background.start(detect(live, live.wishes.detection))
        await first_of(live.redirected)
    live.wishes = replace(live.wishes, answer=[], send_digits="", detection=None)
    await account.converse(live)  # finds where it was redirected to


async def _ring_back(live: PhoneLeg) -> None:
    while True:
        await live.audio.play(tones.ringback(RINGBACK_MS))
