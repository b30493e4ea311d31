"""Where a call stands among traces: W3C Trace Context, and ids that every process makes of the call's own. Pure.

Source: w3.org/TR/trace-context. A call is dialled by one process, talked on by another and ended by a third, hours
later: its ids are hashes, so that none of them has to ask another.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace

HEADER = "traceparent"
ROOT = "call"

# Version ff is none; a later version may have more behind the flags.
_FORM = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[\x21-\x7e]*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceContext:
    """A place in a trace. `is_sampled` None: it isn't decided yet whether the trace is kept."""

    trace_id: int  # 128 bits
    span_id: int   # 64 bits
    is_sampled: bool | None = None

    @property
    def trace(self) -> str:
        """The trace's id as everybody writes it."""
        return f"{self.trace_id:032x}"

    def child(self, span_id: int) -> "TraceContext":
        return replace(self, span_id=span_id)

    def header(self, *, is_sampled: bool) -> str:
        return f"00-{self.trace}-{self.span_id:016x}-{is_sampled:02x}"


# Of the request that a task handles: what its sender traces. The call that it stores takes it along.
arrived: ContextVar[str | None] = ContextVar("traceparent of the request", default=None)


def given(values: Sequence[str]) -> str | None:
    """The header as it is kept; None where it isn't one: then, says W3C, it was never there."""
    parsed = parse(values[0]) if len(values) == 1 else None
    return None if parsed is None else parsed.header(is_sampled=bool(parsed.is_sampled))


def beside(header: Mapping[str, str], theirs: Mapping[str, str]) -> dict[str, str]:
    """Headers of somebody's, and ours where they have none of that name: theirs says more."""
    has_one = any(name.lower() == HEADER for name in theirs)
    return dict(theirs) if has_one else {**theirs, **header}


def parse(header: str | None) -> TraceContext | None:
    found = None if header is None else _FORM.fullmatch(header.strip())
    if found is None or (found[1] == "00" and found[5]):
        return None
    trace_id, span_id = int(found[2], 16), int(found[3], 16)
    if not trace_id or not span_id:
        return None
    return TraceContext(trace_id=trace_id, span_id=span_id, is_sampled=bool(int(found[4], 16) & 1))


def of_call(call_id: str, traceparent: str | None) -> TraceContext:
    """The root span of a call: in the trace of the request that stored it, or in one of its own."""
    parent = parse(traceparent)
    trace_id = _hashed(16, "trace", call_id) if parent is None else parent.trace_id
    return TraceContext(
        trace_id=trace_id,
        span_id=span_id(call_id, ROOT),
        is_sampled=None if parent is None else parent.is_sampled,
    )


def span_id(call_id: str, *names: object) -> int:
    """Of a span of a call, by what it is."""
    return _hashed(8, call_id, *names)


def _hashed(size: int, *names: object) -> int:
    text = "\0".join(str(name) for name in names)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:size]) or 1  # zero is none
