"""Tools that an agent's author declares, once parsed. Not checked here: parse.py makes only sound ones. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from outdial.agents.script.template import Text

SECRET = re.compile(r"\{secret:([a-z][a-z0-9_]{0,62})\}")

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SecretName:
    """Where a secret of the workspace goes."""

    name: str


@dataclass(frozen=True, slots=True)
class Placeholder:
    """Where a value goes. `path`: an argument of the model's, or where `is_argument` is false a variable of the
    call's."""

    path: str
    is_argument: bool


Part = str | SecretName | Placeholder
Filling = tuple[Part, ...]  # one text, with what goes into it


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlTemplate:
    """`origin`: scheme, host and port, in which nothing is filled. `path`: its segments; `query`: names and values."""

    origin: str
    path: tuple[Filling, ...]
    query: tuple[tuple[str, Filling], ...] = ()

    @property
    def host(self) -> str:
        """Without a port."""
        return httpx.URL(self.origin).host


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentences:
    """Said word for word: `before` a tool is asked, `after` it has answered, while it is `slow`, when it has
    `failed`."""

    before: Text | None = None
    after: Text | None = None
    slow: Text | None = None
    failed: Text | None = None
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)  # where each is written


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTool:
    """`arguments`: a JSON schema without references, of an object, which the model fills in. Those that the URL doesn't
    take go into the query or, of POST, PUT and PATCH, into the body; so does `send`, which the model doesn't know.
    `answer`: the schema of what comes back, by which it is redacted. `consequences`: it changes something."""

    name: str
    about: str
    method: str
    url: UrlTemplate
    arguments: Schema
    time_limit_s: float
    consequences: bool
    line: int = field(default=0, compare=False)
    answer: Schema | None = None
    headers: tuple[tuple[str, Filling], ...] = ()
    send: Mapping[str, Text] = field(default_factory=dict)
    sentences: Sentences = Sentences()

    @property
    def secrets(self) -> frozenset[str]:
        return _secrets([*self.headers, *self.url.query])


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """`tools`: the names of those that the model may use, as the server has them; `consequences`: which of them change
    something."""

    name: str
    url: UrlTemplate
    tools: tuple[str, ...]
    consequences: frozenset[str]
    time_limit_s: float
    line: int = field(default=0, compare=False)
    headers: tuple[tuple[str, Filling], ...] = ()
    sentences: Sentences = Sentences()

    @property
    def secrets(self) -> frozenset[str]:
        return _secrets([*self.headers, *self.url.query])


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTools:
    """What an author declares."""

    http: tuple[HttpTool, ...] = ()
    mcp: tuple[McpServer, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.http or self.mcp)

    @property
    def each(self) -> tuple[HttpTool | McpServer, ...]:
        return (*self.http, *self.mcp)

    @property
    def said(self) -> Iterator[tuple[str, int, Text]]:
        """Of each sentence: whose it is, where it is written, and what it says."""
        for one in self.each:
            for verb, line in one.sentences.lines.items():
                yield one.name, line, getattr(one.sentences, verb)

    def __add__(self, other: "OwnTools") -> "OwnTools":
        """Those of two parts of an agent."""
        return OwnTools(http=(*self.http, *other.http), mcp=(*self.mcp, *other.mcp))


def _secrets(texts: list[tuple[str, Filling]]) -> frozenset[str]:
    return frozenset(part.name for _, text in texts for part in text if isinstance(part, SecretName))
