"""For those who write scripts: examples, what is wrong with a script, and how it sounds. Nothing is stored."""

import asyncio
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Response
from fastapi.responses import JSONResponse
from pydantic import Field
from typing_extensions import TypedDict

from outdial.agents.disclosures import disclosure_of
from outdial.agents.llm.vendors import ModelServers
from outdial.agents.own_speech import with_key
from outdial.agents.review import KnownKeys, Review, review_agent
from outdial.agents.script.actions import MAX_TEXT
from outdial.agents.script.examples import list_examples
from outdial.agents.script.parse import LANGUAGE
from outdial.agents.script.pronounce import MAX_WORDS
from outdial.agents.script.template import TemplateError, parse_text, render
from outdial.agents.script.unmeant import Meant
from outdial.agents.store import MAX_SOURCE_CHARS
from outdial.api.agents import SOURCE
from outdial.api.auth import ApiRoute, Caller
from outdial.api.bodies import StrictBody
from outdial.api.docs import errors, example
from outdial.api.services import Use
from outdial.calls.request import CleanText, JsonObject
from outdial.db.engine import reading
from outdial.numbers.views import without_warm_transfer
from outdial.policy.destinations import read_reach
from outdial.refusals import Invalid, Unavailable
from outdial.secrets.store import names as secret_names
from outdial.speech.reading.reader import Reading

router = APIRouter(route_class=ApiRoute, tags=["Agents"])

_EXAMPLE: dict[str, Any] = {
    "name": "appointment_reminder",
    "title": "Appointment reminder",
    "about": "An appointment reminder worth copying.",
    "source": SOURCE,
}
_PROMPT: dict[str, Any] = {"text": "Hello {user_name|there}, this is {practice}.", "variables": {"user_name": "Jane"}}
_REVIEW: dict[str, Any] = {
    "errors": [],
    "warnings": [{"line": 3, "message": "{practice} has no fallback and no default"}],
    "prompts": [
        {
            "step": "greeting",
            "verb": "say",
            "line": 3,
            "text": _PROMPT["text"],
            "variables": ["user_name", "practice"],
        }
    ],
    "variables": {"user_name": None, "practice": None},
    "language": "en-US",
    "pronounce": {"Nguyen": "win"},
    "outline": {
        "start": "greeting",
        "anywhere": [],
        "steps": [
            {
                "name": "greeting",
                "line": 2,
                "reached": True,
                "ways": [{"on": ["yes"], "does": "goto", "step": "thanks", "line": 7}],
            },
            {
                "name": "thanks",
                "line": 8,
                "reached": True,
                "ways": [{"on": [], "does": "hang_up", "step": None, "line": 9}],
            },
        ],
    },
    "tools": [],
}
WAV: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The audio",
        "content": {"audio/wav": {"schema": {"type": "string", "format": "binary"}, "example": "RIFF…WAVE…"}},
    }
}


# Also one that isn't finished: what is wrong with it is told, and an empty one is no fault of the request.
ScriptSource = Annotated[CleanText, Field(max_length=MAX_SOURCE_CHARS)]


class Checked(StrictBody):
    source: ScriptSource
    """The script, YAML."""
    agent_id: Annotated[CleanText, Field(max_length=40)] | None = None
    """Whose source it is to be: whether it says what that agent has to disclose is looked at, too."""


class Prompt(StrictBody):
    text: Annotated[CleanText, Field(min_length=1, max_length=MAX_TEXT)]
    """May have `{variables}` and `{variables|with a fallback}`."""
    variables: JsonObject = Field(default_factory=dict)
    language: Annotated[CleanText, Field(pattern=LANGUAGE, max_length=35)] = "en-US"
    """Of the script: a text is read aloud by its rules."""
    pronounce: Annotated[dict[CleanText, CleanText], Field(max_length=MAX_WORDS)] = Field(default_factory=dict)
    """The script's own words, and how they are said."""


