"""Closed questions: the route that was meant, another one, or none."""

from collections.abc import Sequence

from bench.talk.plans import AfterTurn, Plan, Says
from bench.talk.playing import Played
from bench.talk.situations.situation import DAY, RATING, YES_NO, Judged, Situation, noted, route
from outdial.testing.line_audio import Line

ANSWERS = (
    (YES_NO, "Yes.", "yes"), (YES_NO, "Yeah.", "yes"), (YES_NO, "Yes, please.", "yes"), (YES_NO, "Sure, it is.", "yes"),
    (YES_NO, "That works.", "yes"), (YES_NO, "No.", "no"), (YES_NO, "No, sorry.", "no"), (YES_NO, "Not really.", "no"),
    (DAY, "Thursday.", "thursday"), (DAY, "Friday.", "friday"), (DAY, "Thursday, please.", "thursday"),
    (DAY, "On Friday would be better.", "friday"), (RATING, "Eight.", "8"), (RATING, "Ten.", "10"),
    (RATING, "Six.", "6"),
)  # fmt: skip
LINES = {
    "clean": Line(),
    "noise at 20 dB": Line(noise_db=20),
    "noise at 10 dB": Line(noise_db=10),
    "12 dB quieter": Line(gain_db=-12),
    "6 dB louder": Line(gain_db=6),
    "3 % of frames lost": Line(lost=0.03),
}
EVERY = {"clean": 1, "noise at 20 dB": 1}  # of all answers; of the others every …
THIRD = 3
DENIALS_OF = ("It isn't.", "It's not.", "I can't.", "No, it isn't.")


def _plans(voices: Sequence[str]) -> list[Plan]:
    answers = [(voice, *answer) for voice in voices for answer in ANSWERS]
    return [
        Plan(
            kind="closed",
            row=row,
            script=script,
            steps=(AfterTurn(), Says((text,))),
            voice=voice,
            line=line,
            expected=expected,
            seed=place,
        )
        for row, line in LINES.items()
        for place, (voice, script, text, expected) in enumerate(answers)
        if place % EVERY.get(row, THIRD) == 0
    ]


def _judge(plan: Plan, played: Played) -> Judged:
    reply_ms = played.reply_ms(played.utterances[0]) if played.utterances else None
    return Judged(found=route(plan, played), took_ms={} if reply_ms is None else {"reply": float(reply_ms)})


CLOSED = Situation(
    name="closed", plans=_plans, judge=_judge, at_least={"right": 0.88, "right, clean": 0.93}, at_most={"wrong": 0.01}
)


def _denial_plans(voices: Sequence[str]) -> list[Plan]:
    return [
        Plan(
            kind="denials",
            row=row,
            script=YES_NO,
            steps=(AfterTurn(), Says((text,))),
            voice=voice,
            line=LINES[row],
            expected="no",
            seed=place,
        )
        for row in ("clean", "noise at 20 dB")
        for place, (voice, text) in enumerate((voice, text) for voice in voices for text in DENIALS_OF)
    ]


def _judge_denial(plan: Plan, played: Played) -> Judged:
    return Judged(found={"taken for yes": noted(played) == "yes"})


DENIALS = Situation(name="denials", plans=_denial_plans, judge=_judge_denial, at_most={"taken for yes": 0})
