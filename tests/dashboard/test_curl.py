import re
import subprocess

import pytest

from outdial.dashboard.curl import curl

DOCUMENT = {
    "servers": [{"url": "https://voice.example"}],
    "components": {"securitySchemes": {"ApiKey": {"in": "header", "name": "Authorization"}}},
}


@pytest.fixture
def operation():
    return {"operationId": "add_thing", "security": [{"ApiKey": []}], "responses": {"200": {"description": "Done"}}}


def test_a_look_is_one_line_and_a_key(operation):
    told = curl("get", "/v1/things", operation, DOCUMENT)
    assert told == "curl 'https://voice.example/v1/things' \\\n  -H \"Authorization: $OUTDIAL_API_KEY\""


def test_an_open_operation_takes_no_key(operation):
    assert curl("get", "/healthz", operation | {"security": []}, DOCUMENT) == "curl 'https://voice.example/healthz'"


def test_a_quote_in_a_body_stays_in_the_body(operation):
    operation["requestBody"] = {"content": {"application/json": {"example": {"text": "It's $HOME"}}}}
    assert "'{\n  \"text\": \"It'\\''s $HOME\"\n}'" in curl("post", "/v1/things", operation, DOCUMENT)


def test_a_key_that_is_new_each_time_is_the_shell_s_to_make(operation):
    operation["parameters"] = [{"name": "Idempotency-Key", "in": "header"}]
    [made] = re.findall(r'-H "Idempotency-Key: (.*?)"', curl("post", "/v1/things", operation, DOCUMENT))
    first, second = (subprocess.check_output(["bash", "-c", f'printf %s "{made}"'], text=True) for _ in range(2))
    assert re.fullmatch(r"[0-9A-Fa-f-]{36}", first)
    assert first != second


def test_a_place_in_the_path_is_filled_by_its_example_or_named(operation):
    operation["parameters"] = [
        {"name": "thing_id", "in": "path", "schema": {"type": "string"}},
        {"name": "number", "in": "path", "schema": {"type": "string", "examples": ["+15551234567"]}},
    ]
    told = curl("delete", "/v1/things/{thing_id}/{number}", operation, DOCUMENT)
    assert told.startswith("curl -X DELETE 'https://voice.example/v1/things/THING_ID/+15551234567'")


def test_files_go_in_and_out_as_files_and_events_as_they_come(operation):
    operation["requestBody"] = {"content": {"text/csv": {"example": "a,b"}}}
    operation["responses"] = {"200": {"description": "", "content": {"audio/wav": {}, "text/event-stream": {}}}}
    told = curl("post", "/v1/things", operation, DOCUMENT)
    assert "--data-binary @thing.csv" in told
    assert "-o thing.wav" in told
    assert "--no-buffer" in told
