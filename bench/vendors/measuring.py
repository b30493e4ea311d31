"""`vendors`: what Outdial adds to a turn of a conversation in which a vendor listens, a model thinks and another vendor
speaks, each over a network connection of its own; and how many such conversations a core holds."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bench import load
from bench.callee import Manner
from bench.figures import Figure, Result, median, percentile
from bench.llm import TALK
from bench.load import Step
from bench.options import Options
from bench.scene import Scene, scene
from bench.vendors.tags import number_of

CALLS = 60
LEVELS = (60, 90, 120, 150, 180, 210, 240)
TARGET_MS = 15.0
WITHIN_S = 10.0  # of a turn's instants, from the callee's last voice on

SPEECH = """
agent:
  name: Talk
  recognition: deepgram/flux-general-en
  voice: cartesia/6ccbfb76-1fc6-48f7-b71d-91ac6298247b
"""
SPOKEN_TALK = TALK.replace("\nagent: {name: Talk}\n", SPEECH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """In ms, what passes between the instants at which somebody else has done their part. `before`: from the vendor's
    word that the callee's turn has ended until the model has the request; `between`: from the token that ends the
    model's first sentence until the voice has it; `after`: from the voice's first audio until the carrier has the first
    frame. `heard`: from the callee's last voiced frame to the agent's first, with all that others take."""

    before: float
    between: float
    after: float
    heard: float

    @property
    def added(self) -> float:
        return self.before + self.between + self.after


def vendors(options: Options) -> Result:
    levels = options.pick(LEVELS, (2,))
    steps: list[tuple[Step, list[Turn]]] = []
    with scene(manner=Manner.WAITS, script=SPOKEN_TALK, preferred=options.preferred, vendors=True) as started:
        for level in levels:
            load.raise_to(started, level, options)
            steps.append(_listen(started, options))
            if not holds(steps[-1][1]):
                steps.append(_listen(started, options))  # once more
            if not holds(steps[-1][1]):
                break
        warnings = {**started.server.warnings(), **started.carrier.warnings()}
    said = "; ".join(f"{message} ({times} times)" for message, times in warnings.items())
    step, turns = steps[0]
    held = [step.calls for step, turns in steps if holds(turns)]
    return Result(
        name="vendors",
        title=f"Latency added to a turn of {step.calls} conversations with vendors' speech",
        figures=[
            *figures(turns),
            Figure(name="CPU of the server, a call", value=cpu_of_a_call(step), unit="ms a second"),
            Figure(name="conversations on one core", value=max(held, default=0), unit="", target=60, at_least=True),
        ],
        rows=[row(step, turns) for step, turns in steps],
        notes=[
            "Added: from the recogniser's word that the turn has ended to the model's having the request, from the "
            "token that ends the model's first sentence to the voice's having it, and from the voice's first audio to "
            "the carrier's having the first frame. All of it is noted outside the server, by the simulated vendors, "
            "the model and the carrier; how late those are themselves is in none of it.",
            f"A number of conversations is held while p99 of what is added is under {TARGET_MS:g} ms; one that fails "
            "is listened to once more.",
            f"Logged meanwhile: {said or 'no warning'}.",
        ],
    )


def _listen(started: Scene, options: Options) -> tuple[Step, list[Turn]]:
    told(started)
    step = load.listen(started, options.pick(options.listen_s(25), 12.0))
    return step, joined(*told(started))


def figures(turns: Sequence[Turn]) -> list[Figure]:
    added = [turn.added for turn in turns]
    parts = {
        "end of turn to the model's request": [turn.before for turn in turns],
        "token that ends the first sentence to the voice": [turn.between for turn in turns],
        "voice's first audio to the first frame": [turn.after for turn in turns],
    }
    return [
        Figure(name="turns", value=len(turns), unit=""),
        Figure(name="added to a turn, p50", value=median(added), unit="ms"),
        Figure(name="added to a turn, p95", value=percentile(added, 95), unit="ms"),
        Figure(name="added to a turn, p99", value=percentile(added, 99), unit="ms", target=TARGET_MS),
        *(
            Figure(name=f"{part}, p{q}", value=percentile(values, q), unit="ms")
            for part, values in parts.items()
            for q in (50, 99)
        ),
    ]


def row(step: Step, turns: Sequence[Turn]) -> dict[str, Any]:
    added = [turn.added for turn in turns]
    return {
        "calls": step.calls,
        "turns": len(turns),
        "added p50": _rounded(median(added), 1),
        "p95": _rounded(percentile(added, 95), 1),
        "p99 ms": _rounded(percentile(added, 99), 1),
        "turn p50": _rounded(median(turn.heard for turn in turns)),
        "turn p95 ms": _rounded(percentile([turn.heard for turn in turns], 95)),
        "unanswered": step.heard["unanswered"],
        "gaps": step.heard["gaps"],
        "long gaps": step.heard["long_gaps"],
        "server %": round(step.work.percent["server"]),
        "ms/s a call": round(cpu_of_a_call(step), 2),
        "MB": round(step.work.resident_mb["server"]),
        "generator %": round(step.work.percent["carrier"]),
        "vendors and model %": round(step.work.percent["simulated"]),
        "generator late p99": round(step.heard["own_late_ms"]["p99"], 1),
        "foreign %": None if step.work.foreign_percent is None else round(step.work.foreign_percent, 1),
    }


def _rounded(value: float, digits: int | None = None) -> float | None:
    """None of no turns."""
    return None if math.isnan(value) else round(value, digits)


def holds(turns: Sequence[Turn]) -> bool:
    return percentile([turn.added for turn in turns], 99) < TARGET_MS


def cpu_of_a_call(step: Step) -> float:
    return step.work.percent["server"] * 10 / step.calls


def told(started: Scene) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
    """Of each turn since the last time, what the recogniser, the model, the voice and the carrier noted."""
    assert started.model is not None
    assert started.vendors is not None
    vendors = started.vendors
    return vendors.ask("ended"), started.model.ask("answers"), vendors.ask("spoken"), started.carrier.ask("replies")


def joined(
    ends: Iterable[Sequence[Any]],
    answers: Iterable[Sequence[Any]],
    spoken: Iterable[Sequence[Any]],
    replies: Iterable[Sequence[Any]],
) -> list[Turn]:
    """Of the same call, one after the other. What isn't there whole was under way when somebody was asked."""
    ended, said = _by_number(ends), _by_number(spoken)
    answered = _by_number((number_of(number), *times) for number, *times in answers if number)
    turns = []
    for number, spoken_at, heard_at in replies:
        key = number_of(number)
        end = [at for (at,) in ended.get(key, ()) if spoken_at < at < heard_at]
        answer = [times for times in answered.get(key, ()) if spoken_at < times[0] and times[2] < heard_at]
        voice = [times for times in said.get(key, ()) if spoken_at < times[0] and times[1] < heard_at]
        if end and answer and voice:
            asked_at, _, sentence_at = answer[-1]
            text_at, audio_at = voice[-1]
            turns.append(
                Turn(
                    before=(asked_at - end[-1]) * 1000,
                    between=(text_at - sentence_at) * 1000,
                    after=(heard_at - audio_at) * 1000,
                    heard=(heard_at - spoken_at) * 1000,
                )
            )
    return turns


def _by_number(noted: Iterable[Sequence[Any]]) -> dict[int, list[Sequence[float]]]:
    found: dict[int, list[Sequence[float]]] = {}
    for number, *times in noted:
        found.setdefault(number, []).append(times)
    return found
