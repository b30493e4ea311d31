"""outdial agents try-tool: one tool of a source, really asked."""

import http.server
import json
import threading

import pytest

from outdial.cli.failures import explanation

SOURCE = """model: m
instructions: Talk.
tools:
  - {name: look, about: Look., url: "BASE/look"}
  - {name: book, about: Book., method: POST, url: "BASE/book"}
"""


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"asked": f"{self.command} {self.path}"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def source(outdial_json, tmp_path, monkeypatch):
    outdial_json("workspaces", "create", "Acme")
    monkeypatch.setenv("OUTDIAL_ALLOWED_PRIVATE_HOSTS", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path = tmp_path / "agent.yaml"
        path.write_text(SOURCE.replace("BASE", f"http://127.0.0.1:{server.server_port}"))
        yield str(path)
        server.shutdown()


def test_a_tool_is_asked(source, outdial_json):
    tried = outdial_json("agents", "try-tool", source, "look")
    assert (tried["result"], tried["answer"]) == ("ok", {"asked": "GET /look"})


def test_what_changes_something_wants_to_be_said(source, outdial, outdial_json):
    assert "changes something" in explanation(outdial("agents", "try-tool", source, "book").exception)
    assert outdial_json("agents", "try-tool", source, "book", "--consequences")["answer"] == {"asked": "POST /book"}
