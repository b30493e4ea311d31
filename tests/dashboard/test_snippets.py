"""The code that people copy is run as it is, by what they would run it with, against a server that listens."""

import asyncio
import json
import re
import shutil
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse

from outdial.dashboard.snippets import PLACEHOLDER, snippets

TO = "+15551234567"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
ODD = {
    "quotes": """it's "so" `date` $HOME $(date) ${x} \\ \\\\ \\n !! %s %% ''""",
    "lines": "one\ntwo\r\nthree\tfour\rfive",
    "unicode": "Zoë 🎉 日本 e\u0301 \u2028\u2029\u200b\u202e\ufeff \U000e0041 \x7f\x85\x1b[2J",
    "long": "It's long. " * 2_000,
    "looks like": ["true", "null", "1", "1.0", "", " ", "{}", "</pre><script>alert(1)</script>", "YOUR_API_KEY"],
    "numbers": [0, -1, 0.1, 1e22, -2.5e-7, 2**53 - 1],
    "words": [True, False, None],
    "nothing": [{}, [], ""],
    "deep": {"a": {"b": [{"c": {"": [[]]}}]}},
    "__proto__": {"__proto__": "own"},
    "constructor": "x",
    "it's \"a\" $name\n": "odd name",
}
LONG_NUMBERS = {"id": 9007199254740993, "ids": [-(2**63), 2**63 - 1], "text": "it's \u2028"}


@dataclass(slots=True)
class Ran:
    status: int
    out: str
    err: str


@dataclass(slots=True)
class Server:
    """Answers with the first of `answers` that is left, and keeps what it was asked."""

    url: str = ""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)

    async def __call__(self, scope, receive, send):
        request = Request(scope, receive)
        await request.body()
        self.asked.append(request)
        status, headers = self.answers.pop(0) if self.answers else (200, {})
        await JSONResponse({"call_id": "call_1", "message": "It's so."}, status, headers)(scope, receive, send)


@asynccontextmanager
async def listening(app):
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@pytest.fixture
async def server():
    server = Server()
    async with listening(server) as url:
        server.url = f"{url}/v1/phone-number/num_1/outbound"
        yield server


@pytest.fixture
async def served(app, tenant):
    """The endpoint of the tenant's number, of the whole product."""
    async with listening(app) as url:
        yield f"{url}/v1/phone-number/{tenant.number_id}/outbound"


async def run(language, url, request, tmp_path, *, key="od_key", path=None):
    """Whoever copied it, with the key in its place."""
    tool = {"curl": shutil.which("bash"), "python": sys.executable, "javascript": shutil.which("node")}[language]
    if tool is None or (language == "curl" and shutil.which("curl") is None):
        pytest.skip(f"There is nothing on this machine that runs {language}.")
    [snippet] = [one for one in snippets(url, request) if one.id == language]
    file = tmp_path / {"curl": "call.sh", "python": "call.py", "javascript": "call.mjs"}[language]
    file.write_bytes((snippet.before + key + snippet.after).encode())
    process = await asyncio.create_subprocess_exec(
        tool, file, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={"PATH": path or "/usr/local/bin:/usr/bin:/bin", "NO_PROXY": "*", "HOME": str(tmp_path)},
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return Ran(process.returncode, out.decode(), err.decode())


LANGUAGES = pytest.mark.parametrize("language", ["curl", "python", "javascript"])


@LANGUAGES
async def test_it_places_the_call_and_the_variables_arrive_as_they_were(viewer, tenant, served, tmp_path, language):
    request = {"to": TO, "variables": ODD, "amd": True, "agent": {"id": tenant.agent_id, "version": "draft"}}
    ran = await run(language, served, request, tmp_path, key=tenant.key)
    assert ran.status == 0, ran.err
    [call_id] = re.findall(r"call_\w{20}", ran.out)[:1]
    call = (await viewer.get(f"/v1/calls/{call_id}")).json()
    assert (call["to"], call["agent"]["version"]) == (TO, 1)
    assert call["variables"] == ODD
    assert [str(one) for one in call["variables"]["words"]] == ["True", "False", "None"]


@LANGUAGES
async def test_no_digit_is_lost(server, tmp_path, language):
    ran = await run(language, server.url, {"to": TO, "variables": LONG_NUMBERS}, tmp_path)
    assert ran.status == 0, ran.err
    assert json.loads(await server.asked[0].body())["variables"] == LONG_NUMBERS


@LANGUAGES
async def test_the_headers_are_those_of_the_contract(server, tmp_path, language):
    await run(language, server.url, {"to": TO}, tmp_path)
    [asked] = server.asked
    assert asked.method == "POST"
    assert asked.headers["Authorization"] == "od_key"
    assert asked.headers["Content-Type"] == "application/json"
    assert UUID.fullmatch(asked.headers["Idempotency-Key"])


@LANGUAGES
async def test_run_again_it_is_another_call(server, tmp_path, language):
    for _ in range(2):
        await run(language, server.url, {"to": TO}, tmp_path)
    first, second = (asked.headers["Idempotency-Key"] for asked in server.asked)
    assert first != second


@LANGUAGES
async def test_a_refusal_is_shown_as_the_server_says_it(served, tmp_path, language):
    ran = await run(language, served, {"to": TO}, tmp_path, key=PLACEHOLDER)
    told = ran.out if language == "curl" else ran.err
    assert '"code": "unauthorized"' in told or '"code":"unauthorized"' in told or "401" in told
    assert "API key" in told
    if language != "curl":
        assert ran.status != 0
        assert "401" in told
        assert ran.out == ""


async def test_curl_asks_again_with_the_same_key_where_no_answer_comes(server, tmp_path):
    server.answers = [(503, {"Retry-After": "0"})]
    ran = await run("curl", server.url, {"to": TO}, tmp_path)
    assert ran.status == 0
    first, second = (asked.headers["Idempotency-Key"] for asked in server.asked)
    assert first == second != ""


async def test_curl_does_not_wait_for_hours_to_ask_again(server, tmp_path):
    server.answers = [(429, {"Retry-After": "7200"})] * 9
    ran = await run("curl", server.url, {"to": TO}, tmp_path)
    assert len(server.asked) == 1
    assert "It's so." in ran.out


async def test_the_key_comes_from_uuidgen_where_there_is_one(server, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "uuidgen").write_text("#!/bin/sh\necho 8C0A2F6E-0000-4000-8000-00000000ABCD\n")
    (tools / "uuidgen").chmod(0o755)
    await run("curl", server.url, {"to": TO}, tmp_path, path=f"{tools}:/usr/local/bin:/usr/bin:/bin")
    assert server.asked[0].headers["Idempotency-Key"] == "8C0A2F6E-0000-4000-8000-00000000ABCD"


async def test_python_takes_the_standard_library_alone(server, tmp_path):
    [snippet] = [one for one in snippets(server.url, {"to": TO}) if one.id == "python"]
    imported = re.findall(r"^import (\w+)", snippet.before, re.MULTILINE)
    assert set(imported) <= sys.stdlib_module_names


def test_the_key_has_one_place_and_none_in_what_somebody_wrote():
    for snippet in snippets("https://voice.example/outbound", {"to": TO, "variables": {"a": PLACEHOLDER}}):
        assert f'"{PLACEHOLDER}"' in snippet.before + snippet.after
        assert snippet.takes_key == (snippet.after != "")


def test_other_tools_get_the_body():
    request = {"to": TO, "variables": ODD}
    *_, others = snippets("https://voice.example/outbound", request)
    assert json.loads(others.before) == request
