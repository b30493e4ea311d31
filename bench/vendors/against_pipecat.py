"""`pipecat`: the same conversations by Outdial and by Pipecat, one after the other in the same run: against the same
simulated vendors, model and carrier, with callees that follow the same script, the server on the same core."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench import load, machine
from bench.callee import Manner
from bench.figures import Figure, Result, median, percentile
from bench.load import Step
from bench.options import Options
from bench.processes import Child
from bench.scene import MODEL_URL, Scene, model_for, scene, simulated_vendors, stage, wait_until
from bench.vendors.measuring import SPOKEN_TALK, Turn, cpu_of_a_call, joined, row, told

FEW = 5
OURS = (FEW, 60, 90, 120, 150, 180)
THEIRS = (FEW, 10, 15, 20, 25, 30, 40, 50)
ROUNDS = 1
AIM = 4.0              # times as many calls
SLOWER_MS = 100.0      # than with few calls, at p95: then there are too many
GAPS_SHARE = 0.01      # of the agent's utterances, with a gap longer than a callee overhears

GREETING = "Hello, this is the automated assistant of Riverside Dental. Which day suits you best?"
INSTRUCTIONS = """You are the automated assistant of Riverside Dental, and talk to somebody at {number} about an
appointment. Find out which day suits them, and whether they come alone. Be friendly and brief."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What was heard at a number of calls."""

    step: Step
    turns: Sequence[Turn]

    @property
    def turn_p95_ms(self) -> float:
        return percentile([turn.heard for turn in self.turns], 95)

    def keeps_up(self, few: "Heard") -> bool:
        """As well as with few calls, and nobody is left without an answer or hears a broken one."""
        heard = self.step.heard
        return (
            self.turn_p95_ms < few.turn_p95_ms + SLOWER_MS
            and heard["unanswered"] == 0
            and heard["long_gaps"] <= GAPS_SHARE * max(1, heard["utterances"])
        )


def pipecat(options: Options) -> Result:
    if options.pipecat is None:
        return Result(
            name="pipecat",
            title="Outdial and Pipecat",
            notes=["Left out: --pipecat names the Python of an environment that has Pipecat, see bench/README.md."],
        )
    ours: list[list[Heard]] = []
    theirs: list[list[Heard]] = []
    for _ in range(options.pick(ROUNDS, 1)):
        ours.append(_climb(_outdial(options), options.pick(OURS, (1,))))
        theirs.append(_climb(_pipecat(options), options.pick(THEIRS, (1,))))
    held, their_held = ([_held(climbed) for climbed in all_] for all_ in (ours, theirs))
    ratios = [a / max(1, b) for a, b in zip(held, their_held, strict=True)]
    at_few = [[climbed[0].turn_p95_ms for climbed in all_] for all_ in (ours, theirs)]
    at_most = [[_at(climbed, _held(climbed)).turn_p95_ms for climbed in all_] for all_ in (ours, theirs)]
    cpu = [[cpu_of_a_call(_at(climbed, _held(climbed)).step) for climbed in all_] for all_ in (ours, theirs)]
    return Result(
        name="pipecat",
        title="Outdial and Pipecat: conversations on one core, with vendors' speech and a model",
        figures=[
            Figure(name="conversations, Outdial", value=median(held), unit=""),
            Figure(name="conversations, Pipecat", value=median(their_held), unit=""),
            Figure(name="ratio, median of the pairs", value=median(ratios), unit="", target=AIM, at_least=True),
            Figure(name=f"turn with {FEW} conversations, p95, Outdial", value=median(at_few[0]), unit="ms"),
            Figure(name="the same, Pipecat", value=median(at_few[1]), unit="ms"),
            Figure(name="turn with as many as held, p95, Outdial", value=median(at_most[0]), unit="ms"),
            Figure(name="the same, Pipecat", value=median(at_most[1]), unit="ms"),
            Figure(name="CPU of each of them, Outdial", value=median(cpu[0]), unit="ms a second"),
            Figure(name="the same, Pipecat", value=median(cpu[1]), unit="ms a second"),
        ],
        rows=[
            {"who": who, "round": number, **_short(one)}
            for number, pair in enumerate(zip(ours, theirs, strict=True), 1)
            for who, climbed in zip(("Outdial", "Pipecat"), pair, strict=True)
            for one in climbed
        ],
        notes=[
            "A turn: from the callee's last voiced frame to the agent's first. In it are 400 ms of silence until the "
            "recogniser tells that it has ended, the model's 300 ms and tokens, and the voice's 120 ms.",
            f"A number of conversations is held while p95 of a turn is less than {SLOWER_MS:g} ms longer than with "
            f"{FEW}, every callee is answered within 6 s, and at most one utterance of a hundred has a gap of more "
            "than 60 ms.",
        ],
    )


