"""Closed questions: the route that was meant, another one, or none."""

from collections.abc import Sequence

from bench.talk.plans import AfterTurn, Plan, Says
from bench.talk.playing import Played
from bench.talk.situations.situation import DAY, RATING, YES_NO, Judged, Situation, noted, question, route
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


def _choice(text: str, *words: str) -> str:
    return question(text, [f"{{name: {word}, words: [{word}]}}" for word in words])


# What people say instead of an answer: none of it may be taken for one. Neither these words nor these questions are
# those that the second opinion was fitted with (bench/talk/misheard.py).
HOME, SIZE = _choice("House or apartment?", "house", "apartment"), _choice("Small or large?", "small", "large")
CHOICES = (HOME, SIZE, DAY, RATING, YES_NO)
INSTEAD = (
    "Who's this?", "I'm not sure.", "I'd like to talk to a person.", "I'm at work.", "Is there a fee?", "Hard to say.",
    "Something else.", "It's complicated.", "Next week.", "He isn't home.", "Good evening.", "A different one.",
    "All of them.", "The baby is crying.", "Agent.",
)  # fmt: skip
OTHER_ANSWERS = (
    (HOME, "House.", "house"), (HOME, "Apartment.", "apartment"), (HOME, "A house.", "house"),
    (SIZE, "Small.", "small"), (SIZE, "Large.", "large"),
    (SIZE, "A large one.", "large"), (RATING, "Four.", "4"), (RATING, "Nine.", "9"),
)  # fmt: skip


def _misheard_plans(voices: Sequence[str]) -> list[Plan]:
    answers = [(text, script, expected) for script, text, expected in OTHER_ANSWERS]
    instead = [(text, CHOICES[place % len(CHOICES)], None) for place, text in enumerate(INSTEAD)]
    return [
        Plan(
            kind="misheard",
            row=f"{row}, {line}",
            script=script,
            steps=(AfterTurn(), Says((text,))),
            voice=voice,
            line=LINES[line],
            expected=expected,
            seed=place,
        )
        for line in ("clean", "noise at 20 dB")
        for row, said in (("an answer", answers), ("something else", instead))
        for place, (voice, (text, script, expected)) in enumerate((voice, one) for voice in voices for one in said)
    ]


def _judge_misheard(plan: Plan, played: Played) -> Judged:
    if plan.expected is None:
        return Judged(found={"taken for an answer": noted(played) is not None})
    return Judged(found=route(plan, played))


MISHEARD = Situation(
    name="misheard", plans=_misheard_plans, judge=_judge_misheard, at_least={"right": 0.88},
    at_most={"wrong": 0.01, "taken for an answer": 0.03},
)  # fmt: skip
