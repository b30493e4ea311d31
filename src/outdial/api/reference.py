"""/docs: the OpenAPI document as a page. Ours, because the usual viewers load their scripts from elsewhere: that
fails offline, and no foreign script belongs on a page where people handle API keys."""

import json
import re
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, CanvasText 18%, Canvas);
  --soft: color-mix(in srgb, CanvasText 6%, Canvas); --quiet: color-mix(in srgb, CanvasText 65%, Canvas) }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 2rem 1.25rem 6rem; max-width: 60rem }
h2 { margin-top: 3rem } h3 { margin: 2.5rem 0 .5rem } nav a { margin-right: 1rem }
code, pre { font: .875rem/1.5 ui-monospace, monospace }
pre { background: var(--soft); padding: .75rem 1rem; overflow-x: auto; border-radius: .5rem; margin: .5rem 0 }
.route { display: flex; gap: .75rem; align-items: baseline; flex-wrap: wrap }
.method { font-weight: 700; min-width: 4rem } table { border-collapse: collapse; width: 100% }
td, th { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-top: 1px solid var(--line) }
details { border-top: 1px solid var(--line); padding: .4rem 0 }
summary { cursor: pointer } .quiet { color: var(--quiet) }
"""


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    return HTMLResponse(render(request.app.openapi()), headers=_HEADERS)


def render(document: dict[str, Any]) -> str:
    info = document["info"]
    by_tag: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            by_tag.setdefault(operation["tags"][0], []).append("".join(_operation(method, path, operation, document)))
    links = "".join(f'<a href="#{_anchor(tag)}">{escape(tag)}</a>' for tag in by_tag)
    body = "".join(f'<h2 id="{_anchor(tag)}">{escape(tag)}</h2>{"".join(parts)}' for tag, parts in by_tag.items())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style>"
        f"<h1>{escape(info['title'])} API {escape(info['version'])}</h1>{_prose(info['description'])}"
        f'<p><a href="openapi.json">openapi.json</a></p><nav>{links}</nav><main>{body}</main></html>'
    )


def _operation(method: str, path: str, operation: dict[str, Any], document: dict[str, Any]) -> Iterator[str]:
    anchor = _anchor(operation["operationId"])
    yield f'<h3 id="{anchor}">{escape(operation["summary"])}</h3>'
    yield f'<p class="route"><code class="method">{method.upper()}</code><code>{escape(path)}</code></p>'
    yield _prose(operation.get("description", ""))
    if access := operation.get("x-outdial-access"):
        yield f"<p class=quiet>{_who_may(**access)}</p>"
    if operation.get("parameters"):
        yield _table((p["name"], p["in"], p["schema"], p.get("description", "")) for p in operation["parameters"])
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = document["components"]["schemas"].get(content["schema"].get("$ref", "").rpartition("/")[2], {})
        required = schema.get("required", [])
        yield _table(
            (name, "required" if name in required else "optional", field, field.get("description", ""))
            for name, field in schema.get("properties", {}).items()
        )
        for name, example in content.get("examples", {}).items():
            yield f"<p>{escape(example.get('summary', name))}</p>{_json(example['value'])}"
    for status, response in operation["responses"].items():
        yield f"<details><summary><b>{escape(status)}</b> {escape(response['description'])}</summary>"
        for content in response.get("content", {}).values():
            for value in [*([content["example"]] if "example" in content else ()), *_values(content)]:
                yield _json(value)
        yield "</details>"


def _who_may(role: str, scopes: list[str]) -> str:
    keys = " or ".join(f"<code>{escape(scope)}</code>" for scope in scopes)
    above = "" if role == "operator" else " or above"
    people = f"people with the role {escape(role)}{above}"
    return f"For API keys with the scope {keys}, and for {people}." if keys else f"For {people} only, not for API keys."


def _values(content: dict[str, Any]) -> list[Any]:
    return [example["value"] for example in content.get("examples", {}).values()]


def _table(rows: Any) -> str:
    cells = (
        f"<tr><td><code>{escape(name)}</code><td class=quiet>{escape(where)}<td class=quiet>{escape(_type(schema))}"
        f"<td>{_prose(text)}"
        for name, where, schema, text in rows
    )
    return f"<table>{''.join(cells)}</table>"


def _type(schema: dict[str, Any]) -> str:
    kinds = [kind for kind in schema.get("anyOf", schema.get("oneOf", [schema])) if kind.get("type") != "null"]
    words = []
    for kind in kinds:
        if "enum" in kind:
            words.append(" | ".join(map(str, kind["enum"])))
        elif "oneOf" in kind:
            words.append(_type(kind))
        else:
            words.append(kind.get("format") or kind.get("type") or kind.get("$ref", "").rpartition("/")[2])
    return " or ".join(words)


def _json(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return f"<pre>{escape(text)}</pre>"


def _prose(text: str) -> str:
    """The little Markdown the document uses: paragraphs, `code`, **strong**."""
    html = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text.strip()))
    html = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", html)
    return "".join(f"<p>{paragraph}</p>" for paragraph in re.split(r"\n\s*\n", html) if paragraph)


def _anchor(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower())
