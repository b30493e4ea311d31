"""The simulator's model in this process, for trying an agent without a server and without a key. It answers by rules
and doesn't think."""

import asyncio
from collections.abc import AsyncGenerator
from itertools import count
from typing import Any

from outdial.agents.llm.chat import (
    AgentSaid,
    CalleeSaid,
    Message,
    Model,
    Piece,
    Remark,
    Request,
    ToolAnswer,
    ToolCall,
    Usage,
    Words,
)
from outdial.rehearsals.run import Tried
from outdial.simulator.model.completion import pieces
from outdial.simulator.model.models import SimulatedModel
from outdial.simulator.model.requests import parse
from outdial.simulator.model.rule_files import default_models
from outdial.simulator.model.rules import answer


def stand_ins(tried: Tried) -> list[Model]:
    """One for each of the agent's models."""
    return [StandInModel()] * len(tried.models)


class StandInModel:
    """Answers as the simulator's server does, token by token."""

    def __init__(self, model: SimulatedModel | None = None) -> None:
        self._model = model or default_models()[0]
        self._ids = count(1)
        self.name = self._model.name

    async def ask(self, request: Request) -> AsyncGenerator[Piece]:
        completion = answer(self._model, parse(_body(self.name, request)), lambda: f"call_{next(self._ids)}")
        pause_s = self._model.first_token_s
        for piece in pieces(completion.text):
            await asyncio.sleep(pause_s)
            pause_s = self._model.token_s
            yield Words(piece)
        for call in completion.tool_calls:
            yield ToolCall(call.id, call.name, call.arguments)
        yield Usage(tokens=completion.tokens, dollars=0.0)

    async def warm_up(self) -> None:
        """Nothing: it is there."""


def _body(name: str, request: Request) -> dict[str, Any]:
    """The request in the words of OpenAI's interface."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": request.instructions}]
    tools = [
        {"type": "function", "function": {"name": tool.name, "description": tool.about, "parameters": tool.parameters}}
        for tool in request.tools
    ]
    return {
        "model": name,
        "messages": messages + [_message(message) for message in request.messages],
        "max_tokens": request.max_tokens,
        **({"tools": tools} if tools else {}),
    }


def _message(message: Message) -> dict[str, Any]:
    match message:
        case CalleeSaid(text=text):
            return {"role": "user", "content": text}
        case Remark(text=text):
            return {"role": "user", "content": f"[{text}]"}
        case ToolAnswer(call=call, text=text):
            return {"role": "tool", "content": text, "tool_call_id": call.id}
        case AgentSaid(text=text, calls=calls):
            called = [
                {"id": call.id, "type": "function", "function": {"name": call.tool, "arguments": call.arguments}}
                for call in calls
            ]
            return {"role": "assistant", "content": text, **({"tool_calls": called} if called else {})}
