"""A span as it is sent, before OpenTelemetry's own library sees it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from outdial.tracing.context import TraceContext

# Never a number, nor what anybody said, nor a secret.
Attributes = Mapping[str, str | int | float | bool]


class SpanKind(StrEnum):
    """OpenTelemetry's: `server` answers somebody's request, `client` asks somebody."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanEvent:
    name: str
    at: datetime
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """`parent` None: it is the first of its trace; `is_remote`: the parent is somebody else's. `error`: a word for why
    it failed, None where it didn't."""

    name: str
    context: TraceContext
    parent: TraceContext | None
    began_at: datetime
    ended_at: datetime
    is_remote: bool = False
    kind: SpanKind = SpanKind.INTERNAL
    attributes: Attributes = field(default_factory=dict)
    events: Sequence[SpanEvent] = ()
    error: str | None = None


def child(
    parent: Span,
    name: str,
    when: tuple[datetime, datetime],
    *,
    id_: int,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes | None = None,
    events: Sequence[SpanEvent] = (),
    error: str | None = None,
) -> Span:
    """Of another span, from an instant to another. It doesn't end before it began, whatever the clocks say that its
    instants are of."""
    return Span(
        name=name,
        context=parent.context.child(id_),
        parent=parent.context,
        began_at=when[0],
        ended_at=max(when),
        kind=kind,
        attributes=attributes or {},
        events=events,
        error=error,
    )


def known(attributes: Mapping[str, str | int | float | bool | None]) -> Attributes:
    """Those that there is something to say of."""
    return {name: value for name, value in attributes.items() if value is not None}
