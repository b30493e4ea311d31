"""The OpenAPI document is valid, complete, and true."""

import json
import re

import jsonschema
import pytest
from openapi_spec_validator import validate

from outdial import __version__

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def made():
    return []


@pytest.fixture
def document(app, made):
    """Made once, for it takes a while: the app is another one for each test, and always says the same."""
    if not made:
        made.append(app.openapi())
    return made[0]


def operations(document):
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            yield f"{method.upper()} {path}", item[method]


def examples(document):
    """Every (where, schema, value) of the document."""
    for name, operation in operations(document):
        contents = [(f"{name} request", operation.get("requestBody", {}).get("content", {}))]
        contents += [(f"{name} {status}", r.get("content", {})) for status, r in operation["responses"].items()]
        for where, content in contents:
            for media in content.values():
                values = [example["value"] for example in media.get("examples", {}).values()]
                values += [media["example"]] if "example" in media else []
                for value in values:
                    yield where, media.get("schema", {}), value


def test_it_is_valid(document):
    validate(document)


def test_it_tells_the_consent_notice(document):
    assert "automated calls without consent break the law" in document["info"]["description"]
    assert document["info"]["title"] == "Outdial"


def test_it_is_of_this_version(document):
    assert document["info"]["version"] == __version__


def test_it_names_this_server_and_the_licence(document):
    assert [server["url"] for server in document["servers"]] == ["https://voice.example"]
    assert document["info"]["license"] == {"name": "MIT", "identifier": "MIT"}


def test_tags_are_told_of_and_come_in_a_sensible_order(document):
    names = [tag["name"] for tag in document["tags"]]
    assert all(tag["description"] for tag in document["tags"])
    used = [operation["tags"] for _, operation in operations(document)]
    assert {name for tags in used for name in tags} == set(names)
    assert {len(tags) for tags in used} == {1}
    places = [names.index(tags[0]) for tags in used]
    assert places == sorted(places)
    assert (names[0], names[-1]) == ("Outbound calls", "v1alpha1")
    assert [path for path in document["paths"] if path.startswith("/v1alpha1")] == [*document["paths"]][-1:]


def test_a_generator_finds_names_and_types_to_work_with(document):
    for name, operation in operations(document):
        assert re.fullmatch(r"[a-z][a-z0-9_]*", operation["operationId"]), name
        path = name.partition(" ")[2]
        parameters = operation.get("parameters", [])
        assert {each["name"] for each in parameters if each["in"] == "path"} == set(re.findall(r"{(\w+)}", path)), name
        for parameter in parameters:
            assert parameter["description"], (name, parameter["name"])
            # Neither a query nor a header can be null: one that isn't sent isn't there.
            assert {"type": "null"} not in parameter["schema"].get("anyOf", []), (name, parameter["name"])


def test_a_schema_has_a_name_of_its_own(document):
    """Two classes of one name would get those of their modules, and generators put them into one."""
    schemas = document["components"]["schemas"]
    assert {name for name in schemas if not re.fullmatch(r"[A-Z][A-Za-z]*", name)} == set()
    titles = [schema.get("title") for schema in schemas.values()]
    assert len(titles) == len(set(titles))


def test_every_schema_is_used(document):
    text = json.dumps(document)
    assert {name for name in document["components"]["schemas"] if f'"#/components/schemas/{name}"' not in text} == set()


def test_an_error_s_code_is_a_word_of_a_list_that_may_grow(document):
    code = document["components"]["schemas"]["Problem"]["properties"]["code"]
    told = {value["code"] for _, schema, value in examples(document) if schema.get("$ref", "").endswith("/Problem")}
    assert told == set(code["x-extensible-enum"])
    assert {"unauthorized", "invalid_request", "do_not_call", "pool_full"} <= told
    assert "enum" not in code


def test_every_operation_has_words_an_id_and_examples(document):
    ids = []
    shown = {where for where, _, _ in examples(document)}
    for name, operation in operations(document):
        ids.append(operation["operationId"])
        assert operation["summary"], name
        assert operation["description"], name
        assert operation["tags"], name
        if "requestBody" in operation:
            assert f"{name} request" in shown, name
        if not {"204", "206"} & operation["responses"].keys():
            success = next(status for status in operation["responses"] if status.startswith("2"))
            assert f"{name} {success}" in shown, name
    assert len(ids) == len(set(ids))


def test_every_operation_but_health_needs_a_key_or_a_person_and_says_what_can_go_wrong(document):
    schemes = document["components"]["securitySchemes"]
    assert schemes["ApiKey"]["name"] == "Authorization"
    assert (schemes["SignIn"]["in"], schemes["SignIn"]["name"]) == ("cookie", "__Host-outdial_sign_in")
    for name, operation in operations(document):
        if name in ("GET /healthz", "GET /readyz"):
            assert operation["security"] == [], name  # said, so that nobody has to guess
            continue
        by_key = bool(operation["x-outdial-access"]["scopes"])
        assert operation["security"] == [{"ApiKey" if by_key else "SignIn": []}], name
        limits = operation["responses"].get("429", {}).get("content", {}).get("application/problem+json", {})
        assert ("rate_limited" in limits.get("examples", {})) == by_key, name
        wanted = {"401", "503"} | ({"413", "415", "422"} if "requestBody" in operation else set())
        assert wanted <= operation["responses"].keys(), name
        for status, response in operation["responses"].items():
            if status >= "400":
                assert response["content"].keys() == {"application/problem+json"}, (name, status)


def test_no_operation_documents_fastapi_s_own_errors(document):
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_the_examples_are_what_the_schemas_say(document):
    count = 0
    for where, schema, value in examples(document):
        whole = schema | {"components": document["components"]}
        jsonschema.validate(value, whole, cls=jsonschema.Draft202012Validator)
        count += 1
        assert where
    assert count > 50


def test_the_outbound_endpoint_documents_the_whole_contract(document):
    operation = document["paths"]["/v1/phone-number/{number_id}/outbound"]["post"]
    assert operation["responses"].keys() == {
        *("200", "401", "403", "404", "409", "413", "415", "422", "429", "503"),
    }
    assert "consent" in operation["description"]
    assert "/v1alpha1/phone-number/{number_id}/outbound" in document["paths"]
    header = next(p for p in operation["parameters"] if p["name"].lower() == "idempotency-key")
    assert header["in"] == "header"


async def test_it_is_served(client, document):
    assert (await client.get("/openapi.json")).json() == document


def test_every_reference_leads_somewhere(document):
    def references(node):
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for child in node.values():
                yield from references(child)
        elif isinstance(node, list):
            for child in node:
                yield from references(child)

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= known
