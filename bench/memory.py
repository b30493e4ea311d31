"""What one more talking call costs in memory, beside the models and everything else that is there once."""

from itertools import pairwise

from bench import load
from bench.callee import Manner
from bench.figures import Figure, Result
from bench.options import Options
from bench.scene import scene

LEVELS = (50, 100, 200)
TARGET_MB = 1.0


def memory(options: Options) -> Result:
    with scene(manner=Manner.TALKS, preferred=options.preferred) as started:
        made = list(load.steps(started, options.pick(LEVELS, (2, 4)), options, options.listen_s(8)))
    rows = [{"calls": step.calls, "server MB": round(step.work.resident_mb["server"], 1)} for step in made]
    growth = [
        (after.work.resident_mb["server"] - before.work.resident_mb["server"]) / (after.calls - before.calls)
        for before, after in pairwise(made)
    ]
    return Result(
        name="memory",
        title="Memory of a talking call",
        figures=[Figure(name="per call", value=max(growth), unit="MB", target=TARGET_MB)],
        rows=rows,
        notes=["Growth of the resident set between two steps, for each call added; the larger of the two."],
    )
