"""Callees who ask for a moment get it."""

from collections.abc import Sequence
from itertools import product

from bench.talk.plans import AfterTurn, OnSpeech, Plan, Says, Waits
from bench.talk.playing import Played
from bench.talk.situations.situation import REMINDER, STATEMENT, Judged, Situation, noted
from outdial.testing.line_audio import Line

REQUESTS = ("Okay, hold on.", "One moment, please.", "Hang on a second.", "Give me a second, I'm getting a pen.")
AWAY_MS = 8000
OF_COURSE_MS = 1500  # as much as the agent may say to that; a question again is longer
STOPPED_MS = 1000


def _plans(voices: Sequence[str]) -> list[Plan]:
    return [
        Plan(
            kind="hold on",
            row="after a question",
            script=REMINDER,
            steps=(AfterTurn(), Says((request,)), Waits(AWAY_MS), Says(("No, it doesn't.",))),
            voice=voice,
            expected="no",
        )
        for voice, request in product(voices, REQUESTS)
    ]


def _judge(plan: Plan, played: Played) -> Judged:
    if len(played.utterances) < 2:  # the agent had hung up
        return Judged(found={"right": False, "taken for an answer": noted(played) is not None, "not waited": True})
    asked, back = played.utterances
    spoke_ms = played.spoken_ms(asked.end_ms, back.start_ms)
    return Judged(
        found={
            "right": noted(played) == plan.expected,
            "taken for an answer": noted(played) not in (None, plan.expected),
            "not waited": spoke_ms > OF_COURSE_MS,
        }
    )


HOLD_ON = Situation(
    name="hold on", plans=_plans, judge=_judge, at_least={"right": 0.9},
    at_most={"taken for an answer": 0, "not waited": 0.05},
)  # fmt: skip


def _moment_plans(voices: Sequence[str]) -> list[Plan]:
    return [
        Plan(
            kind="wait a moment",
            row="over a statement",
            script=STATEMENT,
            steps=(OnSpeech(), Waits(after_ms), Says(("Wait a moment.",))),
            voice=voice,
            line=Line(),
        )
        for voice, after_ms in product(voices, (2500, 5100))
    ]


def _judge_moment(plan: Plan, played: Played) -> Judged:
    """Stopped, and silent for two seconds at least but for a short word."""
    utterance = played.utterances[0]
    silenced_ms = played.silenced_ms(utterance)
    after_ms = utterance.start_ms + STOPPED_MS
    return Judged(
        found={
            f"stopped within {STOPPED_MS} ms": silenced_ms is not None and silenced_ms <= STOPPED_MS,
            "talked on": played.spoken_ms(after_ms, after_ms + 3000) > 1500,
        }
    )


WAIT_A_MOMENT = Situation(
    name="wait a moment", plans=_moment_plans, judge=_judge_moment,
    at_least={f"stopped within {STOPPED_MS} ms": 0.9}, at_most={"talked on": 0.1},
)  # fmt: skip
