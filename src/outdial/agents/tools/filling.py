"""A tool's request, filled in: what the model gives, what the call knows, and secrets, each only where it may go. Pure.

What is filled into a URL can't leave its place: it is no part of the host, makes no path segment of its own, and no
other parameter of the query.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from outdial.agents.script.template import Text, lookup, render
from outdial.agents.tools.definition import Filling, HttpTool, McpServer, Placeholder, SecretName, UrlTemplate

MAX_PART = 500      # characters of a value in a URL
MAX_VALUE = 4000    # of one that is sent along
WITH_BODY = ("POST", "PUT", "PATCH")


class CannotFill(Exception):
    """Its text says why, for a model; no value stands in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """`body` None: there is none."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Any = None


def request_of(
    tool: HttpTool,
    arguments: Mapping[str, Any],
    known: Mapping[str, Any],
    defaults: Mapping[str, Any],
    secrets: Mapping[str, str],
) -> Outgoing:
    """Raises CannotFill. `known`: the call's variables."""
    values = _Values(arguments=arguments, known=known, defaults=defaults, secrets=secrets)
    in_url = {part.path for part in _placeholders(tool.url) if part.is_argument}
    rest = {name: value for name, value in arguments.items() if name not in in_url}
    rest |= {name: _sent(text, values) for name, text in tool.send.items()}
    with_body = tool.method in WITH_BODY
    return Outgoing(
        method=tool.method,
        url=_url(tool.url, values, {} if with_body else rest),
        headers=headers_of(tool, secrets),
        body=rest if with_body else None,
    )


def server_url(server: McpServer, secrets: Mapping[str, str]) -> str:
    """Raises CannotFill."""
    return _url(server.url, _Values(arguments={}, known={}, defaults={}, secrets=secrets), {})


def headers_of(tool: HttpTool | McpServer, secrets: Mapping[str, str]) -> dict[str, str]:
    """Raises CannotFill."""
    values = _Values(arguments={}, known={}, defaults={}, secrets=secrets)
    filled = {}
    for name, text in tool.headers:
        value = "".join(values.text(part) or "" for part in text).strip()
        if not value.isascii() or not value.isprintable():
            raise CannotFill(f"The header {name} can't be sent.")
        filled[name] = value
    return filled


@dataclass(frozen=True, slots=True, kw_only=True)
class _Values:
    arguments: Mapping[str, Any]
    known: Mapping[str, Any]
    defaults: Mapping[str, Any]
    secrets: Mapping[str, str]

    def value(self, part: Placeholder) -> Any:
        if part.is_argument:
            return self.arguments.get(part.path)
        value = lookup(part.path, self.known)
        return lookup(part.path, self.defaults) if value in (None, "") else value

    def text(self, part: str | SecretName | Placeholder) -> str | None:
        """None where there is no value. Raises CannotFill for one that isn't plain."""
        match part:
            case str():
                return part
            case SecretName(name=name):
                return self.secrets[name]
        return _plain(self.value(part), part.path)


def _url(template: UrlTemplate, values: _Values, rest: Mapping[str, Any]) -> str:
    path = "".join(f"/{_segment(segment, values)}" for segment in template.path)
    query = [*template_query(template, values), *((name, one) for name, value in rest.items() for one in _many(value))]
    asked = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query)
    return f"{template.origin}{path}{f'?{asked}' if asked else ''}"


def template_query(template: UrlTemplate, values: _Values) -> list[tuple[str, str]]:
    found = []
    for name, text in template.query:
        parts = [values.text(part) for part in text]
        if None not in parts:  # a parameter whose value isn't there is left out
            found.append((name, "".join(part or "" for part in parts)))
    return found


def _segment(segment: Filling, values: _Values) -> str:
    written = ""
    for part in segment:
        if isinstance(part, str):
            written += part
            continue
        text = values.text(part)
        name = part.path if isinstance(part, Placeholder) else part.name
        if not text:
            raise CannotFill(f"{name} is needed.")
        if any(character in "/\\" or not character.isprintable() for character in text) or set(text) <= {"."}:
            raise CannotFill(f"{name} is nothing that can stand in an address.")
        written += quote(text, safe="")
    if set(written) == {"."}:
        raise CannotFill("These values can't stand in an address.")
    return written


def _plain(value: Any, name: str) -> str | None:
    match value:
        case None:
            return None
        case bool():
            text = "true" if value else "false"
        case int():
            text = str(value) if abs(value) < 10**30 else ""
        case float():
            text = json.dumps(value) if math.isfinite(value) else ""
        case str():
            text = value
        case _:
            raise CannotFill(f"{name} is one text or number.")
    if len(text) > MAX_PART:
        raise CannotFill(f"{name} is longer than {MAX_PART} characters.")
    return text


def _many(value: Any) -> list[str]:
    """In a query: a list is a parameter each, an object its JSON."""
    if value is None:
        return []
    if isinstance(value, list):
        return [text for one in value for text in _many(one)]
    if isinstance(value, Mapping):
        return [json.dumps(value, ensure_ascii=False, default=str)[:MAX_VALUE]]
    text = _plain(value, "An argument")
    return [] if text is None else [text]


def _sent(text: Text, values: _Values) -> Any:
    """The value itself where there is nothing but a variable, else a text."""
    if len(text.parts) == 1 and not isinstance(slot := text.parts[0], str) and slot.format is None:
        value = values.value(Placeholder(slot.path, is_argument=False))
        value = slot.fallback if value in (None, "") else value
        return value[:MAX_VALUE] if isinstance(value, str) else value
    return render(text, values.known, values.defaults)


def _placeholders(template: UrlTemplate) -> list[Placeholder]:
    texts = (*template.path, *(text for _, text in template.query))
    return [part for text in texts for part in text if isinstance(part, Placeholder)]
