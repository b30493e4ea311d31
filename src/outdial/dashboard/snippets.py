"""Code that places a call from one number, to copy. The body in it is what the form beside it says (see
static/outbound_api.js, which writes it anew in the same way)."""

import json
from dataclasses import dataclass

EXAMPLE = {"to": "+15551234567", "variables": {"user_name": "Jane", "account_type": "Premium"}, "amd": True}
KEY = "YOUR_API_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """`before` and `after` stand around the body; `language` says how that is written."""

    name: str
    language: str  # shell | python | javascript | json
    before: str
    body: str
    after: str
    hint: str = ""


def snippets(url: str) -> list[Snippet]:
    as_json = json.dumps(EXAMPLE, indent=2)
    return [
        Snippet(
            name="curl",
            language="shell",
            before=f"curl -X POST '{url}' \\\n  -H 'Authorization: {KEY}' \\\n"
            "  -H 'Content-Type: application/json' \\\n  -d '",
            body=as_json,
            after="'",
        ),
        Snippet(
            name="Python",
            language="python",
            before=f'import requests\n\nresponse = requests.post(\n    "{url}",\n'
            f'    headers={{"Authorization": "{KEY}"}},\n    json=',
            body=as_python(EXAMPLE),
            after=",\n    timeout=30,\n)\nresponse.raise_for_status()\nprint(response.json()[\"call_id\"])",
        ),
        Snippet(
            name="JavaScript",
            language="javascript",
            before=f'const response = await fetch("{url}", {{\n  method: "POST",\n  headers: {{\n'
            f'    Authorization: "{KEY}",\n    "Content-Type": "application/json",\n  }},\n  body: JSON.stringify(',
            body=as_json,
            after="),\n});\nconst { call_id } = await response.json();\nconsole.log(response.status, call_id);",
        ),
        Snippet(
            name="Zapier, Make, n8n",
            language="json",
            before="",
            body=as_json,
            after="",
            hint=f"In an HTTP or webhook step: method POST, URL {url}, header Authorization with your API key, body "
            "type JSON, and this body. Put your tool's fields where the values are.",
        ),
    ]


def as_python(value: object) -> str:
    """JSON as a Python literal, indented as json.dumps does it."""
    text = json.dumps(value, indent=4).replace("\n", "\n    ")
    return text.replace(": true", ": True").replace(": false", ": False").replace(": null", ": None")
