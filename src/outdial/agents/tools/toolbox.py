"""The tools of one call: which there are, what a model may want of them, and that nothing is done twice."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from outdial.agents.llm.chat import Tool, ToolCall
from outdial.agents.tools.access import Tools
from outdial.agents.tools.asks import Ask, Context, NotPossible, OfferedTool, Reply, Result, Trace
from outdial.agents.tools.definition import McpServer, OwnTools
from outdial.agents.tools.mcp_servers import ServerAway
from outdial.agents.tools.plain_json import read_json
from outdial.agents.tools.schema import faults
from outdial.conversation.stopping import retrieve, stop

logger = logging.getLogger(__name__)

LIST_S = 2.0           # for servers to tell their tools, from the call's beginning; then it goes on without
MAX_ARGUMENTS = 8000   # characters, as JSON
MAX_ASKED = 100        # of a call
MAX_IN_A_ROW = 8       # without a word of the callee's

Values = Callable[[], Mapping[str, Any]]


@dataclass(slots=True, kw_only=True)
class Asked:
    """A tool that is being asked, or was: from `began_s` on, of the loop's clock, to `ended_s`."""

    ask: Ask
    key: str
    began_s: float
    trace: Trace
    task: "asyncio.Task[Reply]"
    ended_s: float | None = None

    @property
    def is_done(self) -> bool:
        return self.task.done()


