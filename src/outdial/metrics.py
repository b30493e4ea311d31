"""What a process measures of itself while it works, for Prometheus: api/metrics.py shows it.

Labels are closed sets (a carrier, a word of ours): a workspace or a number is none, however many there are. What a
restart mustn't lose is in the database and isn't counted here.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

_SHORT_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_TURN_S = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
_ANSWER_S = (2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 120.0)


def _counter(name: str, about: str, *labels: str) -> Counter:
    return Counter(f"outdial_{name}", about, labels, registry=REGISTRY)


def _histogram(name: str, about: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(f"outdial_{name}_seconds", about, labels, buckets=buckets, registry=REGISTRY)


def _gauge(name: str, about: str, *labels: str) -> Gauge:
    return Gauge(f"outdial_{name}", about, labels, registry=REGISTRY)


# Calls, by the process that took their change in.
ATTEMPTS_ENDED = _counter(
    "attempts_ended",
    "Dials and calls that came in, by how they ended",
    "carrier",
    "end_reason",
    "error",
)
CALLS_ENDED = _counter(
    "calls_ended", "Calls that are over, with the last of their attempts", "direction", "end_reason", "outcome"
)
ANSWERED_AFTER = _histogram("answer", "From an attempt's beginning until the phone was answered", _ANSWER_S, "carrier")
CALLBACKS = _counter("callbacks", "Callbacks of carriers, by what became of them", "carrier", "result")
LINES_CORRECTED = _counter("pools_corrected", "Pools whose counted lines were wrong: each is a fault of ours")

# Conversations of this process.
TALKING = _gauge("conversations", "Conversations under way in this process")
TURN = _histogram("turn_latency", "From the callee's last sound to the agent's first", _TURN_S)
PACER_LATE = _histogram("pacer_late", "How late the clock that sends calls' audio ticked", _SHORT_S)
VOICE_LAG = _histogram("voice_detection", "A batch of voice detection, from its beginning to its end", _SHORT_S)
RECOGNITION_WAIT = _histogram("recognition_wait", "What ended a turn waited for a recogniser", _SHORT_S)
RECOGNITIONS_WAITING = _gauge("recognitions_waiting", "Words that wait for a recogniser")
SPEECH_REPLACED = _counter(
    "speech_replaced", "Speech vendors that failed in a call and are asked no more in it", "part", "vendor", "fault"
)
PREVIEW_CHARACTERS = _counter("speech_preview_characters", "Characters that vendors spoke in previews", "vendor")

# The process.
LOOP_LATE = _histogram("event_loop_late", "How late the event loop woke who had asked for it", _SHORT_S)
DATABASE_CONNECTIONS = _gauge("database_connections", "Pooled connections to PostgreSQL", "state")

# A replica that history is read at, where there is one.
REPLICA_IN_USE = _gauge("replica_in_use", "Whether the replica is asked: 1, or 0 where it can't be or there is none")
REPLICA_LAG = _gauge("replica_lag_seconds", "How old what the replica tells may be; NaN where that isn't known")
REPLICA_LAG.set(float("nan"))
HISTORY_READS = _counter("history_reads", "Lists, searches, exports and figures, by where they were read", "result")
for _place in ("primary", "replica"):
    HISTORY_READS.labels(_place)
