"""Our own voice comes back from the callee's phone: it is never the callee. Whoever speaks over it still is."""

from collections.abc import Sequence
from itertools import product

from bench.talk.plans import OnSpeech, Plan, Says, Waits
from bench.talk.playing import Played
from bench.talk.situations.situation import REMINDER, STATEMENT, Judged, Situation, noted
from outdial.testing.line_audio import Line

LEVELS_DB = (-10, -15, -20, -25, -30, -35, -40, -45)
DELAYS_MS = (40, 160, 300, 600)
IN_TIME_MS = 450
AFTER_MS = (2500, 5000, 5900, 9000)  # where the statement itself has no pause that could be taken for silence
INTERRUPTIONS_WITH = ("Wait, I have a question about that.", "Sorry, which number did you call?")


def _echo_plans(voices: Sequence[str]) -> list[Plan]:
    lines = [
        Line(echo_db=db, echo_ms=ms, noise_db=36) for db, ms in product(LEVELS_DB, DELAYS_MS)
    ] + [Line(echo_db=db, echo_ms=160, noise_db=36, rough=True) for db in LEVELS_DB]  # fmt: skip
    return [
        Plan(
            kind="echo",
            row="rough" if line.rough else "plain",
            script=REMINDER,
            steps=(),
            voice=voices[0],
            line=line,
            seed=number,
        )
        for number, line in enumerate(lines)
    ]


def _judge_echo(plan: Plan, played: Played) -> Judged:
    return Judged(
        found={
            "calls interrupted": played.interrupted,
            "answered by ourselves": noted(played) is not None,
            "heard ourselves": bool(played.heard),
        }
    )


ECHO = Situation(
    name="echo",
    plans=_echo_plans,
    judge=_judge_echo,
    at_most={"calls interrupted": 0, "answered by ourselves": 0, "heard ourselves": 0},
)


def _interruption_plans(voices: Sequence[str]) -> list[Plan]:
    return [
        Plan(
            kind="interruptions",
            row="echo at -25 dB" if line.echo_db else "no echo",
            script=STATEMENT,
            steps=(OnSpeech(), Waits(after_ms), Says((text,))),
            voice=voice,
            line=line,
        )
        for line in (Line(), Line(echo_db=-25, noise_db=36))
        for voice, (text, after_ms) in product(voices, zip(INTERRUPTIONS_WITH * 2, AFTER_MS, strict=True))
    ]


def _judge_interruption(plan: Plan, played: Played) -> Judged:
    silenced_ms = played.silenced_ms(played.utterances[0]) if played.utterances else None
    in_time = silenced_ms is not None and silenced_ms <= IN_TIME_MS
    took = {} if silenced_ms is None else {"until silence": float(silenced_ms)}
    return Judged(found={f"stopped within {IN_TIME_MS} ms": in_time}, took_ms=took)


INTERRUPTIONS = Situation(
    name="interruptions",
    plans=_interruption_plans,
    judge=_judge_interruption,
    at_least={f"stopped within {IN_TIME_MS} ms": 0.9},
)
