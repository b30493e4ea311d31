"""/docs tells all that the document does, to anybody, from here alone."""

import re
import shlex
from html.parser import HTMLParser
from urllib.parse import urlsplit

import httpx
import jsonschema
import pytest

from api.test_openapi import operations
from outdial.api.strict_json import parse_json
from outdial.dashboard.api_operations import anchor_of


class Page(HTMLParser):
    """The text in each element that has an id, the links, and what is loaded."""

    VOID = ("meta", "link", "input", "path", "circle", "rect", "br")

    def __init__(self, html):
        super().__init__()
        self.texts, self.ids, self.links, self.loaded, self.headings = {}, [], [], [], []
        self._open = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if "id" in attrs:
            self.ids.append(attrs["id"])
            self.texts[attrs["id"]] = ""
        if tag == "a":
            self.links.append(attrs["href"])
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append(tag)
        if tag in ("script", "link", "img"):
            self.loaded.append(attrs.get("src") or attrs.get("href"))
        assert not {"style", "onclick"} & attrs.keys()  # the policy forbids both
        if tag not in self.VOID:
            self._open.append((tag, attrs.get("id")))

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self._open.pop()[0] == tag

    def handle_data(self, data):
        for _, id_ in self._open:
            if id_ is not None:
                self.texts[id_] += data


@pytest.fixture
async def client(app):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://voice.example") as client:
        yield client


@pytest.fixture
async def page(client):
    return Page((await client.get("/docs")).text)


@pytest.fixture
def document(app):
    return app.openapi()


def squeezed(text):
    return " ".join(re.sub(r"[`*]", "", text).split())


async def test_every_operation_is_told_with_all_there_is_to_it(page, document):
    for name, operation in operations(document):
        text = squeezed(page.texts[anchor_of(operation["operationId"])])
        method, path = name.split(" ")
        told = [method, path, operation["summary"], operation["description"]]
        for parameter in operation.get("parameters", ()):
            told += [parameter["name"], parameter["description"]]
        for content in operation.get("requestBody", {}).get("content", {}).values():
            schema = document["components"]["schemas"].get(content["schema"].get("$ref", "").rpartition("/")[2], {})
            told += schema.get("properties", {})
        for status, response in operation["responses"].items():
            told.append(status)
            for content in response.get("content", {}).values():
                told += content.get("examples", {}) if status >= "400" else ()
        assert [each for each in told if squeezed(each) not in text] == [], name


async def test_the_sidebar_leads_to_each_and_every_link_leads_somewhere(page, document):
    local = [link[1:] for link in page.links if link.startswith("#")]
    assert {anchor_of(operation["operationId"]) for _, operation in operations(document)} <= set(local)
    assert set(local) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    listed = [anchor for anchor in local if anchor in page.texts and anchor != "main"]
    assert listed[-1] == "place-call-v1alpha1"  # earlier clients' path comes last
    assert page.headings.count("h1") == 1


async def test_nothing_comes_from_elsewhere_and_nothing_is_inline(client):
    answer = await client.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert all(url.startswith("/static/") for url in Page(answer.text).loaded)
    assert "automated calls without consent break the law" in answer.text
    assert not re.search(r"<script>|<style|url\(|@import", answer.text)


async def test_it_is_sent_once_and_asked_for_again(client):
    first = await client.get("/docs")
    assert first.headers["content-encoding"] == "gzip"
    assert int(first.headers["content-length"]) < 100_000
    assert first.headers["cache-control"] == "no-cache"
    again = await client.get("/docs", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    plain = await client.get("/docs", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == first.text


async def test_it_has_the_colours_somebody_chose(client):
    first = await client.get("/docs")
    dark = await client.get("/docs", headers={"Cookie": "outdial_theme=dark", "If-None-Match": first.headers["etag"]})
    assert '<html lang="en" data-theme="dark">' in dark.text
    assert "Cookie" in dark.headers["vary"]


class Sent:
    """What curl would send, given this command line."""

    def __init__(self, command):
        name, *words = shlex.split(command.replace(" \\\n", " "))  # a shell joins such lines
        assert name == "curl"
        self.method, self.headers, self.body, self.file = "GET", {}, None, None
        while words:
            match words:
                case ["-X", method, *words]:
                    self.method = method
                case ["-H", header, *words]:
                    header_name, _, value = header.partition(": ")
                    self.headers[header_name] = value
                case ["-d", body, *words]:
                    self.body = body
                case ["--data-binary", file, *words]:
                    self.file = file
                case ["-o" | "--cookie", _, *words] | ["--no-buffer", *words]:
                    pass
                case [url, *words]:
                    assert not url.startswith("-"), url
                    self.url = urlsplit(url)


async def test_the_curl_beside_each_operation_is_that_operation(page, document):
    for name, operation in operations(document):
        sent = Sent(page.texts[anchor_of(operation["operationId"]) + "-curl"])
        method, path = name.split(" ")
        assert sent.method == method
        assert f"{sent.url.scheme}://{sent.url.netloc}" == document["servers"][0]["url"], name
        assert re.fullmatch(re.sub(r"{\w+}", "[^/{}]+", path), sent.url.path), name
        assert sent.headers.get("Authorization") == (
            "$OUTDIAL_API_KEY" if {"ApiKey": []} in operation["security"] else None
        ), name
        takes_key = any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", ()))
        assert ("Idempotency-Key" in sent.headers) == takes_key, name
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            assert sent.headers["Content-Type"] == media_type, name
            if media_type == "application/json":
                whole = content["schema"] | {"components": document["components"]}
                jsonschema.validate(parse_json(sent.body.encode()), whole, cls=jsonschema.Draft202012Validator)
            else:
                assert sent.file.startswith("@"), name


async def test_people_only_operations_show_the_cookie_they_take(page):
    command = page.texts["change-workspace-curl"]
    assert '--cookie "__Host-outdial_sign_in=$SIGN_IN"' in command
    assert "$CSRF_TOKEN" in command
    assert "OUTDIAL_API_KEY" not in command