class ExampleView(TypedDict):
    name: str
    title: str
    about: str
    source: str


class ExampleList(TypedDict):
    examples: list[ExampleView]


@router.get(
    "/v1/agents/examples",
    summary="List example scripts",
    operation_id="list_example_scripts",
    description="Scripts to begin with. `about` says what each is for.",
    response_model=ExampleList,
    responses=example({"examples": [_EXAMPLE]}) | errors(),
)
async def get_examples(caller: Caller) -> JSONResponse:
    found = [
        ExampleView(name=one.name, title=one.title, about=one.about, source=one.source) for one in list_examples()
    ]
    return JSONResponse(ExampleList(examples=found))


@router.post(
    "/v1/agents/check",
    summary="Check a script",
    operation_id="check_script",
    description=(
        "Says what is wrong with a source, what it has to say, and which step leads where, without saving anything. A "
        "transfer to a number that is not among the workspace's allowed destinations is a warning, and so are a model "
        "that this server has no key for, of a whole agent or of a script's step, a secret that the workspace doesn't "
        "have and its texts or a vendor of its speech need, a tool's address that isn't reached, and a warm transfer "
        "where a carrier of the workspace's numbers can make none; with `agent_id`, that nothing in it says what that "
        "agent has to disclose. `tools` are those that the source declares."
    ),
    response_model=Review,
    responses=example(_REVIEW) | errors(413, 415, 422, s404_agent_not_found="There is no such agent."),
)
async def post_check(
    services: Use,
    caller: Caller,
    body: Annotated[Checked, Body(openapi_examples={"script": {"value": {"source": SOURCE}}})],
) -> JSONResponse:
    async with reading(services.engine) as conn:
        reach = await read_reach(conn, caller.workspace_id)
        secrets = await secret_names(conn, caller.workspace_id)
        cold = await without_warm_transfer(conn, caller.workspace_id)
        of = body.agent_id
        disclosure = None if of is None else await disclosure_of(conn, caller.workspace_id, of)
    models = ModelServers(services.settings.model_keys)
    keys = KnownKeys(secrets=secrets, speech_vendors=with_key(services.settings.speech_servers))
    allowed = services.settings.allowed_private
    look = partial(
        review_agent, body.source, reach.covers, models.allows, keys,
        allowed=allowed, cold=cold, disclosure=disclosure,
    )  # fmt: skip
    return JSONResponse(await asyncio.to_thread(look))


@router.post(
    "/v1/agents/preview",
    summary="Listen to a prompt",
    operation_id="preview_prompt",
    description=(
        "A text in the agent's voice, as a phone plays it: WAV, 8000 Hz, after mu-law. `{variables}` in it are filled "
        "in as on a call, and numbers, dates, addresses and abbreviations are read as on a call."
    ),
    response_class=Response,
    responses=WAV
    | errors(
        413,
        415,
        422,
        s429_too_many_previews="That was a lot of prompts at once. Try again in 2 s.",
        s503_voice_unavailable="The voice can't speak now; try again.",
    ),
)
async def post_preview(
    services: Use,
    caller: Caller,
    body: Annotated[Prompt, Body(openapi_examples={"greeting": {"value": _PROMPT}})],
) -> Response:
    if services.previews is None:
        raise Unavailable("voice_unavailable", "This server has no voice.", 60)
    wav = await services.previews.wav(caller.workspace_id, spoken(body))
    return Response(wav, media_type="audio/wav", headers={"Cache-Control": "no-store"})


def spoken(prompt: Prompt) -> str:
    try:
        text = render(parse_text(prompt.text), Meant(prompt.variables), {}, to_say=True)
    except TemplateError as error:
        raise Invalid("text", str(error)) from None
    if not text:
        raise Invalid("text", "has nothing in it to say")
    return Reading(language=prompt.language, pronunciations=tuple(prompt.pronounce.items())).spoken(text)

