"""The model of the demo reminds of an appointment, with whatever tools it is given."""

import json

import pytest

from outdial.simulator.callees import AGREES, Say
from outdial.simulator.model.rule_files import default_models

pytestmark = pytest.mark.asyncio(loop_scope="session")

OUTCOMES = ["confirmed", "moved", "call_back", "wrong_person", "not_now", "unclear"]
IN_WORDS = (
    "You are the automated assistant of Lakeside Dental. You are calling Jane Miller about her appointment next "
    "Tuesday at four. Be brief."
)
AS_DATA = (
    "Remind {user_name} of the appointment.\n"
    '{"user_name": "Jane Miller", "practice": "Lakeside Dental", "appointment_day": "next Tuesday", '
    '"appointment_time": "four", "second_day": "Wednesday", "second_time": "eight"}'
)
GREETING = "Hello, this is the automated assistant of Lakeside Dental. Am I speaking with Jane Miller?"
REMINDER = "I'm calling to remind you of your appointment, next Tuesday at four. Does that time still work for you?"


def tool(called, required=(), /, **properties):
    parameters = {
        "type": "object", "properties": properties, "required": list(required), "additionalProperties": False
    }  # fmt: skip
    return {"type": "function", "function": {"name": called, "parameters": parameters}}


HANG_UP = tool(
    "hang_up", ["goodbye", "outcome"],
    goodbye={"type": "string"}, outcome={"type": "string", "enum": OUTCOMES},
)  # fmt: skip
DO_NOT_CALL = tool("do_not_call")
NOTE = tool("note", new_day={"type": "string"}, new_time={"type": "string"})
TRANSFER = tool("transfer", ["to"], to={"enum": ["front_desk"]})
TEXT = {"type": "string"}
CALENDAR = [
    tool("look_up_appointment", ["name"], name=TEXT),
    tool("free_slots", day=TEXT),
    tool("book_slot", ["slot"], slot=TEXT, name=TEXT),
]


@pytest.fixture
def talk(setup, tools, client, model):
    """`await talk("words", …, tools=[…])`: what the model said, and the tool it ended with and its arguments."""
    (demo,) = default_models()
    made = model(*demo.rules, variables=demo.variables)

    async def hold(*words, tools, instructions=AS_DATA):
        said = []
        messages = [{"role": "system", "content": instructions}]
        for heard in words:
            messages.append({"role": "user", "content": heard})
            while True:
                answer = await client.chat.completions.create(model=made.name, messages=messages, tools=tools)
                message = answer.choices[0].message
                messages.append(message.model_dump(exclude_none=True) | {"content": message.content or ""})
                said.append(message.content)
                for call in message.tool_calls or ():
                    if call.function.name in ("hang_up", "do_not_call", "transfer"):
                        return said, (call.function.name, json.loads(call.function.arguments))
                    messages.append({"role": "tool", "tool_call_id": call.id, "content": await used(call.function)})
                if not message.tool_calls:
                    break
        return said, None

    async def used(function):
        if function.name == "note":
            return "Noted."
        reply = await setup.http.post(f"/tools/{function.name}", json=json.loads(function.arguments))
        return reply.text

    return hold


@pytest.mark.parametrize("instructions", [IN_WORDS, AS_DATA])
async def test_it_confirms_an_appointment_with_the_simulated_human(talk, instructions):
    words = ["Hello?", *(step.text for step in AGREES if isinstance(step, Say))]
    said, end = await talk(*words, tools=[HANG_UP], instructions=instructions)
    assert said == [
        GREETING,
        REMINDER,
        "Wonderful, your appointment is confirmed. We look forward to seeing you. Goodbye.",
    ]
    assert end == ("hang_up", {"goodbye": "", "outcome": "confirmed"})


async def test_without_tools_it_talks_to_the_end(talk):
    words = ["Hello?", "Yes, speaking.", "Yes, that works for me.", "Thank you, goodbye."]
    said, end = await talk(*words, tools=[])
    assert (said[-1], end) == ("Thank you. Goodbye.", None)


async def test_it_moves_an_appointment(talk):
    words = ["Hello?", "Yes.", "No, I can't make it.", "Wednesday, please."]
    said, end = await talk(*words, tools=[HANG_UP, NOTE])
    assert said[-1] == "All right, I've moved your appointment to Wednesday at eight. See you then. Goodbye."
    assert end == ("hang_up", {"goodbye": "", "outcome": "moved"})


async def test_it_uses_the_calendar(talk, tools):
    words = ["Hello?", "Yes.", "No, I can't make it.", "The second one."]
    said, end = await talk(*words, tools=[HANG_UP, *CALENDAR])
    assert [called.tool for called in tools.called] == ["look_up_appointment", "free_slots", "book_slot"]
    assert tools.calendar.bookings == ["Friday at nine in the morning"]
    assert said[-1] == "All right, I've moved your appointment to Friday at nine in the morning. See you then. Goodbye."
    assert end == ("hang_up", {"goodbye": "", "outcome": "moved"})


@pytest.mark.parametrize(
    ("words", "end"),
    [
        (["Hello?", "Wrong number."], ("hang_up", {"goodbye": "", "outcome": "wrong_person"})),
        (["Hello?", "No, she's not here."], ("hang_up", {"goodbye": "", "outcome": "wrong_person"})),
        (["Hello?", "Yes.", "No.", "Neither."], ("hang_up", {"goodbye": "", "outcome": "call_back"})),
        (["Hello?", "I'm driving, call me later."], ("hang_up", {"goodbye": "", "outcome": "not_now"})),
        (["Stop calling me. Don't call this number again."], ("do_not_call", {})),
        (["Hello?", "Can I talk to a person?"], ("transfer", {"to": "front_desk"})),
        (["Hello?", "Who is this?", "Yes.", "Hold on.", "Yes, it works."],
         ("hang_up", {"goodbye": "", "outcome": "confirmed"})),
        (["Hello?", "[pressed 1]", "[pressed 1]"], ("hang_up", {"goodbye": "", "outcome": "confirmed"})),
        (["Hello?", "Yes.", "No.", "Hm?", "Wednesday."], ("hang_up", {"goodbye": "", "outcome": "moved"})),
        (["Hm?"] * 11, ("hang_up", {"goodbye": "", "outcome": "call_back"})),
    ],
)  # fmt: skip
async def test_every_conversation_comes_to_an_end(talk, words, end):
    _, ended = await talk(*words, tools=[HANG_UP, DO_NOT_CALL, TRANSFER])
    assert ended == end
