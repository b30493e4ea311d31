"""What came of a call and who ended it, as people say it."""

from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup

from outdial.dashboard.words import END_REASONS, NONE, Tone, badge
from outdial.telephony.outcome import DecidedBy, Outcome
from outdial.telephony.state import CallDirection, CallState, EndedBy, EndReason

# A label, how it looks, and a sentence in which {party} is the callee, or the caller.
OUTCOMES: Mapping[str, tuple[str, Tone, str]] = {
    Outcome.DO_NOT_CALL: ("Do not call", "warn", "The {party} asked not to be called again."),
    Outcome.SILENT: ("Silent", "warn", "The {party} never spoke nor pressed a key."),
    Outcome.TRANSFER_FAILED: ("Transfer failed", "bad", "The {party} could not be connected to somebody else."),
    Outcome.CALL_BACK: ("Call back", "good", "The {party} was promised to be called back."),
    Outcome.TRANSFERRED: ("Transferred", "good", "The {party} was connected to somebody else."),
    Outcome.LEFT_MESSAGE: ("Left a message", "good", "A machine answered, and the message was left on it."),
    Outcome.HUNG_UP_EARLY: ("Hung up early", "quiet", "The {party} hung up before anything came of the call."),
}
ENDED_BY: Mapping[str, str] = {
    EndedBy.AGENT: "Agent",
    EndedBy.OPERATOR: "Somebody here",
    EndedBy.LIMIT: "A limit",
    EndedBy.POLICY: "A rule",
    EndedBy.CARRIER: "Carrier",
    EndedBy.SYSTEM: "Outdial",
}
# What came of a call that ended before anything could come of a conversation, or of which nothing was noted.
HEADLINES: Mapping[str, tuple[str, Tone]] = {
    EndReason.COMPLETED: ("Talked to the end", "good"),
    EndReason.BUSY: ("The line was busy", "quiet"),
    EndReason.NO_ANSWER: ("Nobody answered", "quiet"),
    EndReason.DECLINED: ("The {party} declined the call", "quiet"),
    EndReason.FAILED: ("The call failed", "bad"),
    EndReason.CANCELED: ("Canceled before it was answered", "quiet"),
    EndReason.MACHINE: ("A machine answered", "quiet"),
    EndReason.EXPIRED: ("Not dialled in time", "warn"),
}
_TURNED_AWAY = ("The caller was turned away", "bad")
_UNDER_WAY: Mapping[str, str] = {
    CallState.QUEUED: "Waits to be dialled",
    CallState.DIALING: "Is being dialled",
    CallState.RINGING: "Rings",
    CallState.IN_PROGRESS: "In progress",
}
_LIMITS: Mapping[str | None, str] = {
    EndReason.NO_ANSWER: "It rang as long as it was to ring.",
    EndReason.EXPIRED: "It could not be dialled in time.",
    EndReason.COMPLETED: "It reached its longest duration.",
}
_ENDS: Mapping[str, str] = {
    EndedBy.AGENT: "The agent hung up.",
    EndedBy.CALLEE: "The {party} hung up.",
    EndedBy.OPERATOR: "Somebody asked for its end.",
    EndedBy.POLICY: "A rule ended it while it waited.",
    EndedBy.CARRIER: "The carrier or the network ended it.",
    EndedBy.SYSTEM: "Outdial ended it.",
}


def outcome_label(word: str | None) -> str:
    """Of an agent's own word it is the word: `wrong_person` → "Wrong person"."""
    if word is None:
        return NONE
    known = OUTCOMES.get(word)
    text = word.replace("_", " ")
    return known[0] if known else text[:1].upper() + text[1:]


def outcome_badge(word: str | None) -> Markup:
    if word is None:
        return Markup('<span class="quiet">{}</span>').format(NONE)
    known = OUTCOMES.get(word)
    return badge(outcome_label(word), known[1] if known else "quiet")


def outcome_in_words(call: Mapping[str, Any]) -> str:
    """What came of a call that has ended, in a sentence; "" where its end says it all."""
    word = call["outcome"]
    if word is None:
        return ""
    known = OUTCOMES.get(word)
    if known is not None:
        return known[2].format(party=_party(call))
    decided = call.get("outcome_from")
    by_model = decided is not None and decided["by"] is DecidedBy.MODEL
    return f"So the agent's model says, by what was said: {word}." if by_model else f"So its agent says: {word}."


def headline(call: Mapping[str, Any]) -> tuple[str, Tone]:
    """What came of a call in a few words, and how they look; of one that goes on, where it stands."""
    if call["state"] != CallState.ENDED:
        return _UNDER_WAY.get(call["state"], call["state"]), "live"
    word, reason = call["outcome"], call["end_reason"] or ""
    if word is not None:
        return outcome_label(word), OUTCOMES[word][1] if word in OUTCOMES else "good"
    if call["direction"] == CallDirection.INBOUND and reason == EndReason.DECLINED:
        return _TURNED_AWAY
    text, tone = HEADLINES.get(reason, ("Ended", "quiet"))
    return text.format(party=_party(call)), tone


def ended_by(call: Mapping[str, Any]) -> str:
    who = call["ended_by"]
    if who is None:
        return NONE
    return ENDED_BY.get(who) or _party(call).capitalize()


def end_in_words(call: Mapping[str, Any]) -> str:
    """Who ended a call, and how, in a sentence; "" where that isn't known."""
    who, reason = call["ended_by"], call["end_reason"]
    if who is None or call["outcome"] == Outcome.HUNG_UP_EARLY:  # that says it
        return ""
    if who == EndedBy.LIMIT:
        return _LIMITS.get(reason, "A limit was reached.")
    if who == EndedBy.CALLEE and reason in (EndReason.BUSY, EndReason.DECLINED):
        return "The network told so." if reason == EndReason.BUSY else f"The {_party(call)} rejected it."
    if who == EndedBy.AGENT and reason == EndReason.MACHINE:
        return "The agent hung up on a machine."
    return _ENDS.get(who, END_REASONS.get(reason or "", ("", ""))[0]).format(party=_party(call))


def _party(call: Mapping[str, Any]) -> str:
    return "callee" if call["direction"] == CallDirection.OUTBOUND else "caller"


FILTERS: dict[str, Callable[..., Any]] = {
    "outcome_badge": outcome_badge,
    "outcome_label": outcome_label,
    "outcome_in_words": outcome_in_words,
    "headline": headline,
    "ended_by": ended_by,
    "end_in_words": end_in_words,
}
