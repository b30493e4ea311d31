"""What a call's feed tells of a tool that was called: no keys, and of notes their names alone. Pure."""

from collections.abc import Mapping
from typing import Any

from outdial.agents.llm.tools import CallBack, Exit, HangUp, Note, SendDigits, Transfer, Wish


def told_of(wish: Wish) -> Mapping[str, Any]:
    match wish:
        case HangUp(outcome=outcome):
            return {"arguments": {"outcome": outcome}}
        case Exit(name=name):
            return {"arguments": {"to": name}}
        case Transfer(target=target):
            return {"arguments": {"to": target}}
        case SendDigits(digits=digits):
            return {"arguments": {"count": len(digits)}}
        case CallBack(at=at):
            return {"arguments": {"at": None if at is None else at.isoformat()}}
        case Note(values=values):
            return {"arguments": {"names": list(values)}}
    return {"arguments": {}}
