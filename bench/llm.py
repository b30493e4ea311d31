"""What Outdial adds to a turn of a conversation that a model leads: speech engines answer at once, and the model after
a time of its own, so all that is left is ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench import load, model
from bench.callee import Manner
from bench.figures import Figure, Result, median, percentile
from bench.options import Options
from bench.scene import Scene, scene

CALLS = 60
TARGET_MS = 15.0
SENTENCE_MS = 60.0

TALK = """
greet: at_once
agent: {name: Talk}
model: bench
base_url: MODEL_URL
greeting: Hello, this is the automated assistant of Riverside Dental. Which day suits you best?
instructions: |
  You are the automated assistant of Riverside Dental, and talk to somebody at {user_number} about an appointment.
  Find out which day suits them, and whether they come alone. Be friendly and brief.
outcomes: {booked: A day was found., declined: They don't want one.}
facts: {day: The day that suits them., party_size: {about: How many come., type: integer}}
transfers: {desk: {to: "+12025550177", about: the front desk}}
tools: [wait]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """In ms. `before`: from the decision that the callee has finished until the model had the request; `after`: from
    the token that ends the model's first sentence until the callee's carrier had the first frame."""

    before: float
    after: float


def llm(options: Options) -> Result:
    with scene(manner=Manner.TALKS, script=TALK, preferred=options.preferred) as started:
        load.raise_to(started, options.pick(CALLS, 2), options)
        _told(started)
        step = load.listen(started, options.pick(options.listen_s(40), 12.0))
        turns = joined(*_told(started))
        warnings = {**started.server.warnings(), **started.carrier.warnings()}
    added = [turn.before + turn.after for turn in turns]
    cpu_ms = step.work.cpu_s["server"] * 1000 / max(1, len(turns))
    after = [turn.after for turn in turns]
    figures = [
        Figure(name="added to a turn, p50", value=median(added), unit="ms"),
        Figure(name="added to a turn, p99", value=percentile(added, 99), unit="ms", target=TARGET_MS),
        Figure(name="of it before the model is asked, p50", value=median(turn.before for turn in turns), unit="ms"),
        Figure(name="the same, p99", value=percentile([turn.before for turn in turns], 99), unit="ms"),
        Figure(name="token that ends the first sentence to its first frame, p50", value=median(after), unit="ms"),
        Figure(name="the same, p99", value=percentile(after, 99), unit="ms", target=SENTENCE_MS),
        Figure(name="CPU of the server for a turn, all of the call in it", value=cpu_ms, unit="ms"),
    ]
    said = "; ".join(f"{message} ({times} times)" for message, times in warnings.items())
    return Result(
        name="llm",
        title=f"Latency added to a model's turn, with {step.calls} conversations",
        figures=figures,
        rows=[step.row()],
        notes=[
            f"{len(turns)} turns. The model's first token comes {model.FIRST_TOKEN_S * 1000:g} ms after its request, "
            f"each other one {model.TOKEN_S * 1000:g} ms later; how late it is itself is in none of the figures.",
            "Added: from the decision that the callee has finished until the model has the request, and from the token "
            "that ends its first sentence until the carrier has the first frame. The decision is noted in the server, "
            "all else outside of it.",
            f"Logged meanwhile: {said or 'no warning'}.",
        ],
    )


def _told(started: Scene) -> tuple[list[Any], list[Any], list[Any]]:
    """Of each turn since the last time, what the server, the model and the carrier noted, the callee's number first."""
    assert started.model is not None
    return started.server.ask("decisions"), started.model.ask("answers"), started.carrier.ask("replies")


def joined(
    decisions: Sequence[Sequence[Any]], answers: Sequence[Sequence[Any]], replies: Sequence[Sequence[Any]]
) -> list[Turn]:
    """Of the same call, one after the other: the callee's last voice, the decision, the request, the token, the reply.
    What isn't there whole was under way when somebody was asked."""
    decided = _by_number(decisions)
    answered = _by_number(answers)
    turns = []
    for number, spoken_at, heard_at in replies:
        decision = [at for (at,) in decided.get(number, ()) if spoken_at < at < heard_at]
        answer = [times for times in answered.get(number, ()) if spoken_at < times[0] and times[2] < heard_at]
        if decision and answer:
            asked_at, _, ended_at = answer[-1]
            turns.append(Turn(before=(asked_at - decision[-1]) * 1000, after=(heard_at - ended_at) * 1000))
    return turns


def _by_number(noted: Sequence[Sequence[Any]]) -> Mapping[str, list[Sequence[float]]]:
    found: dict[str, list[Sequence[float]]] = {}
    for number, *times in noted:
        found.setdefault(number, []).append(times)
    return found
