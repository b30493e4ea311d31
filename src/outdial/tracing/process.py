"""Whether this process traces, and what its parts tell of calls for that. Without tracing all of it does nothing.

As metrics are, this is the process's own: there is one exporter, and OTEL_* variables set it up.
"""

import secrets
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Protocol

from outdial.tracing.context import HEADER, TraceContext, of_call
from outdial.tracing.span import Span


class Tracing(Protocol):
    """Returns at once, all of it, and never fails."""

    def ended(self, call_id: str) -> None:
        """All is stored of a call that there will be."""
        ...

    def took(self, span: Span) -> None:
        """Something happened that is stored nowhere as a span can be made of it."""
        ...

    def samples(self, context: TraceContext) -> bool:
        """Whether this trace is kept."""
        ...


_tracing: Tracing | None = None
_call: ContextVar[TraceContext | None] = ContextVar("the call that this task talks on", default=None)


def switch(tracing: Tracing | None) -> None:
    """From now on (None: no more)."""
    global _tracing
    _tracing = tracing


def is_on() -> bool:
    return _tracing is not None


def call_ended(call_id: str) -> None:
    if _tracing is not None:
        _tracing.ended(call_id)


def took(span: Span) -> None:
    if _tracing is not None:
        _tracing.took(span)


def log_fields(call_id: str, traceparent: str | None) -> dict[str, str]:
    """For a line about a call."""
    return {} if _tracing is None else {"trace_id": of_call(call_id, traceparent).trace}


def about(call_id: str, traceparent: str | None) -> None:
    """What this task does from now on, and what it starts, is done on this call."""
    _call.set(None if _tracing is None else of_call(call_id, traceparent))


def new_header() -> Mapping[str, str]:
    """What somebody is told who is asked for something on this task's call: a span of its own, that others go on with.
    Nothing where nobody traces it."""
    context = _call.get()
    return {} if context is None else header_of(context.child(secrets.randbits(64) or 1))


def header_of(span: TraceContext) -> Mapping[str, str]:
    return {} if _tracing is None else {HEADER: span.header(is_sampled=_tracing.samples(span))}
