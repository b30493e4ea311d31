"""What happened to a call, step by step, in words: from its events and its attempts. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from outdial.dashboard.outcome_words import outcome_label
from outdial.dashboard.words import ANSWERED_BY, END_REASONS, TRANSFER_RESULTS, Tone, carrier_label, duration
from outdial.db.feed import Event
from outdial.history.views import AttemptView, CallView
from outdial.instants import parse_instant

_ACCEPTED: dict[object, str] = {"key": "with a key", "words": "in words"}
_BY = {
    "agent": " by the agent",
    "callee": " by the other party",
    "operator": " at somebody's wish",
    "limit": " at its longest duration",
}
_HELD_BACK = {"paused": "Dialling was paused."}
_REACHED = {"ringing": "ringing_at", "in_progress": "answered_at", "ended": "ended_at"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`until`: an instant that the text ends with (the next attempt's)."""

    text: str
    at: datetime
    tone: Tone = "quiet"
    detail: str = ""
    until: datetime | None = None


def timeline(call: CallView, events: Sequence[Event]) -> list[Step]:
    """In the order in which it was written down. Where the carrier said when something happened, that is the time."""
    dials = {dial["number"]: dial for dial in call["attempts"]}
    several = len(dials) > 1
    steps: list[Step] = []
    for event in _without_repeated_verdicts(events):
        step = _state(event, dials, several, first=not steps) if event.type == "state" else _other(event)
        if step is not None:
            steps.append(step)
    if call["hang_up_requested_at"] is not None:
        asked = Step(text="Hang-up asked for", at=parse_instant(call["hang_up_requested_at"]))
        index = next((place for place, step in enumerate(steps) if step.at > asked.at), len(steps))
        steps.insert(index, asked)
    return steps


def _state(event: Event, dials: Mapping[int, AttemptView], several: bool, *, first: bool) -> Step | None:
    data = event.data
    dial = dials.get(data.get("attempt") or 0)
    at = _when(event, dial, data["state"])
    numbered = f", attempt {dial['number']}" if dial is not None and several else ""
    match data["state"]:
        case "queued" if first:
            return Step(text="Accepted", at=at)
        case "queued":
            return _waits(data, at, numbered)
        case "dialing":
            carrier = "" if dial is None else f" by {carrier_label(dial['carrier'])}"
            return Step(text=f"Dialled{carrier}{numbered}", at=at, tone="live")
        case "ringing":
            return Step(text=f"Ringing{numbered}", at=at, tone="live")
        case "in_progress":
            return Step(text=f"Answered{numbered}", at=at, tone="good")
        case "ended":
            text, tone = END_REASONS.get(data.get("end_reason") or "", ("Ended", "quiet"))
            who = _BY.get(data.get("ended_by") or "", "") if data.get("end_reason") == "completed" else ""
            return Step(text=f"Ended: {_lower(text)}{who}{numbered}", at=at, tone=tone, detail=_why(data.get("error")))
    return None


def _waits(data: Mapping[str, Any], at: datetime, numbered: str) -> Step:
    """An attempt is over, and another one is to follow."""
    text, tone = END_REASONS.get(data.get("attempt_end_reason") or "", ("Not dialled", "warn"))
    due = data.get("next_attempt_at")
    return Step(
        text=f"{text}{numbered}; to be dialled again",
        at=at,
        tone=tone,
        detail=_why(data.get("error")) or _HELD_BACK.get(data.get("held_back") or "", ""),
        until=None if due is None else parse_instant(due),
    )


