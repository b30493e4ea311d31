"""A script tried without a call: on callees written down, or line by line on whoever types. Nothing is stored."""

from typing import Annotated, Any

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse
from pydantic import Field, model_validator

from outdial import clock
from outdial.agents.store import MAX_SOURCE_CHARS
from outdial.api.agents import SOURCE
from outdial.api.auth import ApiRoute, Caller
from outdial.api.bodies import StrictBody
from outdial.api.docs import errors, example
from outdial.api.scripts import ScriptSource
from outdial.api.services import Use
from outdial.calls.request import CleanText, JsonObject
from outdial.policy.gate import Rule, refusal
from outdial.policy.spending import is_spent_now
from outdial.refusals import Refusal
from outdial.rehearsals.parse import KEYS_PRESSED, MAX_LINES, MAX_WORDS
from outdial.rehearsals.stage import Report, Talk
from outdial.rehearsals.tape import MAX_ARGUMENTS, MAX_CALLS, MAX_SAID, MAX_TOOL, TapedAnswer
from outdial.testing.callee import CalleeLine, HangsUp, Presses, Says, Silent
from outdial.workspaces.access import EDIT

MAX_ANSWERS = 500

router = APIRouter(route_class=ApiRoute, tags=["Agents"])

_CALL: dict[str, Any] = {
    "outcome": "confirmed",
    "ended_by": "agent",
    "noted": {"outcome": "confirmed"},
    "path": [
        {"step": "greeting", "line": 20, "at_ms": 0, "led_by": None},
        {"step": "confirmed", "line": 32, "at_ms": 3385, "led_by": "yes"},
    ],
    "turns": [
        {"speaker": "agent", "text": "Am I speaking with Jane?", "start_ms": 0, "end_ms": 1560, "interrupted": False},
        {"speaker": "callee", "text": "Yes.", "start_ms": 2160, "end_ms": 2420, "interrupted": False},
    ],
    "duration_ms": 7085,
}
_REHEARSALS = "rehearsals:\n  - name: Jane confirms\n    call:\n      - says: Yes.\n    expect: {outcome: confirmed}\n"
_REPORT: dict[str, Any] = {
    "errors": [],
    "passed": 1,
    "failed": 0,
    "rehearsals": [{"name": "Jane confirms", "passed": True, "wrong": None, "line": None, **_CALL}],
}
_TALK: dict[str, Any] = {
    "errors": [],
    "call": {"awaits_callee": False, "stopped": None, "model": None, "answers": [], "tools": [], **_CALL},
}
_TOO_MANY = {"s429_too_many_rehearsals": "That was a lot of rehearsing at once. Try again in 2 s."}


def _too_much_spent() -> Refusal:
    return refusal(Rule.SPEND_LIMIT, to="", from_="", now=clock.now())


class ToRehearse(StrictBody):
    source: ScriptSource
    """The script, YAML."""
    rehearsals: Annotated[CleanText, Field(max_length=MAX_SOURCE_CHARS)]
    """The rehearsals, YAML. The script that they name is not looked for."""


class TalkLine(StrictBody):
    """One thing that the callee does: says or presses something, is silent, or hangs up."""

    says: Annotated[CleanText, Field(min_length=1, max_length=MAX_WORDS)] | None = None
    presses: Annotated[str, Field(pattern=rf"^{KEYS_PRESSED.pattern}$", max_length=40)] | None = None
    silent: bool = False
    hangs_up: bool = False

    @model_validator(mode="after")
    def _one_thing(self) -> "TalkLine":
        if (self.says is not None) + (self.presses is not None) + self.silent + self.hangs_up != 1:
            raise ValueError("takes one of says, presses, silent and hangs_up")
        return self

    def line(self) -> CalleeLine:
        if self.says is not None:
            return Says(self.says)
        if self.presses is not None:
            return Presses(self.presses)
        return Silent() if self.silent else HangsUp()


class ToolCallBody(StrictBody):
    tool: Annotated[CleanText, Field(max_length=MAX_TOOL)]
    arguments: Annotated[CleanText, Field(max_length=MAX_ARGUMENTS)]


