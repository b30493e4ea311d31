"""Code that places a call from one number, to copy: it sends what the form beside it says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from outdial.dashboard.literals import as_javascript, as_json, as_python, in_shell, rounds, text_literal
from outdial.ids import UUID_IN_SHELL

EXAMPLE_TO = "+15551234567"  # where nobody has said yet who is to be called
PLACEHOLDER = "YOUR_API_KEY"  # until somebody has made one, which the browser alone fills in


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """The API key stands between `before` and `after`; without `takes_key` everything is in `before`."""

    id: str
    name: str
    before: str
    after: str = ""
    takes_key: bool = True
    hint: str = ""


def snippets(url: str, request: Mapping[str, Any]) -> list[Snippet]:
    """`request` is the body: any JSON object, also one that the API would refuse."""
    return [_curl(url, request), _python(url, request), _javascript(url, request), _no_code(request)]


def _curl(url: str, request: Mapping[str, Any]) -> Snippet:
    return Snippet(
        id="curl",
        name="curl",
        before=f"curl -X POST {in_shell(url)} \\\n  --max-time 30 --retry 3 --retry-max-time 60 \\\n"
        "  -H 'Authorization: ",
        after="' \\\n"
        f'  -H "Idempotency-Key: {UUID_IN_SHELL}" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        f"  -d {in_shell(as_json(dict(request)))}",
        hint="Where no answer comes, curl asks again with the same Idempotency-Key, and nobody is called twice. Run it "
        "once more yourself, and it places another call.",
    )


def _python(url: str, request: Mapping[str, Any]) -> Snippet:
    return Snippet(
        id="python",
        name="Python",
        before="import json\nimport urllib.error\nimport urllib.request\nimport uuid\n\n"
        f"call = {as_python(dict(request))}\n"
        "request = urllib.request.Request(\n"
        f"    {text_literal(url)},\n"
        "    data=json.dumps(call).encode(),\n"
        "    headers={\n"
        '        "Authorization": "',
        after='",\n'
        '        "Content-Type": "application/json",\n'
        "        # One for each call: sent again with the same one, a request never dials twice.\n"
        '        "Idempotency-Key": str(uuid.uuid4()),\n'
        "    },\n"
        ")\n"
        "try:\n"
        "    with urllib.request.urlopen(request, timeout=30) as response:\n"
        '        print(json.load(response)["call_id"])\n'
        "except urllib.error.HTTPError as error:\n"
        '    raise RuntimeError(f"{error.code} {error.read().decode()}") from error\n',
        hint="Takes Python 3 and nothing else.",
    )


def _javascript(url: str, request: Mapping[str, Any]) -> Snippet:
    if rounds(request):
        call = (
            "// As text: a number in it is too long for JavaScript, which would round it.\n"
            f"const call = {text_literal(as_json(dict(request)))};\n"
        )
    else:
        call = f"const call = JSON.stringify({as_javascript(dict(request))});\n"
    return Snippet(
        id="javascript",
        name="JavaScript",
        before='import { randomUUID } from "node:crypto";\n\n'
        f"{call}"
        f"const response = await fetch({text_literal(url)}, {{\n"
        '  method: "POST",\n'
        "  headers: {\n"
        '    Authorization: "',
        after='",\n'
        '    "Content-Type": "application/json",\n'
        "    // One for each call: sent again with the same one, a request never dials twice.\n"
        '    "Idempotency-Key": randomUUID(),\n'
        "  },\n"
        "  body: call,\n"
        "  signal: AbortSignal.timeout(30_000),\n"
        "});\n"
        "if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);\n"
        "const { call_id } = await response.json();\n"
        "console.log(call_id);\n",
        hint="Takes Node.js 18 or later and nothing else; save it as call.mjs.",
    )


def _no_code(request: Mapping[str, Any]) -> Snippet:
    return Snippet(id="no-code", name="Zapier, Make, n8n", before=as_json(dict(request)), takes_key=False)
