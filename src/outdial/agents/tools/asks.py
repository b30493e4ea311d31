"""What a model wants to know or to have done by a tool of the author's, and what came of it. Pure."""

import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from outdial.agents.tools.definition import HttpTool, Schema, Sentences
from outdial.agents.tools.redaction import HIDDEN, marks_any, redacted
from outdial.tracing.process import new_header

MAX_TOLD = 8000  # characters of an answer that a model is told
SILENT = Sentences()

# By name, for what is sent to this host. Raises SecretMissing (secrets/store.py).
Secrets = Callable[[Collection[str], str], Awaitable[Mapping[str, str]]]


class NotPossible(Exception):
    """Why a call of a tool can't be carried out, in words for the model."""


class Result(StrEnum):
    OK = "ok"
    FAILED = "failed"        # it wasn't done, or had nothing to do
    UNKNOWN = "unknown"      # it may have been done: no answer came, or none that tells
    CANCELLED = "cancelled"  # nobody waits for it any more; it changes nothing
    NOT_DONE = "not_done"    # it was never asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """`reason`: a word for what isn't OK. `status`: of HTTP. `answer`: what the tool says, data of a stranger's, cut
    where `is_cut`; no secrets are in it."""

    result: Result
    reason: str | None = None
    status: int | None = None
    answer: Any = None
    is_cut: bool = False


@dataclass(slots=True)
class Trace:
    """How far a request has come. `sent`: its first byte may have reached the server. `header`: of the call's trace,
    where there is one, for the server to go on with."""

    sent: bool = False
    header: Mapping[str, str] = field(default_factory=new_header)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a tool is asked with besides its arguments. `key`: the same for the same decision of the model's, and for no
    other."""

    known: Mapping[str, Any]
    defaults: Mapping[str, Any]
    secrets: Secrets
    key: str
    trace: Trace = field(default_factory=Trace)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedTool:
    """A tool as a model may ask it, wherever it is. `place`: the host, or the name of the server, for whoever looks."""

    name: str
    about: str
    arguments: Schema
    consequences: bool
    time_limit_s: float
    place: str
    ask: Callable[[Mapping[str, Any], Context], Awaitable[Reply]]
    answer: Schema | None = None
    sentences: Sentences = SILENT


def offered(tool: HttpTool, ask: Callable[[Mapping[str, Any], Context], Awaitable[Reply]]) -> OfferedTool:
    return OfferedTool(
        name=tool.name,
        about=tool.about,
        arguments=tool.arguments,
        consequences=tool.consequences,
        time_limit_s=tool.time_limit_s,
        place=tool.url.origin.partition("://")[2],
        ask=ask,
        answer=tool.answer,
        sentences=tool.sentences,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A tool that answers, wanted with these arguments, which its schema allows."""

    tool: OfferedTool
    arguments: Mapping[str, Any]

    @property
    def subject(self) -> str:
        """The same for the same tool and arguments, however the model has written them."""
        return f"{self.tool.name} {json.dumps(self.arguments, sort_keys=True, ensure_ascii=False)}"


_NOTES = {
    Result.FAILED: "It was not done.",
    Result.UNKNOWN: (
        "It may have been done, or not: nobody can tell now. Don't call it again for the same thing, and promise "
        "nothing."
    ),
}


def told_model(reply: Reply) -> str:
    """A tool's answer as JSON: what the tool says stands in `answer` alone."""
    told: dict[str, Any] = {"result": reply.result.value}
    if reply.reason is not None:
        told["reason"] = reply.reason
    if reply.status is not None:
        told["status"] = reply.status
    if note := _NOTES.get(reply.result):
        told["note"] = note
    if reply.answer is not None:
        answer = json.dumps(reply.answer, ensure_ascii=False, default=str)
        is_long = len(answer) > MAX_TOLD
        text = reply.answer if isinstance(reply.answer, str) else answer
        told["answer"] = text[:MAX_TOLD] if is_long else reply.answer
        if is_long or reply.is_cut:
            told["answer_is_cut"] = True
    return json.dumps(told, ensure_ascii=False, default=str)


def shown_answer(reply: Reply, ask: Ask) -> Any:
    """A server's refusal has another form than its answers: where these are redacted, it isn't shown."""
    schema = ask.tool.answer
    if schema is not None and reply.result is not Result.OK and marks_any(schema):
        return None if reply.answer is None else HIDDEN
    return redacted(reply.answer, schema)