class AnswerBody(StrictBody):
    """What a model answered, as the last talk has it."""

    model: Annotated[CleanText, Field(max_length=200)] = ""
    says: Annotated[CleanText, Field(max_length=MAX_SAID)] = ""
    calls: Annotated[list[ToolCallBody], Field(max_length=MAX_CALLS)] = Field(default_factory=list)
    fails: Annotated[CleanText, Field(max_length=200)] | None = None
    at_ms: Annotated[int, Field(ge=0)] = 0
    first_word_ms: Annotated[int, Field(ge=0)] | None = None
    total_ms: Annotated[int, Field(ge=0)] = 0
    tokens: Annotated[int, Field(ge=0)] = 0
    dollars: Annotated[float, Field(ge=0)] | None = None

    def answer(self) -> TapedAnswer:
        calls = tuple((one.tool, one.arguments) for one in self.calls)
        return TapedAnswer(calls=calls, **self.model_dump(exclude={"calls"}))


class ToTalk(StrictBody):
    source: ScriptSource
    """The script, YAML."""
    lines: Annotated[list[TalkLine], Field(max_length=MAX_LINES)] = Field(default_factory=list)
    """What the callee has done so far, in its order."""
    variables: JsonObject = Field(default_factory=dict)
    """What is sent with the call."""
    answers: Annotated[list[AnswerBody], Field(max_length=MAX_ANSWERS)] = Field(default_factory=list)
    """What the agent's model answered so far: `answers` of the last talk. The model is asked for what isn't there."""


@router.post(
    "/v1/agents/rehearse",
    summary="Rehearse a script",
    operation_id="rehearse_script",
    description=(
        "Has a script talk to callees written down, without audio and without a call: what came of each, which way it "
        "took, and the first line that went wrong. Where a model talks or understands, `model` of the rehearsal says "
        "what it answers. Two seconds at most for all of them."
    ),
    response_model=Report,
    responses=example(_REPORT) | errors(413, 415, 422, **_TOO_MANY),
)
async def post_rehearsals(
    services: Use,
    caller: Caller,
    body: Annotated[
        ToRehearse, Body(openapi_examples={"rehearsals": {"value": {"source": SOURCE, "rehearsals": _REHEARSALS}}})
    ],
) -> JSONResponse:
    return JSONResponse(await services.stage.rehearse(caller.workspace_id, body.source, body.rehearsals))


@router.post(
    "/v1/agents/talk",
    summary="Talk to a script",
    operation_id="talk_to_script",
    description=(
        "The call so far, with a callee who does what `lines` say, without audio and without a call. Send it again "
        "with one line more to go on; the same lines lead to the same call. An agent with a model asks it, which takes "
        "a role or scope that may write agents, and may cost money; send `answers` along, and it is asked for the new "
        "ones alone; they count for the spend limit of the workspace. Where its model can't be used, that of a "
        "simulator which may be stands in. Thirty seconds at most, and two at once of a workspace."
    ),
    response_model=Talk,
    responses=example(_TALK)
    | errors(
        413,
        415,
        422,
        **_TOO_MANY,
        s429_too_many_talks="Others are talking to models just now. Try again in a moment.",
        s429_spend_limit=_too_much_spent().message,
    ),
)
async def post_talk(
    services: Use,
    caller: Caller,
    body: Annotated[
        ToTalk,
        Body(
            openapi_examples={
                "begin": {"value": {"source": SOURCE}},
                "go on": {"value": {"source": SOURCE, "lines": [{"says": "Yes."}], "variables": {"user_name": "Jane"}}},
            }
        ),
    ],
) -> JSONResponse:
    async def may_ask() -> None:
        caller.require(EDIT)
        if await is_spent_now(services.engine, caller.workspace_id):
            raise _too_much_spent()

    talk = await services.stage.talk(
        caller.workspace_id,
        body.source,
        [one.line() for one in body.lines],
        body.variables,
        [one.answer() for one in body.answers],
        may_ask=may_ask,
    )
    return JSONResponse(talk)
