"""The first seconds: people say "Hello?", and machines say a lot."""

from collections.abc import Sequence
from itertools import product

from bench.talk.plans import HangsUp, Plan, Says, Waits
from bench.talk.playing import Played
from bench.talk.situations.situation import REMINDER, Judged, Situation, noted
from outdial.conversation.opening import Greet

HELLOS = ("Hello?", "Hello, this is Anna speaking.", None)
BEGINS_MS = 2500  # at the latest
GREETINGS = (
    "Hi, you have reached the Millers. We can't come to the phone right now. Please leave a message after the tone.",
    "The person you are trying to reach is not available. At the tone, please record your message.",
    "Please state your name and the reason for your call, and I'll see if this person is available.",
)


def _plans(voices: Sequence[str]) -> list[Plan]:
    return [
        Plan(
            kind="opening",
            row="silence" if hello is None else "hello",
            script=REMINDER,
            steps=(Waits(500), *((Says((hello,)),) if hello else ()), Waits(9000), HangsUp()),
            voice=voice,
            greet=Greet.AFTER_HELLO,
        )
        for voice, hello in product(voices, HELLOS)
        if hello or voice == voices[0]
    ]


def _judge(plan: Plan, played: Played) -> Judged:
    begins_ms = next((place * 20 for place, heard in enumerate(played.agent) if heard), 60_000)
    found = {
        "begun too late": begins_ms > BEGINS_MS + (played.utterances[0].end_ms if played.utterances else 0),
        "talked over": bool(played.utterances) and begins_ms < played.utterances[0].end_ms,
        "taken for an answer": noted(played) is not None,
    }
    reply_ms = played.reply_ms(played.utterances[0]) if played.utterances and not found["talked over"] else None
    return Judged(found=found, took_ms={} if reply_ms is None else {"reply": float(reply_ms)})


HELLO = Situation(
    name="opening", plans=_plans, judge=_judge,
    at_most={"begun too late": 0, "talked over": 0.1, "taken for an answer": 0},
)  # fmt: skip


def _machine_plans(voices: Sequence[str]) -> list[Plan]:
    return [
        Plan(
            kind="machine", row="greeting", script=REMINDER, steps=(Waits(700), Says((greeting,))), voice=voice,
            greet=Greet.AFTER_HELLO,
        )
        for voice, greeting in product(voices, GREETINGS)
    ]  # fmt: skip


def _judge_machine(plan: Plan, played: Played) -> Judged:
    return Judged(found={"taken for an answer": noted(played) is not None})


MACHINE = Situation(name="machine", plans=_machine_plans, judge=_judge_machine, at_most={"taken for an answer": 0})
