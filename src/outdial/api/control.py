"""What a user may do to a call while it lasts, beside hanging up: transfer, press keys, say a sentence, whisper to its
agent, take it over, set variables."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse
from pydantic import Field, RootModel
from typing_extensions import TypedDict

from outdial.api.auth import ApiRoute, Caller
from outdial.api.bodies import StrictBody
from outdial.api.calls import NO_CALL, CallId
from outdial.api.docs import errors, example
from outdial.api.outbound import refused_example
from outdial.api.services import Use
from outdial.calls.request import E164, CleanText, JsonObject
from outdial.conversation.commands import Command, Say, SendDigits, SetVariables, TakeOver, Transfer, Whisper
from outdial.conversation.from_outside import NO_WHISPER
from outdial.live.commands import ask
from outdial.policy.gate import Rule

router = APIRouter(route_class=ApiRoute, tags=["Calls"])

_CALL_ID = "call_8r5v1kz3m0q4t7w2x9y6"
_WAITS = (
    "Answers when it is done, after three seconds at the latest: 202 says that it is under way, and the call's events "
    "tell the rest."
)


class ControlAnswer(TypedDict):
    """`status` is `done`, or `under_way` when the call is at it still; `result` is empty where there is nothing more
    to tell."""

    call_id: str
    command_id: int
    status: Literal["done", "under_way"]
    result: dict[str, Any]


class TransferTo(StrictBody):
    to: E164
    """Who is called instead; the agent leaves the call."""


class Digits(StrictBody):
    digits: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[0-9A-D*#w]+$")]
    """Keys 0-9, A-D, * and #; `w` waits half a second."""


class Sentence(StrictBody):
    text: Annotated[CleanText, Field(min_length=1, max_length=1000)]
    interrupt: bool = False
    """Cut short what is being said, instead of waiting for its end."""


class Whispered(StrictBody):
    text: Annotated[CleanText, Field(min_length=1, max_length=1000)]
    """What the agent is to know or do."""


class TakenOver(StrictBody):
    to: E164
    """Who talks to the other party from then on."""
    text: Annotated[CleanText, Field(min_length=1, max_length=300)] | None = None
    """What the agent says before; null: that it connects them, in its own language."""


class NewVariables(RootModel[JsonObject]):
    """Values by name. Variables that aren't named stay as they are. Noted values are at most 200, 16 kB each and 64 kB
    in all."""


def _documented(result: dict[str, Any], **codes: str) -> dict[int | str, dict[str, Any]]:
    answer = {"call_id": _CALL_ID, "command_id": 17, "status": "done", "result": result}
    under_way = answer | {"status": "under_way", "result": {}}
    return (
        example(answer)
        | example(under_way, "Under way", status=202)
        | errors(
            413,
            415,
            422,
            **NO_CALL,
            s409_call_not_in_progress="Nobody has answered this call yet.",
            s409_call_transferred="The other party was transferred; the agent has left the call.",
            s409_call_ended="The call has ended already.",
            **codes,
            s503_no_worker="The worker that holds this call does not answer; nothing was done.",
        )
    )


@router.post(
    "/v1/calls/{call_id}/transfer",
    summary="Transfer a call",
    operation_id="transfer_call",
    description=(
        "Connects the other party to another number; the agent's part ends. It counts as a call: the number has to be "
        "among the allowed destinations, and within the daily limit. Done is what the carrier has taken on. "
        "Whether somebody answered there is told later, in the call's `transfers` and by events of type `transfer`; "
        f"when nobody did, the other party hears a sentence and the call ends. {_WAITS}"
    ),
    response_model=ControlAnswer,
    responses=_documented(
        {},
        s403_destination_not_allowed=refused_example(Rule.DESTINATION, "+18765551234"),
        s409_carrier_refused="The carrier can't connect calls to this number.",
        s429_daily_limit=refused_example(Rule.DAILY_LIMIT),
    ),
)
async def transfer(
    services: Use,
    caller: Caller,
    call_id: CallId,
    body: Annotated[TransferTo, Body(openapi_examples={"desk": {"value": {"to": "+15551230009"}}})],
) -> JSONResponse:
    return await _ask(services, caller, call_id, Transfer(to=body.to))


