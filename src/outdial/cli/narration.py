"""A call told as it happens: lines for people, or JSON objects for programs."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any, Protocol

from rich.console import Console
from rich.text import Text

from outdial.cli.api_client import ApiClient, StreamedEvent
from outdial.cli.output import console, print_json
from outdial.telephony.outcome import WISH

STATES = {
    "queued": "waiting for a line",
    "dialing": "dialing",
    "ringing": "ringing",
    "in_progress": "answered",
    "ended": "ended",
}
BY = {  # who ended a call
    "agent": "the agent",
    "callee": "the other party",
    "operator": "somebody's wish",
    "limit": "a limit",
    "policy": "a rule",
    "carrier": "the carrier",
    "system": "Outdial",
}
SPEAKERS = {"agent": ("Agent", "cyan"), "callee": ("Callee", "yellow")}


def spoken(word: object) -> str:
    return str(word).replace("_", " ")


def no_more_calls(call: Mapping[str, Any]) -> str | None:
    """What to know after a call whose callee asked not to be called again; None for every other call."""
    if call["noted"].get(WISH) is not True or call["direction"] != "outbound":
        return None
    return (
        f"{call['to']} asked not to be called again and is on the do-not-call list now: the next call is refused. "
        f"To take it off: outdial do-not-call remove {call['to']}"
    )


class Narrator(Protocol):
    def __call__(self, event: StreamedEvent) -> None: ...


def tell_json(event: StreamedEvent) -> None:
    """{"event": type, …the event's data} on one line of stdout."""
    print_json({"event": event.type, **{name: value for name, value in event.data.items() if name != "event"}})


TRANSFERS = {
    None: "transferring to {to}",
    "busy": "{to} is busy",
    "no_answer": "{to} does not answer",
    "declined": "{to} declines",
    "voicemail": "nobody takes the call at {to}",
    "failed": "transfer to {to} failed",
}


def _transfer_words(data: Mapping[str, Any]) -> str:
    result, to = data.get("result"), data.get("to")
    if result is None and data.get("warm"):
        return f"asking {to} to take the call"
    if result == "answered":
        talked_s = data.get("duration_s")
        return f"{to} answers the transfer" if talked_s is None else f"{to} talked for {talked_s:.0f} s"
    words = TRANSFERS.get(result, f"transfer to {{to}}: {spoken(result)}").format(to=to)
    return f"{words}: {data['error'].get('message')}" if data.get("error") else words


WAITS = {
    "pause": "dialling is paused; the call waits (to go on: outdial resume)",
    "time": "waits for its time",
    "line": "every line is taken; the call waits for one",
    "seat": "waits for a free seat: no worker has room for one more conversation",
    "pace": "waits for its turn: others are dialled before it",
}


def _waiting_words(data: Mapping[str, Any]) -> str:
    words = WAITS.get(str(data.get("reason")), f"waits for: {spoken(data.get('reason'))}")
    if data.get("position") is not None:
        words += f"; place {data['position']}"
    return words + (f"; expected at {data['expected_at']}" if data.get("expected_at") else "")


_TOO_MUCH = {
    "recognition_late": "recognition is late: more is said than can be understood at once",
    "limit": "the longest allowed duration is reached",
}
_GATES = {
    "reason_given": "the screening service is told who calls, and why",
    "passed": "somebody came to the phone",
    "nobody_came": "nobody came to the phone",
    "hung_up": "we hang up on the screening service",
    "keys_pressed": "chosen from the menu",
}


def _tool_words(data: Mapping[str, Any]) -> str:
    given = ", ".join(f"{name}: {_listed(value)}" for name, value in (data.get("arguments") or {}).items() if value)
    words = f"the model wants {data.get('tool')}{f' ({given})' if given else ''}"
    return words if data.get("done") else f"{words}: not done"


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


class Story:
    """Prints the conversation line by line, with the time since the call was placed. `answers`: how long each answer of
    a model took to its first word, in ms."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._spoken: dict[int, str] = {}  # what was printed of each turn
        self.answers: list[int] = []

    def __call__(self, event: StreamedEvent) -> None:
        data = event.data
        match event.type:
            case "placed":
                self._began = time.monotonic()
                self._state(f"accepted as {data.get('call_id')}")
            case "waiting":
                self._state(_waiting_words(data))
            case "state":
                self._state(self._state_words(data))
            case "answered_by":
                evidence = ", ".join(map(str, data.get("evidence") or ()))
                category = str(data.get("category"))
                who = {"screening": "screening service", "menu": "phone menu"}.get(category, category)
                self._state(f"answered by a {who}" + (f" ({evidence})" if evidence else ""))
            case "transcript":
                self._turn(data)
            case "digit":
                self._line("Callee", "yellow", "(presses a digit)")
            case "digits_sent":
                self._line("Agent", "cyan", "(presses digits)")
            case "transfer":
                self._state(_transfer_words(data))
            case "noted":
                self._state("noted " + json.dumps(data.get("values"), ensure_ascii=False))
            case "noted_dropped":
                names = ", ".join(str(loss.get("name")) for loss in data.get("values") or ())
                self._state(f"noted values dropped or cut: {names}")
            case "outcome":
                self._state(f"outcome now: {spoken(data.get('outcome') or 'none')}")
            case "corrected":
                self._state(self._state_words(data | {"state": "ended"}) + " (known only now)")
            case "speech_replaced":
                self._state(f"{data.get('vendor')}'s {data.get('part')} failed and is replaced: {data.get('reason')}")
            case "gate":
                self._state(_GATES.get(str(data.get("result")), "a service before the callee"))
            case "model":
                if data.get("first_word_ms") is not None:
                    self.answers.append(int(data["first_word_ms"]))
            case "tool":
                self._state(_tool_words(data))
            case "model_failed":
                self._state(f"model {data.get('model')} failed: {data.get('error')}")
            case "brain":
                self.answers.append(int(data.get("first_word_ms") or 0))
            case "brain_lost" | "brain_failed":
                self._state(f"agent's server {event.type.removeprefix('brain_')}: {data.get('error')}")
            case "sound_failed":
                self._state(f"a sound file can't be played: {data.get('error')}")
            case "agent_limit":
                self._state(f"the agent's limit is reached: {data.get('limit')}")
            case "recognition_late" | "limit":
                self._state(_TOO_MUCH[event.type])

    def _state_words(self, data: Mapping[str, Any]) -> str:
        state = str(data.get("state"))
        words = STATES.get(state, state)
        if state == "ended" and data.get("end_reason"):
            words += f": {spoken(data['end_reason'])}"
            if data.get("ended_by"):
                words += f", by {BY.get(data['ended_by'], data['ended_by'])}"
            if data.get("outcome"):
                words += f"; outcome: {spoken(data['outcome'])}"
        if state == "queued" and data.get("next_attempt_at"):
            reason = spoken(data.get("attempt_end_reason") or "not dialled")
            words = f"{reason}; tried again at {data['next_attempt_at']}"
        if error := data.get("error"):
            codes = ", ".join(str(error[name]) for name in ("code", "carrier_code") if error.get(name))
            words += f" ({error.get('message')} [{codes}])"
        return words

    def _turn(self, data: Mapping[str, Any]) -> None:
        """A turn comes again when it grows or is cut off: print it once, and what became of it."""
        seq, text = int(data.get("seq", 0)), str(data.get("text") or "")
        name, style = SPEAKERS.get(str(data.get("speaker")), ("?", ""))
        before = self._spoken.get(seq)
        if text and text != before and not (before and data.get("interrupted")):
            self._line(name, style, text if before is None else f"… {text.removeprefix(before).strip()}")
        if data.get("interrupted") and before is not None:
            self._line(name, style, f"(is interrupted after “{text}”)" if text else "(is interrupted)")
        if text:
            self._spoken[seq] = text

    def _state(self, words: str) -> None:
        self._console.print(Text(f"{self._clock()}  ── {words}", style="dim"), soft_wrap=True)

    def _line(self, name: str, style: str, text: str) -> None:
        line = Text(f"{self._clock()}  ", style="dim")
        line.append(f"{name:<8}", style=f"bold {style}")
        line.append(text, style="default")
        self._console.print(line, soft_wrap=True)

    def _clock(self) -> str:
        seconds = time.monotonic() - self._began
        return f"{int(seconds // 60):>3}:{seconds % 60:04.1f}"


async def tell_other_calls(client: ApiClient) -> None:
    """Tell the calls that are placed with the curl line, as they happen."""
    known = {call["id"] for call in await client.list_calls()}
    async with asyncio.TaskGroup() as group:
        while True:
            await asyncio.sleep(0.5)
            for call in await client.list_calls():
                if call["id"] not in known:
                    known.add(call["id"])
                    console.print(f"\n{call['id']}  to {call['to']}", style="bold")
                    group.create_task(client.follow(call["id"], Story(console)))