def _other(event: Event) -> Step | None:
    data = event.data
    match event.type:
        case "unknown":
            text = "No reply: the carrier may have dialled, or not"
            return Step(text=text, at=event.at, tone="warn", detail="Outdial looks it up, and doesn't dial twice.")
        case "answered_by" | "verdict":
            return _who_answered(event)
        case "transfer":
            return _transfer(event)
        case "transferred":  # of calls before 0.2
            return Step(text="Transferred; the agent left the call", at=event.at, tone="good")
        case "transfer_failed":
            return Step(text="The transfer failed", at=event.at, tone="bad", detail=_why(data))
        case "listener_joined" | "listener_left" | "whispered":
            return _listening_in(event)
        case "digits_sent":
            count = data.get("count", 0)
            return Step(text=f"{count} {'key' if count == 1 else 'keys'} pressed by our side", at=event.at)
        case "variables":
            return Step(text="Variables set", at=event.at, detail=", ".join(map(str, data.get("names", ()))))
        case "call_back":
            at = str(data.get("at", "")).replace("T", " ")[:16]
            return Step(text="Call back arranged", at=event.at, detail=f"For {at}, where the callee is")
        case "noted":
            return Step(text="Noted", at=event.at, detail=", ".join(data["values"]))
        case "noted_dropped":
            return Step(text="Noted values dropped or cut", at=event.at, tone="warn", detail=_losses(data))
        case "outcome":
            return Step(text=f"Outcome now: {_lower(outcome_label(data.get('outcome')))}", at=event.at)
        case "wrapped_up" if data.get("result") == "failed":
            return Step(text="Wrap-up failed", at=event.at, tone="bad", detail=_why(data.get("error")))
        case "wrapped_up" | "wrap_up_wanted" | "result_late" | "limit":
            text, tone = _FIXED[event.type]
            return Step(text=text, at=event.at, tone=tone)
        case "corrected":
            text, tone = END_REASONS.get(data.get("end_reason") or "", ("Ended", "quiet"))
            detail = _why(data.get("error"))
            return Step(text=f"Corrected: {_lower(text)}", at=event.at, tone=tone, detail=detail)
        case "gate" | "speech_replaced":
            return _gate(event) if event.type == "gate" else _speech_replaced(event)
        case "recognition_late":
            detail = "More was said on all calls than could be recognised at once."
            return Step(text="Words understood late", at=event.at, tone="warn", detail=detail)
        case "tool":
            return _tool(event)
        case "model_failed":
            detail = f"{data.get('model')}: {data.get('error')}"
            return Step(text="Model failed", at=event.at, tone="bad", detail=detail)
        case "brain_connected" | "brain_lost" | "brain_failed" | "brain_transfer" | "brain" | "sound_failed":
            return _brain(event)
        case "brain_language":
            changed = [f"{part}: {data[part]}" for part in ("spoken", "heard") if data.get(part)]
            return Step(text="Agent's server changed the language", at=event.at, detail=", ".join(changed))
        case "understood":
            text = f"Understood by the model: {data.get('answer') or 'none of the answers'}"
            return Step(text=text, at=event.at, detail=f"{data.get('model')}, {data.get('total_ms', 0)} ms")
        case "agent_limit":
            return Step(text=_limit(data.get("limit")), at=event.at, tone="warn")
    return Step(text=event.type.replace("_", " ").capitalize(), at=event.at)


_FIXED: Mapping[str, tuple[str, Tone]] = {
    "wrapped_up": ("Wrap-up made", "good"),
    "wrap_up_wanted": ("Wrap-up asked for again", "quiet"),
    "result_late": ("What the conversation brought came late", "warn"),
    "limit": ("Reached its longest duration", "warn"),
}
_GATES: Mapping[str, tuple[str, Tone]] = {
    "reason_given": ("Told the screening service who calls, and why", "quiet"),
    "passed": ("Somebody came to the phone", "good"),
    "nobody_came": ("Nobody came to the phone", "warn"),
    "hung_up": ("Hung up on the screening service", "quiet"),
    "keys_pressed": ("Chose from the menu", "quiet"),
}


def _gate(event: Event) -> Step:
    text, tone = _GATES.get(event.data.get("result") or "", ("Met a service before the callee", "quiet"))
    return Step(text=text, at=event.at, tone=tone)


def _brain(event: Event) -> Step:
    """Of an agent whose brain is a program elsewhere."""
    data = event.data
    match event.type:
        case "brain_connected":
            detail = f"Attempt {data.get('attempt')}, {data.get('after_ms')} ms"
            return Step(text="Agent's server connected", at=event.at, tone="quiet", detail=detail)
        case "brain_lost":
            return Step(text="Agent's server lost", at=event.at, tone="warn", detail=str(data.get("error", "")))
        case "brain_failed":
            return Step(text="Agent's server failed", at=event.at, tone="bad", detail=str(data.get("error", "")))
        case "sound_failed":
            return Step(text="Sound file not played", at=event.at, tone="warn", detail=str(data.get("error", "")))
        case "brain_transfer":
            text, left_out = f"Agent's server wants a transfer: {data.get('to', '')}", data.get("left_out")
            if left_out is None:
                return Step(text=text, at=event.at)
            return Step(text=text, at=event.at, tone="warn", detail=f"The {left_out} was left out.")
    return Step(text="Agent's server answered", at=event.at, tone="quiet", detail=f"{data.get('first_word_ms')} ms")


