"""Tools that answer what is written down, for calls in memory: nothing is asked anywhere.

    tools = WrittenTools({"free_slots": [{"slots": ["Friday at nine"]}], "book_slot": [Refuses({"error": "taken"})]})
    phone = Phone(YAML, models=[model], tools=tools)

A tool of an MCP server is written by the name that models know it by: `calendar__free_slots`.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outdial.agents.brains.reaching import Brains, NoBrains
from outdial.agents.tools.access import no_secrets
from outdial.agents.tools.asks import Context, OfferedTool, Reply, Result, Secrets, offered
from outdial.agents.tools.definition import HttpTool, McpServer
from outdial.testing.written_brain import WrittenBrain

ANYTHING: Mapping[str, Any] = {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True)
class Takes:
    """The answer comes after so many seconds."""

    seconds: float
    answer: Any = None


@dataclass(frozen=True, slots=True)
class Refuses:
    """The tool says that it couldn't."""

    answer: Any = None
    status: int = 409


@dataclass(frozen=True, slots=True)
class Breaks:
    """No answer comes, for this reason. `is_uncertain`: it may have been done all the same."""

    reason: str = "timeout"
    is_uncertain: bool = True


@dataclass(frozen=True, slots=True)
class WasAsked:
    tool: str
    arguments: Mapping[str, Any]
    key: str
    at_s: float  # of the loop's clock


class WrittenTools:
    """`answers`: of each tool, one after the other; the last one again and again. `asked`: so far; `unwritten`: the
    first tool that was asked and has none."""

    def __init__(self, answers: Mapping[str, Sequence[Any]], brain: WrittenBrain | None = None) -> None:
        """`brain`: that of an agent whose brain is a program elsewhere, for which any secret is as good as another."""
        self.secrets: Secrets = no_secrets if brain is None else _any_secrets
        self.brains: Brains = NoBrains() if brain is None else brain
        self.asked: list[WasAsked] = []
        self.unwritten: str | None = None
        self.running = 0
        self._answers = {tool: list(each) for tool, each in answers.items()}

    def http(self, tool: HttpTool) -> OfferedTool:
        async def ask(arguments: Mapping[str, Any], context: Context) -> Reply:
            return await self._ask(tool.name, tool.consequences, arguments, context)

        return offered(tool, ask)

    async def mcp(self, server: McpServer, context: Context) -> Sequence[OfferedTool]:
        return [self._of_server(server, name) for name in server.tools]

    def _of_server(self, server: McpServer, name: str) -> OfferedTool:
        title, consequences = f"{server.name}__{name}", name in server.consequences

        async def ask(arguments: Mapping[str, Any], context: Context) -> Reply:
            return await self._ask(title, consequences, arguments, context)

        return OfferedTool(
            name=title,
            about=name,
            arguments=ANYTHING,
            consequences=consequences,
            time_limit_s=server.time_limit_s,
            place=server.name,
            ask=ask,
            sentences=server.sentences,
        )

    async def _ask(self, tool: str, consequences: bool, arguments: Mapping[str, Any], context: Context) -> Reply:
        self.asked.append(WasAsked(tool, arguments, context.key, asyncio.get_running_loop().time()))
        answers = self._answers.get(tool, [])
        if not answers:
            self.unwritten = self.unwritten or tool
            return Reply(result=Result.FAILED, reason="nothing_written")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        context.trace.sent = True
        self.running += 1
        try:
            if isinstance(answer, Takes):
                await asyncio.sleep(answer.seconds)
                answer = answer.answer
        finally:
            self.running -= 1
        match answer:
            case Refuses(answer=said, status=status):
                return Reply(result=Result.FAILED, reason=f"http_{status}", status=status, answer=said)
            case Breaks(reason=reason, is_uncertain=is_uncertain):
                uncertain = consequences and is_uncertain
                return Reply(result=Result.UNKNOWN if uncertain else Result.FAILED, reason=reason)
        return Reply(result=Result.OK, status=200, answer=answer)


async def _any_secrets(names: Collection[str], host: str) -> Mapping[str, str]:
    return dict.fromkeys(names, "secret")
