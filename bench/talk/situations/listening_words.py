"""Words that only say "I'm listening": over a statement they stop nobody, over a question they answer nothing yet."""

from collections.abc import Sequence
from functools import cache
from itertools import product

from bench.talk.plans import AfterTurn, OnSpeech, Plan, Says, Waits
from bench.talk.playing import Played, play
from bench.talk.situations.situation import STATEMENT, Judged, Situation, noted, question
from bench.talk.voices import EVERYWHERE

WORDS = ("Yeah.", "Okay.", "Uh huh.", "Right.", "I see.", "Sure.")
PAUSE_MS = 800  # longer than in the statement itself, whose longest pause is one between two sentences
OTHERWISE_MS = 800  # so much more or less of our voice: a part was said again, or not at all

CONSENT = question(
    "I have you down for a cleaning with Doctor Miller on Tuesday the fourteenth at nine in the morning, which takes "
    "about one hour and costs eighty dollars, do you agree to that?",
    ["{name: yes, words: [yes]}", "{name: no, words: [no]}"],
    retries=1,
)
NO = (AfterTurn(), Says(("No, I don't.",)))
EARLY_WORDS = ("Okay.", "Yeah.", "Right.", "Hello, this is she.")


def _backchannels(voices: Sequence[str]) -> list[Plan]:
    return [
        Plan(
            kind="backchannels",
            row="over a statement",
            script=STATEMENT,
            steps=(OnSpeech(), Waits(2600 + 700 * (place % 5)), Says((word,))),
            voice=voice,
        )
        for place, (voice, word) in enumerate(product(voices, WORDS))
    ]


@cache
def _undisturbed() -> Played:
    plan = Plan(kind="backchannels", row="", script=STATEMENT, steps=(), voice=EVERYWHERE[0])
    return play(plan)


def _judge_backchannel(plan: Plan, played: Played) -> Judged:
    """By ear: a pause that wasn't there, or speech that was said again or left out."""
    pause_ms = played.longest_pause_ms()
    otherwise_ms = abs(played.spoken_ms() - _undisturbed().spoken_ms())
    return Judged(
        found={"stopped": pause_ms > PAUSE_MS or otherwise_ms > OTHERWISE_MS},
        took_ms={"longest pause": float(pause_ms)},
    )


BACKCHANNELS = Situation(
    name="backchannels", plans=_backchannels, judge=_judge_backchannel, at_most={"stopped": 1 / 24}
)


def _early(voices: Sequence[str]) -> list[Plan]:
    """Half the callees say no more than that, the others say no when they were asked."""
    return [
        Plan(
            kind="early",
            row="then silent" if expected is None else "then no",
            script=CONSENT,
            steps=(Waits(200), OnSpeech(), Waits(after_ms), Says((word,)), *(NO if expected else ())),
            voice=voice,
            expected=expected,
        )
        for voice, (word, after_ms) in product(voices, zip(EARLY_WORDS, (4500, 3200, 5600, 1500), strict=True))
        for expected in (None, "no")
    ]  # fmt: skip


def _judge_early(plan: Plan, played: Played) -> Judged:
    value = noted(played)
    return Judged(found={"right": value == plan.expected, "taken for consent": value == "yes"})


EARLY = Situation(
    name="early", plans=_early, judge=_judge_early, at_most={"taken for consent": 0}, at_least={"right": 0.9}
)
