"""The other end of a carrier's REST adapter: answers with what it was given, in turn, and keeps the requests."""

import json
from urllib.parse import parse_qsl

import httpx

Reply = httpx.Response | Exception


class OtherEnd:
    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.requests: list[httpx.Request] = []
        self.transport = httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    @property
    def last(self) -> httpx.Request:
        return self.requests[-1]

    @property
    def json(self):
        return json.loads(self.last.content)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.last.content.decode(), keep_blank_values=True, strict_parsing=True))


def recorded(fixture: dict, name: str) -> httpx.Response:
    response = fixture[name]["response"]
    if "json" not in response:
        return httpx.Response(response["status"])
    return httpx.Response(response["status"], json=response["json"])


def recorded_error(fixture: dict, name: str) -> httpx.Response:
    error = fixture["errors"][name]
    return httpx.Response(error["status"], json=error["json"], headers=error.get("headers"))