@router.post(
    "/v1/calls/{call_id}/digits",
    summary="Press keys",
    operation_id="send_digits",
    description=f"Once the agent has finished what it is saying. {_WAITS}",
    response_model=ControlAnswer,
    responses=_documented({}),
)
async def digits(
    services: Use,
    caller: Caller,
    call_id: CallId,
    body: Annotated[Digits, Body(openapi_examples={"menu": {"value": {"digits": "1w42#"}}})],
) -> JSONResponse:
    return await _ask(services, caller, call_id, SendDigits(digits=body.digits))


@router.post(
    "/v1/calls/{call_id}/say",
    summary="Say a sentence",
    operation_id="say",
    description=(
        "In the agent's voice, once the agent and the other party have finished what they are saying. The agent "
        f"doesn't know of it; when it was listening, it goes on listening. {_WAITS}"
    ),
    response_model=ControlAnswer,
    responses=_documented(
        {"played_ms": 2140, "complete": True}, s409_speech_failed="Speech could not be synthesised or recognised."
    ),
)
async def say(
    services: Use,
    caller: Caller,
    call_id: CallId,
    body: Annotated[Sentence, Body(openapi_examples={"news": {"value": {"text": "Your doctor is late today."}}})],
) -> JSONResponse:
    return await _ask(services, caller, call_id, Say(text=body.text, interrupt=body.interrupt))


@router.patch(
    "/v1/calls/{call_id}/variables",
    summary="Set variables",
    operation_id="set_variables",
    description=(
        "They are noted in the call (`noted`); `variables` stay what was sent with it. The agent uses the new values "
        f"from its next sentence on: what is noted comes before what was sent, and the newest note holds. {_WAITS}"
    ),
    response_model=ControlAnswer,
    responses=_documented({}),
)
async def variables(
    services: Use,
    caller: Caller,
    call_id: CallId,
    body: Annotated[NewVariables, Body(openapi_examples={"plan": {"value": {"account_type": "Premium"}}})],
) -> JSONResponse:
    return await _ask(services, caller, call_id, SetVariables(values=body.root))


@router.post(
    "/v1/calls/{call_id}/whisper",
    summary="Whisper to the agent",
    operation_id="whisper",
    description=(
        "Told to the agent's model for its next turn, as an instruction; the other party doesn't hear it. A model "
        "takes whispers while it talks: an agent of the kind llm, and a script within a step `talk`. Elsewhere it is "
        f"refused with `no_whisper`. {_WAITS}"
    ),
    response_model=ControlAnswer,
    responses=_documented({}, s409_no_whisper=NO_WHISPER),
)
async def whisper(
    services: Use,
    caller: Caller,
    call_id: CallId,
    body: Annotated[Whispered, Body(openapi_examples={"price": {"value": {"text": "You may offer ten percent off."}}})],
) -> JSONResponse:
    return await _ask(services, caller, call_id, Whisper(text=body.text))


@router.post(
    "/v1/calls/{call_id}/take-over",
    summary="Take a call over",
    operation_id="take_over_call",
    description=(
        "Cuts short what is being said, has the agent say a sentence, and transfers the call: as `transfer`, with its "
        f"rules and results. When the carrier can't connect it, the agent goes on. {_WAITS}"
    ),
    response_model=ControlAnswer,
    responses=_documented(
        {},
        s403_destination_not_allowed=refused_example(Rule.DESTINATION, "+18765551234"),
        s409_carrier_refused="The carrier can't connect calls to this number.",
        s429_daily_limit=refused_example(Rule.DAILY_LIMIT),
    ),
)
async def take_over(
    services: Use,
    caller: Caller,
    call_id: CallId,
    body: Annotated[TakenOver, Body(openapi_examples={"me": {"value": {"to": "+15551230009"}}})],
) -> JSONResponse:
    return await _ask(services, caller, call_id, TakeOver(to=body.to, text=body.text))


async def _ask(services: Use, caller: Caller, call_id: str, command: Command) -> JSONResponse:
    engine, notifications = services.engine, services.notifications
    answer = await ask(engine, notifications, caller.workspace_id, call_id, command, by=caller.actor)
    if answer.done is None:
        under_way = ControlAnswer(call_id=call_id, command_id=answer.command_id, status="under_way", result={})
        return JSONResponse(under_way, status_code=202)
    return JSONResponse(
        ControlAnswer(call_id=call_id, command_id=answer.command_id, status="done", result=dict(answer.done))
    )
