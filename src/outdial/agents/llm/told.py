"""What a call's feed tells of a tool that was called: no keys, and of notes their names alone. Pure.

Of the author's tools it tells arguments and answers, without what their schemas mark; the rest is in
agents/tools/redaction.py.
"""

from collections.abc import Mapping
from typing import Any

from outdial.agents.llm.tools import CallBack, Exit, HangUp, Note, SendDigits, Transfer, Wish
from outdial.agents.tools.asks import Ask, Reply, Result, shown_answer
from outdial.agents.tools.redaction import MAX_ANSWER, MAX_SHOWN, bounded, redacted
from outdial.agents.tools.toolbox import Asked
from outdial.tracing.context import HEADER, parse


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


def told_of_ask(ask: Ask, reply: Reply, asked: Asked | None) -> Mapping[str, Any]:
    """`done`: it has answered, and well. `duration_ms`: from when it was asked, None where it wasn't; `span_id`: what
    it was told of the call's trace, where there is one."""
    duration_ms: int | None = None
    traced: Mapping[str, str] = {}
    if asked is not None:
        now = asked.task.get_loop().time()
        duration_ms = round(((asked.ended_s or now) - asked.began_s) * 1000)
        if (span := parse(asked.trace.header.get(HEADER))) is not None:
            traced = {"span_id": f"{span.span_id:016x}"}
    return {
        "place": ask.tool.place,
        "arguments": bounded(redacted(ask.arguments, ask.tool.arguments), MAX_SHOWN),
        "done": reply.result is Result.OK,
        "result": reply.result.value,
        "reason": reply.reason,
        "status": reply.status,
        "duration_ms": duration_ms,
        "answer": bounded(shown_answer(reply, ask), MAX_ANSWER),
        **traced,
    }