@dataclass(slots=True)
class _Known:
    """Of what was asked for with the same arguments: with which key, and what came of it. `is_new`: the callee hasn't
    said anything since."""

    key: str
    reply: Reply | None = None
    is_new: bool = True

    @property
    def is_settled(self) -> bool:
        """Whether it is known that it was done, or that it wasn't."""
        return self.reply is not None and self.reply.result is not Result.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The call that the tools are of: `known` are its variables, `defaults` those of its agent."""

    call_id: str
    known: Values
    defaults: Mapping[str, Any] = field(default_factory=dict)


class Toolbox:
    """`away` is told of each server whose tools aren't there, and why. `open` it when the call begins, `aclose` it when
    it is over: what is under way then is cancelled."""

    def __init__(
        self, own: OwnTools, tools: Tools, about: About, away: Callable[[str, str], object] = lambda server, why: None
    ) -> None:
        self._own = own
        self._tools = tools
        self._about = about
        self._away = away
        self._offered: dict[str, OfferedTool] = {tool.name: tools.http(tool) for tool in own.http}
        self._listing: list[asyncio.Task[None]] = []
        self._asked: dict[str, Asked] = {}  # by the id of the model's call
        self._known: dict[str, _Known] = {}
        self._count = self._in_a_row = 0
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + LIST_S

    def open(self) -> None:
        self._until = self._loop.time() + LIST_S
        self._listing = [
            asyncio.create_task(self._list(server), name="listing tools") for server in self._own.mcp
        ]

    async def ready(self) -> None:
        """Until all tools are there that will be."""
        if waiting := [task for task in self._listing if not task.done()]:
            _, late = await asyncio.wait(waiting, timeout=max(0.0, self._until - self._loop.time()))
            for task in late:
                await stop(task)
        self._listing = []

    @property
    def tools(self) -> tuple[Tool, ...]:
        return tuple(
            Tool(name=tool.name, about=tool.about, parameters=tool.arguments) for tool in self._offered.values()
        )

    def ask_of(self, call: ToolCall) -> Ask | None:
        """None for a tool that isn't of these. Raises NotPossible."""
        tool = self._offered.get(call.tool)
        if tool is None:
            return None
        if self._count >= MAX_ASKED:
            raise NotPossible("No more tools can be used on this call.")
        if self._in_a_row >= MAX_IN_A_ROW:
            raise NotPossible("You have used tools often enough: talk to the callee first.")
        if len(call.arguments) > MAX_ARGUMENTS:
            raise NotPossible("The arguments are too long.")
        try:
            arguments = read_json(call.arguments or "{}")
        except ValueError:
            arguments = None
        if not isinstance(arguments, dict):
            raise NotPossible("The arguments are no JSON object.")
        if wrong := faults(tool.arguments, arguments):
            raise NotPossible("; ".join(wrong))
        self._count += 1
        self._in_a_row += 1
        return Ask(tool=tool, arguments=arguments)

    def heard(self) -> None:
        """The callee has said something: what is wanted from now on is wanted anew."""
        self._in_a_row = 0
        self._known = {subject: known for subject, known in self._known.items() if not known.is_settled}
        for known in self._known.values():
            known.is_new = False

    def before(self, ask: Ask) -> Reply | None:
        """What came of the same thing a moment ago, where it isn't to be done again: it was done, or may have been."""
        known = self._known.get(ask.subject)
        if not ask.tool.consequences or known is None or known.reply is None or not known.is_new:
            return None
        return known.reply if known.reply.result in (Result.OK, Result.UNKNOWN) else None

    def begin(self, id_: str, ask: Ask) -> Asked:
        """Ask it now; the same `id_` is asked once."""
        if (asked := self._asked.get(id_)) is not None:
            return asked
        # What may have been done already keeps its key: a server that knows keys does it once.
        known = self._known.get(ask.subject)
        if known is None or known.is_settled:
            known = _Known(self._key(id_))
        known = self._known[ask.subject] = _Known(known.key)
        context = self._context(known.key)
        asked = self._asked[id_] = Asked(
            ask=ask,
            key=known.key,
            began_s=self._loop.time(),
            trace=context.trace,
            task=asyncio.create_task(self._ask(ask, context, known), name="tool"),
        )
        asked.task.add_done_callback(lambda task: self._ended(asked, task))
        return asked

    def asked(self, id_: str) -> Asked | None:
        return self._asked.get(id_)

    async def cancel(self, asked: Asked) -> Reply:
        """Nobody waits for it any more: what can be said of it."""
        if not asked.task.done():
            await stop(asked.task)
        return self.became(asked)

    def became(self, asked: Asked) -> Reply:
        """Of one that has ended, or is given up."""
        if asked.task.done() and not asked.task.cancelled() and asked.task.exception() is None:
            return asked.task.result()
        if asked.ask.tool.consequences and asked.trace.sent:
            return Reply(result=Result.UNKNOWN, reason="cancelled")
        return Reply(result=Result.CANCELLED)

    async def cancel_free(self) -> None:
        """What changes nothing and is under way."""
        for asked in self._asked.values():
            if not asked.ask.tool.consequences and not asked.task.done():
                await stop(asked.task)

    async def aclose(self) -> None:
        left = [*self._listing, *(asked.task for asked in self._asked.values())]
        for task in left:
            task.cancel()
        if under_way := [task for task in left if not task.done()]:
            await asyncio.wait(under_way, timeout=1.0)

    # -- inside ------------------------------------------------------------------------------------------------

    def _key(self, id_: str) -> str:
        return hashlib.sha256(f"{self._about.call_id} {id_}".encode()).hexdigest()[:32]

    def _context(self, key: str) -> Context:
        about = self._about
        return Context(known=about.known(), defaults=about.defaults, secrets=self._tools.secrets, key=key)

    async def _ask(self, ask: Ask, context: Context, known: _Known) -> Reply:
        try:
            async with asyncio.timeout(ask.tool.time_limit_s + 1.0):  # its own limit is told with what it knows
                known.reply = await ask.tool.ask(ask.arguments, context)
        except TimeoutError:
            known.reply = _broken("timeout", ask, context.trace)
        except Exception as error:  # of a tool's server, or of what reads it: the call goes on
            logger.error("Tool request failed", extra={"error": type(error).__name__})
            known.reply = _broken("error", ask, context.trace)
        finally:
            if known.reply is None and context.trace.sent and ask.tool.consequences:
                known.reply = Reply(result=Result.UNKNOWN, reason="cancelled")
        return known.reply

    def _ended(self, asked: Asked, task: "asyncio.Task[Reply]") -> None:
        asked.ended_s = self._loop.time()
        retrieve(task)

    async def _list(self, server: McpServer) -> None:
        try:
            for tool in await self._tools.mcp(server, self._context("")):
                self._offered.setdefault(tool.name, tool)
        except ServerAway as away:
            self._away(server.name, away.word)
        except asyncio.CancelledError:
            self._away(server.name, "timeout")
            raise
        except Exception as error:  # the call goes on without its tools
            logger.error("MCP server not used", extra={"error": type(error).__name__})
            self._away(server.name, "error")


def _broken(word: str, ask: Ask, trace: Trace) -> Reply:
    uncertain = ask.tool.consequences and trace.sent
    return Reply(result=Result.UNKNOWN if uncertain else Result.FAILED, reason=word)