Measure = Callable[[int], Heard]


def _climb(measuring: Any, levels: Sequence[int]) -> list[Heard]:
    """Until a level fails twice; the last one is the one that failed."""
    found: list[Heard] = []
    with measuring as measure:
        for level in levels:
            found.append(measure(level))
            if not found[-1].keeps_up(found[0]):
                again = measure(level)
                found[-1] = again
                if not again.keeps_up(found[0]):
                    break
    return found


def _held(climbed: Sequence[Heard]) -> int:
    return max((one.step.calls for one in climbed if one.keeps_up(climbed[0])), default=0)


def _at(climbed: Sequence[Heard], calls: int) -> Heard:
    return next((one for one in climbed if one.step.calls == calls), climbed[0])


def _short(one: Heard) -> dict[str, Any]:
    left_out = ("gaps", "turn p50", "added p50", "p95")
    return {name: value for name, value in row(one.step, one.turns).items() if name not in left_out}


@contextmanager
def _outdial(options: Options) -> Iterator[Measure]:
    with scene(manner=Manner.WAITS, script=SPOKEN_TALK, preferred=options.preferred, vendors=True) as started:

        def measure(calls: int) -> Heard:
            load.raise_to(started, calls, options)
            return _listen(started, options)

        yield measure


@contextmanager
def _pipecat(options: Options) -> Iterator[Measure]:
    """PostgreSQL runs, and does nothing."""
    core = machine.SERVER_CORE if machine.can_pin() else None
    with (
        stage(Manner.WAITS) as staged,
        model_for(MODEL_URL, staged, tagged=True) as model,
        simulated_vendors(staged) as vendors,
    ):
        assert model is not None
        config = {
            "core": core,
            "recognition": "flux",
            "model_url": model.hello["url"],
            "vendors_url": "ws" + vendors.hello["url"].removeprefix("http"),
            "greeting": GREETING,
            "instructions": INSTRUCTIONS,
        }
        bot = Child("bench.vendors.pipecat_bot", config, staged.data_dir / "pipecat.log", python=options.pipecat)
        started = _Answering(bot, staged.carrier, staged.postgres, model, vendors, preferred=options.preferred)
        try:
            started.prefer()

            def measure(calls: int) -> Heard:
                numbers = [f"+1555{number:07}" for number in range(started.placed + 1, calls + 1)]
                for number in numbers:
                    started.carrier.ask("connect", url=bot.hello["url"], numbers=[number])
                    time.sleep(0.1)  # a pipeline takes a while to be put together
                started.placed = max(started.placed, calls)
                wait_until(lambda: staged.carrier.ask("calls") >= calls, f"{calls} media streams")
                time.sleep(options.settle_s)
                return _listen(started, options)

            yield measure
        finally:
            bot.stop()


class _Answering(Scene):
    """A Scene whose server has no API."""

    def _reach(self) -> None:
        pass


def _listen(started: Scene, options: Options) -> Heard:
    told(started)
    step = load.listen(started, options.pick(options.listen_s(20), 14.0))
    return Heard(step=step, turns=joined(*told(started)))
