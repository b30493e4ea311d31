"""Tools as their author writes them."""

import pytest

from outdial.agents.llm.parse import parse_llm
from outdial.agents.script.model import ScriptError
from outdial.agents.tools.definition import HttpTool, OwnTools

AGENT = "model: m\ninstructions: Talk.\nvariables: {customer: c1}\n"
TOOL = """tools:
  - wait
  - name: slots
    about: The free times.
    url: https://calendar.example.com/v1/slots/{day}?key={secret:calendar_key}&customer={customer}
    arguments: {type: object, properties: {day: {type: string}}, required: [day]}
    headers: {Authorization: "Bearer {secret:calendar_token}"}
"""
SERVER = """tools:
  - name: calendar
    mcp: https://tools.example.com/mcp
    headers: {X-Key: "{secret:calendar_key}"}
    tools: [free_slots, book_slot]
    consequences: [book_slot]
    time_limit_s: 5
"""


def own(source: str) -> OwnTools:
    return parse_llm(AGENT + source).own_tools


def test_a_tool_is_read():
    agent = parse_llm(AGENT + TOOL)
    [tool] = agent.own_tools.http
    assert agent.tools == {"wait"}
    assert agent.warnings == ()
    assert (tool.method, tool.consequences, tool.time_limit_s) == ("GET", False, 10.0)
    assert tool.url.host == "calendar.example.com"
    assert tool.secrets == {"calendar_key", "calendar_token"}
    assert tool.arguments["additionalProperties"] is False


def test_a_server_is_read():
    [server] = own(SERVER).mcp
    assert server.tools == ("free_slots", "book_slot")
    assert (server.consequences, server.time_limit_s) == ({"book_slot"}, 5.0)


@pytest.mark.parametrize(
    ("method", "said", "consequences"),
    [("GET", "", False), ("POST", "", True), ("POST", "\n    consequences: false", False),
     ("GET", "\n    consequences: true", True), ("DELETE", "", True)],
)  # fmt: skip
def test_whatever_may_change_something_has_consequences_unless_its_author_says_otherwise(method, said, consequences):
    tool: HttpTool = own(TOOL.replace("    about:", f"    method: {method}{said}\n    about:")).http[0]
    assert tool.consequences is consequences


def test_all_tools_of_a_server_have_consequences_unless_its_author_says_otherwise():
    [server] = own(SERVER.replace("    consequences: [book_slot]\n", "")).mcp
    assert server.consequences == {"free_slots", "book_slot"}


@pytest.mark.parametrize(
    ("was", "is_now", "reason"),
    [
        ("https://calendar", "https://{day}", "nothing is filled into its host"),
        ("https://calendar.example.com", "https://calendar.example.com@evil.example", "is a URL such as"),
        ("https://calendar", "ftp://calendar", "is a URL such as"),
        ("slots/{day}", "slots/../{day}", "has . or .. in its path"),
        ("slots/{day}", "{secret:calendar_key}", "a secret stands in headers or in the query"),
        ("slots/{day}", "{day", "a brace that names nothing"),
        ("&customer=", "&{customer}=", "a parameter of the address has a fixed name"),
        ("name: slots", "name: hang_up", "there is a tool named 'hang_up' already"),
        ("name: slots", "name: a b", "is no name for a tool"),
        ("about: The free times.", "url2: x", "'url2' is unknown in a tool; did you mean 'url'?"),
        ("    about: The free times.\n", "", "the tool slots needs about"),
        ("Authorization:", "Content-Length:", "the header Content-Length is set by Outdial"),
        ("Authorization:", "idempotency-key:", "the header idempotency-key is set by Outdial"),
        ("{secret:calendar_token}", "{day}", "a header has nothing filled into it but secrets"),
        ("{secret:calendar_token}", "{secret:Bad-Name}", "a header has nothing filled into it but secrets"),
        ("type: object, prop", "type: list, prop", "arguments is the schema of an object"),
        ("{type: string}", "{type: text}", "arguments is no JSON schema (at properties/day/type)"),
        ("{type: string}", "{$ref: 'https://evil.example/'}", "arguments refers to https://evil.example/"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(was, is_now, reason):
    assert was in TOOL
    with pytest.raises(ScriptError) as error:
        own(TOOL.replace(was, is_now, 1))
    assert reason in error.value.reason
    assert error.value.line is not None
    assert error.value.line > 4


@pytest.mark.parametrize(
    ("was", "is_now", "reason"),
    [
        ("    tools: [free_slots, book_slot]\n    consequences: [book_slot]\n", "", "needs tools"),
        ("consequences: [book_slot]", "consequences: [book]", "is none of the server's tools"),
        ("/mcp\n", "/{customer}\n", "nothing filled into it but secrets"),
        ("name: calendar", "name: a__b", "no two _ in a row"),
        ("    mcp:", "    about: x\n    mcp:", "'about' is unknown in an MCP server"),
    ],
)
def test_what_is_wrong_with_a_server_is_told(was, is_now, reason):
    with pytest.raises(ScriptError) as error:
        own(SERVER.replace(was, is_now, 1))
    assert reason in error.value.reason


def test_a_variable_that_nothing_gives_a_value_is_warned_of():
    [warning] = parse_llm(AGENT + TOOL.replace("{customer}", "{costumer}")).warnings
    assert warning.reason == "{costumer} has no fallback and no default; did you mean 'customer'?"


def test_a_secret_is_nothing_to_say():
    with pytest.raises(ScriptError):
        parse_llm(AGENT + "greeting: Our key is {secret:calendar_key}.\n")
