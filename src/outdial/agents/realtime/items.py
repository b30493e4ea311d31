"""A conversation so far as items of the protocol: for a session that hasn't heard it. Pure."""

from collections.abc import Iterable
from typing import Any

from outdial.agents.llm.chat import AgentSaid, CalleeSaid, Message, Remark, ToolAnswer, ToolCall

UNWRITTEN = "[The callee said something that was not written down.]"

Item = dict[str, Any]


def items_of(messages: Iterable[Message]) -> list[Item]:
    found: list[Item] = []
    for message in messages:
        match message:
            case CalleeSaid(text=text):
                found.append(_message("user", "input_text", text or UNWRITTEN))
            case Remark(text=text):
                found.append(_message("system", "input_text", f"[{text}]"))
            case ToolAnswer(call=call, text=text):
                found.append(answer(call, text))
            case AgentSaid(text=text, calls=calls):
                if text:
                    found.append(_message("assistant", "output_text", text))
                found += [_call(call) for call in calls]
    return found


def answer(call: ToolCall, text: str) -> Item:
    return {"type": "function_call_output", "call_id": call.id, "output": text}


def _message(role: str, type_: str, text: str) -> Item:
    return {"type": "message", "role": role, "content": [{"type": type_, "text": text}]}


def _call(call: ToolCall) -> Item:
    return {"type": "function_call", "call_id": call.id, "name": call.tool, "arguments": call.arguments}