def _listening_in(event: Event) -> Step:
    if event.type == "whispered":
        return Step(text="Whispered to the agent", at=event.at)
    if event.type == "listener_joined":
        return Step(text="A person began to listen in", at=event.at)
    after = f"After {duration(event.data.get('listened_s', 0))}."
    return Step(text="A person stopped listening in", at=event.at, detail=after)


def _speech_replaced(event: Event) -> Step:
    data = event.data
    part = "Voice" if data.get("part") == "voice" else "Recognition"
    by = "The server's own took over." if data.get("by") else "Nothing could take over."
    why = str(data.get("code") or data.get("reason") or "").replace("_", " ")
    return Step(text=f"{part} of {data.get('vendor')} failed", at=event.at, tone="bad", detail=f"{why}. {by}")


def _limit(limit: Any) -> str:
    return "Reached the workspace's spend limit" if limit == "spend_limit" else f"Reached the agent's limit of {limit}"


def _tool(event: Event) -> Step:
    data = event.data
    arguments = data.get("arguments") or {}
    told = {name: ", ".join(value) if isinstance(value, list) else value for name, value in arguments.items()}
    detail = "; ".join(f"{name}: {value}" for name, value in told.items())
    if data.get("done"):
        return Step(text=f"Tool used: {data.get('tool', '')}", at=event.at, detail=detail)
    why = data.get("refused") or "The callee began to speak."
    return Step(text=f"Tool not used: {data.get('tool', '')}", at=event.at, tone="warn", detail=why)


def _without_repeated_verdicts(events: Sequence[Event]) -> list[Event]:
    """A detector that finds more of the same says nothing new."""
    said: dict[Any, Any] = {}
    kept = []
    for event in events:
        by, category = event.data.get("by"), event.data.get("category")
        if event.type != "verdict" or said.get(by) != category:
            kept.append(event)
        if event.type == "verdict":
            said[by] = category
        elif event.data.get("state") == "queued":
            said.clear()
    return kept


def _who_answered(event: Event) -> Step:
    """What won, or what one of two detectors says."""
    who = _lower(ANSWERED_BY.get(event.data.get("category", ""), "Unknown"))
    if event.type == "answered_by":
        return Step(text=f"Answered by: {who}", at=event.at, tone="live")
    by = "Outdial" if event.data.get("by") == "local" else "The carrier"
    return Step(text=f"{by} says: {who}", at=event.at)


def _transfer(event: Event) -> Step:
    data = event.data
    to, result, talked_s = data.get("to", ""), data.get("result"), data.get("duration_s")
    if result is None:
        leaves = f"{to} is asked to take the call; the callee waits"
        text = leaves if data.get("warm") else f"Being transferred to {to}; the agent leaves"
        return Step(text=text, at=event.at, tone="live")
    if talked_s is not None:
        return Step(text=f"{to} has left", at=event.at, detail=f"Talked for {duration(talked_s)}.")
    text, tone = TRANSFER_RESULTS.get(result, (result, "quiet"))
    how = _ACCEPTED.get(data.get("accepted_by"))
    if how is not None and result == "answered":
        return Step(text=f"{to} took the call {how}, and is connected", at=event.at, tone=tone)
    return Step(text=f"Transfer to {to}: {_lower(text)}", at=event.at, tone=tone, detail=_why(data.get("error")))


def _when(event: Event, dial: AttemptView | None, state: str) -> datetime:
    told = None if dial is None else dial.get(_REACHED.get(state, ""))
    return parse_instant(told) if isinstance(told, str) else event.at


def _why(error: Mapping[str, Any] | None) -> str:
    return "" if not error else str(error.get("message", ""))


def _losses(data: Mapping[str, Any]) -> str:
    told = [f"{loss['name']} {loss['reason']}{' (cut)' if loss['cut'] else ''}" for loss in data["values"]]
    more = data["count"] - len(told)
    return "; ".join([*told, *[f"and {more} more"] * (more > 0)])


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
