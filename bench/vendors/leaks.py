"""`vendor_leaks`: what is left of two thousand short conversations with vendors' speech and a model, a third of their
connections and answers with a fault: nothing."""

from bench.callee import Manner
from bench.figures import Figure, Result
from bench.llm_leaks import SETTLE_S, left_after, more
from bench.options import Options
from bench.scene import scene
from bench.vendors.measuring import SPOKEN_TALK

CALLS = 2000
FIRST = 400
AT_ONCE = 90
KEPT = 9  # websockets of a voice that may be open between calls: see outdial.speech.voice.streamed
SHORT = SPOKEN_TALK.replace(
    "Hello, this is the automated assistant of Riverside Dental. Which day suits you best?", "Hello?"
)


def vendor_leaks(options: Options) -> Result:
    with scene(manner=Manner.WAITS, script=SHORT, preferred=options.preferred, vendors=True) as started:
        assert started.model is not None
        assert started.vendors is not None
        started.model.ask("be_bad")
        started.vendors.ask("be_bad")
        at_once = options.pick(AT_ONCE, 2)
        left = [left_after(started, calls, at_once) for calls in options.pick((FIRST, CALLS), (2, 4))]
        connected = started.vendors.ask("connected")
        faults = {"model": started.model.ask("asked"), "vendors": started.vendors.ask("faults")}
        logged = started.server.warnings()
    before, after = left
    told = "; ".join(
        f"{who}: " + ", ".join(f"{name} {times}" for name, times in sorted(of.items())) for who, of in faults.items()
    )
    return Result(
        name="vendor_leaks",
        title=f"What is left of {after.calls} conversations with vendors' speech and a model",
        figures=[*more(before, after), Figure(name="websockets to vendors", value=connected, unit="", target=KEPT + 1)],
        rows=[one.row() for one in left],
        notes=[
            f"At most {at_once} at once. Before: after {before.calls} calls; both are taken {SETTLE_S:g} s after the "
            "last call has ended, when a connection to the model and some websockets of the voice may be kept.",
            f"Answers and connections by their faults: {told}.",
            "Logged meanwhile: " + "; ".join(f"{message} ({times} times)" for message, times in logged.items()),
        ],
    )
