"""How the programs are reached that decide what agents say: as an agent needs it, and in tests as they write it."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Json = Mapping[str, Any]

MOST_BYTES = 64 * 1024  # of a message


class BrainAway(Exception):
    """It can't be reached, or has left. `word` says why in our words; `may_again`: trying again may help."""

    def __init__(self, word: str, *, may_again: bool = True) -> None:
        super().__init__(word)
        self.word = word
        self.may_again = may_again


class Socket(Protocol):
    """A websocket of texts, open."""

    async def receive(self) -> str:
        """The next message. Raises BrainAway once it is closed, or for a message that is too long or no text."""
        ...

    async def send(self, text: str) -> None:
        """Raises BrainAway."""
        ...

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Does not wait for the other side for long, and never raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project of Voiceflow's as it is reached for one call. `key` is its secret, `user` whose state it is."""

    base_url: str
    project_id: str
    environment: str
    user: str
    key: str
    streams: bool = True  # turns as they come; else each once it is whole


class Door(Protocol):
    """One call's way into a project."""

    def turn(self, action: Json, variables: Json) -> AsyncGenerator[Any]:
        """The traces that an action brings, as they come. Closing it early breaks the turn off. Raises BrainAway."""
        ...

    async def forget(self) -> None:
        """The user's state, so that the call begins anew. Raises BrainAway."""
        ...

    async def variables(self) -> Json:
        """The state's, now. Raises BrainAway."""
        ...


class Brains(Protocol):
    """Of a workspace."""

    async def connect(self, url: str, headers: Mapping[str, str], *, most_bytes: int = MOST_BYTES) -> Socket:
        """`most_bytes`: of a message that comes. Raises BrainAway."""
        ...

    def door(self, project: Project) -> Door: ...


class NoBrains:
    """Where none can be reached."""

    async def connect(self, url: str, headers: Mapping[str, str], *, most_bytes: int = MOST_BYTES) -> Socket:
        raise BrainAway("not_reached", may_again=False)

    def door(self, project: Project) -> Door:
        return _Closed()


class _Closed:
    async def turn(self, action: Json, variables: Json) -> AsyncGenerator[Any]:
        raise BrainAway("not_reached", may_again=False)
        yield

    async def forget(self) -> None:
        raise BrainAway("not_reached", may_again=False)

    async def variables(self) -> Json:
        raise BrainAway("not_reached", may_again=False)
