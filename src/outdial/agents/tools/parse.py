"""The tools of an agent's YAML, checked. Every fault is a ScriptError that names the line."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import httpx

from outdial.agents.script.expect import NAME, choice, data, fields, listed, plain, seconds, yes_or_no
from outdial.agents.script.model import ScriptError
from outdial.agents.script.template import Text
from outdial.agents.script.tree import Fields, Node, Scalar
from outdial.agents.tools.definition import (
    SECRET,
    Filling,
    HttpTool,
    McpServer,
    OwnTools,
    Part,
    Placeholder,
    Sentences,
    UrlTemplate,
)
from outdial.agents.tools.definition import SecretName as Secret
from outdial.agents.tools.schema import BadSchema, Schema, properties, sound
from outdial.net.urls import MAX_URL_CHARS

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
READING = "GET"          # what changes nothing, unless its author says otherwise
MAX_TOOLS = 30           # of an agent: HTTP tools and servers
MAX_OF_SERVER = 30       # tools of one server
MAX_ABOUT = 1000         # characters
MAX_HEADERS = 10
MAX_HEADER = 1000
MAX_SENT = 30
TIME_LIMIT_S = 10.0
LONGEST_S = 60.0

SPOKEN = ("before", "after", "slow", "failed")
_BOTH = ("name", "headers", "consequences", "time_limit_s", *SPOKEN)
_HTTP = ("about", "method", "url", "arguments", "answer", "send", *_BOTH)
_MCP = ("mcp", "tools", *_BOTH)
TOOL_KEYS = tuple(dict.fromkeys((*_HTTP, *_MCP)))
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_OURS = re.compile(
    r"(?i)content-.*|host|connection|transfer-encoding|accept-encoding|te|trailer|upgrade|expect|keep-alive|"
    r"idempotency-key|mcp-.*|proxy-.*|last-event-id"
)
_ORIGIN = re.compile(r"(https?://[^/?#{}@%\\\s]+)((?:/[^?#]*)?)(?:\?([^#]*))?")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*)\}")

Named = tuple[str, int]  # and its line


class ToolParser:
    """`text` reads a sentence with {variables}; `uses` is told of a text that was read otherwise; `taken`: names of
    tools that there are anyway."""

    def __init__(
        self, text: Callable[[Node, str], Text], uses: Callable[[Text, int], None], taken: Sequence[str]
    ) -> None:
        self._text = text
        self._uses = uses
        self._taken = taken

    def tools(self, nodes: Sequence[Fields]) -> OwnTools:
        http: list[HttpTool] = []
        mcp: list[McpServer] = []
        if len(nodes) > MAX_TOOLS:
            raise ScriptError(f"more than {MAX_TOOLS} tools", nodes[MAX_TOOLS].line)
        seen: set[str] = set(self._taken)
        for node in nodes:
            if "mcp" in node.nodes:
                server = self._server(node)
                mcp.append(server)
                title, line = server.name, server.line
            else:
                tool = self._http(node)
                http.append(tool)
                title, line = tool.name, tool.line
            if title in seen:
                raise ScriptError(f"there is a tool named '{title}' already", line)
            seen.add(title)
        return OwnTools(http=tuple(http), mcp=tuple(mcp))

    def _http(self, node: Fields) -> HttpTool:
        parts = fields(node, "a tool", _HTTP).nodes
        title, line = _name(parts.get("name"), node.line)
        for needed in ("about", "url"):
            if needed not in parts:
                raise ScriptError(f"the tool {title} needs {needed}", line)
        method = plain(parts["method"], "method").upper() if "method" in parts else READING
        if method not in METHODS:
            raise ScriptError(f"method is {choice(METHODS)}, not '{method[:60]}'", parts["method"].line)
        arguments = _schema(parts.get("arguments"), "arguments")
        arguments.setdefault("additionalProperties", False)
        default = method != READING
        return HttpTool(
            name=title,
            about=_about(parts["about"]),
            method=method,
            url=self._url(parts["url"], arguments),
            arguments=arguments,
            answer=_schema(parts["answer"], "answer", of_any=True) if "answer" in parts else None,
            headers=_headers(parts.get("headers")),
            send=self._sent(parts.get("send"), arguments),
            time_limit_s=_limit(parts.get("time_limit_s")),
            consequences=yes_or_no(parts["consequences"], "consequences") if "consequences" in parts else default,
            sentences=self._sentences(parts),
            line=line,
        )

    def _server(self, node: Fields) -> McpServer:
        parts = fields(node, "an MCP server", _MCP).nodes
        title, line = _name(parts.get("name"), node.line)
        if "__" in title:
            raise ScriptError("the name of a server has no two _ in a row", line)
        if "tools" not in parts:
            raise ScriptError(f"the server {title} needs tools: the names of those that the model may use", line)
        names = tuple(dict.fromkeys(one.text for one in listed(parts["tools"], "tools")))
        if not names or len(names) > MAX_OF_SERVER:
            raise ScriptError(f"tools are 1 to {MAX_OF_SERVER} names", parts["tools"].line)
        url = self._url(parts["mcp"], {}, plain_path=True)
        return McpServer(
            name=title,
            url=url,
            tools=names,
            consequences=_consequences(parts.get("consequences"), names),
            headers=_headers(parts.get("headers")),
            time_limit_s=_limit(parts.get("time_limit_s")),
            sentences=self._sentences(parts),
            line=line,
        )

    def _sentences(self, parts: Mapping[str, Node]) -> Sentences:
        found = {key: self._text(parts[key], key) for key in SPOKEN if key in parts}
        return Sentences(**found, lines={key: parts[key].line for key in found})

    def _sent(self, node: Node | None, arguments: Schema) -> Mapping[str, Text]:
        if node is None:
            return {}
        named = fields(node, "send")
        if len(named.nodes) > MAX_SENT:
            raise ScriptError(f"more than {MAX_SENT} values to send", node.line)
        for title, line in named.lines.items():
            if title in properties(arguments):
                raise ScriptError(f"'{title[:60]}' is an argument of the model's already", line)
        return {title: self._text(one, "what is sent") for title, one in named.nodes.items()}

    def _url(self, node: Node, arguments: Schema, *, plain_path: bool = False) -> UrlTemplate:
        source = plain(node, "the address").strip()
        found = _ORIGIN.fullmatch(source)
        if found is None or len(source) > MAX_URL_CHARS or any(not one.isprintable() for one in source):
            reason = "the address is a URL such as https://example.com/slots/{day}, and nothing is filled into its host"
            raise ScriptError(reason, node.line)
        origin, path, query = found[1], found[2], found[3] or ""
        segments = tuple(self._filling(one, node.line, arguments) for one in path.removeprefix("/").split("/"))
        if any(set(one) == {"."} for one in path.split("/") if one):
            raise ScriptError("the address has . or .. in its path", node.line)
        if any(isinstance(part, Secret) for segment in segments for part in segment):
            raise ScriptError("a secret stands in headers or in the query of an address, not in its path", node.line)
        pairs = tuple(
            (title, self._filling(value, node.line, arguments))
            for title, value in parse_qsl(query, keep_blank_values=True)
        )
        if any("{" in title for title, _ in pairs):
            raise ScriptError("a parameter of the address has a fixed name", node.line)
        filled = [part for text in (*segments, *(value for _, value in pairs)) for part in text]
        if plain_path and any(isinstance(part, Placeholder) for part in filled):
            raise ScriptError("the address of a server has nothing filled into it but secrets", node.line)
        try:
            httpx.URL(origin + re.sub(r"[{}]", "", path))
        except httpx.InvalidURL:
            raise ScriptError("the address is no URL", node.line) from None
        return UrlTemplate(origin=origin, path=segments if path else (), query=pairs)

    def _filling(self, text: str, line: int, arguments: Schema) -> Filling:
        """With secrets and {names}: those of arguments, else of variables."""
        parts: list[Part] = []
        for piece in _split(SECRET, text):
            if isinstance(piece, re.Match):
                parts.append(Secret(piece[1]))
                continue
            for inner in _split(_PLACEHOLDER, piece):
                if isinstance(inner, str):
                    if "{" in inner or "}" in inner:
                        raise ScriptError("the address has a brace that names nothing", line)
                    parts.append(inner)
                    continue
                is_argument = inner[1] in properties(arguments)
                if not is_argument:
                    self._uses(_as_text(inner[1]), line)
                parts.append(Placeholder(inner[1], is_argument))
        return tuple(parts)


def _split(pattern: re.Pattern[str], text: str) -> list[str | re.Match[str]]:
    found: list[str | re.Match[str]] = []
    end = 0
    for one in pattern.finditer(text):
        if one.start() > end:
            found.append(text[end : one.start()])
        found.append(one)
        end = one.end()
    return [*found, text[end:]] if end < len(text) else found


def _as_text(path: str) -> Text:
    from outdial.agents.script.template import Slot

    return Text((Slot(path),))


def _name(node: Node | None, line: int) -> Named:
    if node is None:
        raise ScriptError("a tool needs a name, by which the model calls it", line)
    title = plain(node, "name").strip()
    if not NAME.fullmatch(title):
        raise ScriptError(f"'{title[:60]}' is no name for a tool (letters, digits, _ and -)", node.line)
    return title, node.line


def _about(node: Node) -> str:
    about = " ".join(plain(node, "about").split())
    if len(about) > MAX_ABOUT:
        raise ScriptError(f"about is longer than {MAX_ABOUT} characters", node.line)
    return about


def _schema(node: Node | None, what: str, *, of_any: bool = False) -> dict[str, Any]:
    if node is None:
        return {"type": "object", "properties": {}}
    schema = data(node)
    if isinstance(schema, Mapping) and not of_any and schema and "type" not in schema and "properties" not in schema:
        raise ScriptError(f"{what} is a JSON schema: {{type: object, properties: …}}", node.line)
    try:
        if not of_any:
            return sound(schema)
        return sound({"type": "object", "properties": {"answer": schema}})["properties"]["answer"]  # type: ignore[no-any-return]
    except BadSchema as error:
        raise ScriptError(f"{what} {error}", node.line) from None


def _headers(node: Node | None) -> tuple[tuple[str, Filling], ...]:
    if node is None:
        return ()
    named = fields(node, "headers")
    if len(named.nodes) > MAX_HEADERS:
        raise ScriptError(f"more than {MAX_HEADERS} headers", node.line)
    found: dict[str, tuple[str, Filling]] = {}
    for title, one in named.nodes.items():
        line = named.lines[title]
        if not _HEADER.fullmatch(title):
            raise ScriptError(f"'{title[:60]}' is no name of a header", line)
        if _OURS.fullmatch(title):
            raise ScriptError(f"the header {title} is set by Outdial", line)
        if title.lower() in found:
            raise ScriptError(f"the header {title} is here twice", line)
        value = plain(one, "a header").strip()
        if len(value) > MAX_HEADER or not value.isascii() or not value.isprintable():
            raise ScriptError(f"a header is at most {MAX_HEADER} printable ASCII characters", one.line)
        parts = tuple(Secret(part[1]) if isinstance(part, re.Match) else part for part in _split(SECRET, value))
        if any("{" in part for part in parts if isinstance(part, str)):
            raise ScriptError("a header has nothing filled into it but secrets: {secret:name}", one.line)
        found[title.lower()] = (title, parts)
    return tuple(found.values())


def _consequences(node: Node | None, names: tuple[str, ...]) -> frozenset[str]:
    """True or false for all tools of a server, or a list of those that have some."""
    if node is None:
        return frozenset(names)
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return frozenset(names if node.value else ())
    found = listed(node, "consequences")
    for one in found:
        if one.text not in names:
            raise ScriptError(f"'{one.text[:60]}' is none of the server's tools named here", one.line)
    return frozenset(one.text for one in found)


def _limit(node: Node | None) -> float:
    return TIME_LIMIT_S if node is None else seconds(node, "time_limit_s", 1, LONGEST_S)
