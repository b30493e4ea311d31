"""What Telnyx's own log of a call says (`/call_events`): the only place that tells cause and price after the fact.

Pure. An event's `metadata` "includes the raw event", in a form that isn't documented, so what is wanted is looked for
at any depth. Source: developers.telnyx.com, api-reference/debugging/list-call-events.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from outdial.carriers.telnyx import mapping
from outdial.carriers.telnyx.callbacks import TRANSFER_STATE
from outdial.telephony.carrier_call import CarrierCall
from outdial.telephony.price import Price
from outdial.telephony.state import CallState, Progress

MAX_DEPTH = 5

Events = list[dict[str, Any]]


def of_leg(events: Events, leg_id: str) -> Events:
    """The callbacks of one leg, oldest first."""
    ours = [
        each for each in events if each.get("call_leg_id") == leg_id and each.get("type", "webhook") == "webhook"
    ]
    latest = datetime.max.replace(tzinfo=UTC)
    return sorted(ours, key=lambda each: mapping.instant(each.get("event_timestamp")) or latest)


def legs(events: Events) -> list[str]:
    """The ids of the legs in a list, each once, in the order they come."""
    ids = (each.get("call_leg_id") for each in events)
    return list(dict.fromkeys(leg_id for leg_id in ids if isinstance(leg_id, str) and leg_id))


def may_be(events: Events, *, ref: str, to: str) -> bool:
    """Whether a leg can be the dial `ref` to this number. What the log does not say counts as yes: the list was asked
    for by number."""
    metadata = [each.get("metadata") for each in events]
    state = mapping.read_client_state(found(metadata, "client_state"))
    return state in ("", ref) and found(metadata, "to") in ("", to)


def has_ended(events: Events) -> bool:
    """Whether the log of a leg tells of its end."""
    return any(each.get("name") == "call.hangup" for each in events)


def is_transfer(events: Events, *, of: CarrierCall, to: str) -> bool:
    """Whether a leg of a call's session may be the other party's in a transfer of it to this number. What the log does
    not say counts as yes."""
    if any(each.get("call_leg_id") == of.refs.get("call_leg_id") for each in events):
        return False
    metadata = [each.get("metadata") for each in events]
    state = mapping.read_client_state(found(metadata, "client_state"))
    return state in ("", TRANSFER_STATE + of.id) and found(metadata, "to") in ("", to)


def progress(events: Events, *, call: CarrierCall, is_over: bool, at: datetime) -> Progress:
    """How far a leg has come by its events. `is_over`: the call's own record says that it has ended, at `at`."""
    times = {each.get("name"): mapping.instant(each.get("event_timestamp")) or at for each in events}
    answered_at = times.get("call.answered")
    if "call.hangup" in times or is_over:
        metadata = _metadata(events, "call.hangup")
        ended_at = times.get("call.hangup", at)
        ended = mapping.hangup(
            found(metadata, "hangup_cause") or "unspecified",
            sip_code=found(metadata, "sip_hangup_cause"),
            at=ended_at,
            carrier_call=call,
            answered=answered_at is not None,
        )
        return ended if answered_at is None else replace(ended, duration_s=_seconds(answered_at, ended_at))
    if answered_at is not None:
        return Progress(state=CallState.IN_PROGRESS, at=answered_at, carrier_call=call)
    return Progress(state=CallState.DIALING, at=times.get("call.initiated", at), carrier_call=call)


def price(events: Events) -> Price | None:
    """What a leg cost, where Telnyx has told it."""
    metadata = _metadata(events, "call.cost")
    return mapping.price(found(metadata, "total_cost"), found(metadata, "currency"))


def _metadata(events: Events, name: str) -> list[Any]:
    return [each.get("metadata") for each in events if each.get("name") == name]


def _seconds(start: datetime, end: datetime) -> float:
    return max(0.0, (end - start).total_seconds())


def found(values: Iterable[Any], name: str, depth: int = MAX_DEPTH) -> str:
    """The first text of this name, at any depth; empty when there is none."""
    deeper: list[Any] = []
    for value in values:
        if isinstance(value, Mapping):
            if isinstance(value.get(name), str):
                return str(value[name])
            deeper += value.values()
        elif isinstance(value, list):
            deeper += value
    return found(deeper, name, depth - 1) if deeper and depth > 0 else ""
