"""What Outdial itself adds to a turn: speech engines answer at once, so all that is left is ours."""

from bench import load
from bench.callee import Manner
from bench.figures import Figure, Result, median, percentile
from bench.options import Options
from bench.scene import scene

CALLS = 50
TARGET_MS = 15.0
SILENCE_MS = 500  # of the callee, that ends an utterance: the agents' setting


def turn_latency(options: Options) -> Result:
    with scene(manner=Manner.TALKS, preferred=options.preferred) as started:
        load.raise_to(started, options.pick(CALLS, 2), options)
        started.server.ask("turns")
        step = load.listen(started, options.listen_s(40))
        turns = started.server.ask("turns")
    spoke, sent = [turn[0] for turn in turns], [turn[1] for turn in turns]
    heard = [reply * 1000 - SILENCE_MS for reply in step.heard["replies_s"]]
    figures = [
        Figure(name="decision to first frame sent, p50", value=median(sent), unit="ms"),
        Figure(name="decision to first frame sent, p99", value=percentile(sent, 99), unit="ms", target=TARGET_MS),
        Figure(name="decision to first frame sent, max", value=max(sent, default=0.0), unit="ms"),
        Figure(name="of it until the agent speaks, p50", value=median(spoke), unit="ms"),
        Figure(name="end of speech to reply heard, less the 500 ms of silence, p50", value=median(heard), unit="ms"),
        Figure(name="the same, p99", value=percentile(heard, 99), unit="ms"),
    ]
    return Result(
        name="turn_latency",
        title=f"Latency added to a turn, with {step.calls} calls",
        figures=figures,
        rows=[step.row()],
        notes=[
            f"{len(turns)} turns. The first figures are taken in the server, from the moment the callee's silence was "
            "long enough until the first frames of the reply were handed to the system.",
            "The last two are taken outside, by the carrier: they include voice detection (windows of 32 ms, worked "
            "off every 30 ms) and both ways through the network stack.",
        ],
    )
