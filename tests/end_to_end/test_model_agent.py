"""A model on real calls: with audio, over HTTP, and into the books."""

import asyncio

from agents.llm.model_server import text, tool
from end_to_end.world import Customer, Story, World

LASTS_S = 30

AGENT = """
agent: {name: Model}
model: some-model
base_url: %s
greeting: Hello {user_name|there}, this is Meadow Dental. Are you coming on Tuesday?
instructions: Remind {user_name|them} of the appointment.
outcomes: [confirmed, declined]
"""
SCRIPT = """
agent: {name: Script and model}
model: simulated-clerk
base_url: %s
steps:
  consent:
    say: Hello, this is Meadow Dental.
    ask: Am I speaking with {user_name|the patient}?
    answers:
      - {words: [yes], goto: day}
      - {words: [no], hang_up: Goodbye.}
  day:
    talk: Find a day for {user_name|them}.
    facts: {day: The day}
    exits:
      agreed: {about: They have named a day., goto: booked}
  booked:
    set: {outcome: booked}
    hang_up: We have booked {day} for you. It costs nothing to cancel. Goodbye.
"""
ANSWER = text("That", " is", " good", " to hear.", " Is", " there", " anything", " else?")
GOODBYE = tool("hang_up", '{"goodbye": "Thank you, Jane. Goodbye.", ', '"outcome": "confirmed"}')
REFUSED = (429, {"error": {"message": "You ran out.", "type": "x", "code": "insufficient_quota"}})


async def play(world: World) -> dict[str, Story]:
    customer: Customer = await world.customer(AGENT % world.model.url)
    world.model.answers = [ANSWER, GOODBYE, GOODBYE, GOODBYE]
    talked = await customer.call(variables={"user_name": "Jane"})
    world.model.answers = [REFUSED] * 4
    refused = await customer.call()
    customer = await world.customer(SCRIPT % f"{world.simulator.base_url}/model/v1")
    in_part = await customer.call(variables={"user_name": "Jane"})
    await asyncio.sleep(1.0)  # what is written behind a call's end
    return {"talked": talked, "refused": refused, "in_part": in_part}


def test_a_model_talks_and_names_the_outcome(outcome):
    story: Story = outcome["talked"]
    said = story.said("agent")
    assert said.startswith("Hello Jane, this is Meadow Dental. Are you coming on Tuesday?")
    assert "That is good to hear. Is there anything else?" in said
    assert said.rstrip().endswith("Goodbye.")
    assert (story.end, story.call["ended_by"], story.call["outcome"]) == ("completed", "agent", "confirmed")
    assert [one["tool"] for one in story.named("tool")] == ["hang_up"]
    assert all(one["first_word_ms"] is not None for one in story.named("model") if one["first_sentence_ms"] is not None)


def test_a_call_whose_model_refuses_ends_as_it_was(outcome):
    story: Story = outcome["refused"]
    assert story.said("agent").rstrip().endswith("I have to end this call. Goodbye.")
    assert (story.end, story.call["outcome"]) == ("failed", None)
    assert story.call["error"]["code"] == "agent_failed"
    assert story.call["error"]["message"] == "The agent's model failed: insufficient_quota (HTTP 429)."


def test_a_model_talks_between_the_words_of_a_script(outcome):
    story: Story = outcome["in_part"]
    said = story.said("agent")
    assert said.startswith("Hello, this is Meadow Dental. Am I speaking with Jane?")
    assert "Would Friday suit you? Very good. We have booked Friday for you." in said
    assert (story.end, story.call["ended_by"], story.call["outcome"]) == ("completed", "agent", "booked")
    assert story.call["noted"] == {"day": "Friday", "outcome": "booked"}
    assert [(one["tool"], one["done"]) for one in story.named("tool")] == [("note", True), ("exit", True)]
    assert {one["model"] for one in story.named("model")} == {"simulated-clerk"}
