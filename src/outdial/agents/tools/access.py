"""How the tools that agents declare are reached from this process, and the programs that some agents are led by; and
for whom."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.agents.brains.access import GuardedBrains
from outdial.agents.brains.reaching import Brains, NoBrains
from outdial.agents.tools.asks import Context, OfferedTool, Reply, Result, Secrets, offered
from outdial.agents.tools.definition import HttpTool, McpServer, OwnTools
from outdial.agents.tools.http import HttpTools
from outdial.agents.tools.mcp_servers import McpServers, ServerAway
from outdial.agents.tools.sound_files import SoundFiles
from outdial.net.addresses import Allowed
from outdial.net.guarded import GuardedTransport, Resolve
from outdial.secrets.store import SecretMissing, reveal
from outdial.workspaces.secrets import SecretBox

AT_ONCE = 200  # connections of a process


class Tools(Protocol):
    """What an agent's tools are asked by, and its brain where that is a program elsewhere. `secrets`: of the agent's
    workspace."""

    @property
    def secrets(self) -> Secrets: ...

    @property
    def brains(self) -> Brains: ...

    def http(self, tool: HttpTool) -> OfferedTool: ...

    async def mcp(self, server: McpServer, context: Context) -> Sequence[OfferedTool]:
        """Raises ServerAway."""
        ...


def load(own: OwnTools) -> None:
    """What is imported for them; not on an event loop that serves calls."""
    if own.mcp:
        import outdial.agents.tools.mcp_session  # noqa: F401


class ToolAccess:
    """Of a process: made when the first agent with a tool is used."""

    def __init__(
        self, allowed: Allowed, secrets_of: Callable[[str], Secrets], *, resolve: Resolve | None = None
    ) -> None:
        """`secrets_of`: a workspace."""
        self._allowed = allowed
        self._secrets_of = secrets_of
        self._resolve = resolve
        self._open: _Open | None = None
        self.sounds = SoundFiles(lambda: self._opened().transport)

    def of(self, workspace_id: str) -> "WorkspaceTools":
        return WorkspaceTools(self, self._secrets_of(workspace_id))

    @property
    def http(self) -> HttpTools:
        return self._opened().http

    @property
    def mcp(self) -> McpServers:
        return self._opened().mcp

    @property
    def brains(self) -> GuardedBrains:
        return self._opened().brains

    async def aclose(self) -> None:
        await self.sounds.aclose()
        if self._open is not None:
            opened, self._open = self._open, None
            await opened.mcp.aclose()
            await opened.transport.aclose()

    def _opened(self) -> "_Open":
        if self._open is None:
            transport = GuardedTransport(self._allowed, at_once=AT_ONCE, resolve=self._resolve)
            self._open = _Open(
                transport=transport,
                http=HttpTools(transport),
                mcp=McpServers(transport),
                brains=GuardedBrains(transport),
            )
        return self._open


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    transport: GuardedTransport
    http: HttpTools
    mcp: McpServers
    brains: GuardedBrains


def kept_secrets(engine: AsyncEngine, secret_box: SecretBox) -> Callable[[str], Secrets]:
    def of(workspace_id: str) -> Secrets:
        async def secrets(names: Collection[str], host: str) -> Mapping[str, str]:
            return await reveal(engine, secret_box, workspace_id, names, host=host)

        return secrets

    return of


class WorkspaceTools:
    def __init__(self, access: ToolAccess, secrets: Secrets) -> None:
        self.secrets = secrets
        self._access = access

    @property
    def brains(self) -> Brains:
        return self._access.brains

    def http(self, tool: HttpTool) -> OfferedTool:
        return self._access.http.offered(tool)

    async def mcp(self, server: McpServer, context: Context) -> Sequence[OfferedTool]:
        return await self._access.mcp.offered(server, context)


async def no_secrets(names: Collection[str], host: str) -> Mapping[str, str]:
    raise SecretMissing(min(names))


class NoTools:
    """Where none can be reached: every tool fails."""

    secrets: Secrets = staticmethod(no_secrets)
    brains: Brains = NoBrains()

    def http(self, tool: HttpTool) -> OfferedTool:
        async def ask(arguments: Mapping[str, Any], context: Context) -> Reply:
            return Reply(result=Result.FAILED, reason="not_reached")

        return offered(tool, ask)

    async def mcp(self, server: McpServer, context: Context) -> Sequence[OfferedTool]:
        raise ServerAway("not_reached")
