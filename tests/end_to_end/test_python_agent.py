"""An agent in Python on real calls: found beside the server, chosen, called, and told as it was."""

import asyncio

from end_to_end.world import PATIENCE_S, Customer, Story, World

LASTS_S = 30

SHORT = "steps: {a: {hang_up: Goodbye.}}\n"


async def play(world: World) -> dict[str, Story]:
    customer: Customer = await world.customer(SHORT)
    agents: dict[str, str] = {}
    async with asyncio.timeout(PATIENCE_S):
        while not {"appointment", "failing", "broken"} <= agents.keys():
            await asyncio.sleep(0.2)
            listed = (await customer.http.get("/v1/agents")).json()["agents"]
            agents = {one["name"]: one["id"] for one in listed if one["kind"] == "python"}
    talked, failed, broken, missing = await asyncio.gather(
        customer.call(variables={"user_name": "Jane"}, agent={"id": agents["appointment"]}),
        customer.call(agent={"id": agents["failing"]}),
        customer.call(agent={"id": agents["broken"]}),
        customer.call(agent={"id": agents["appointment"]}),
    )
    return {"talked": talked, "failed": failed, "broken": broken, "missing": missing}


def test_it_talks_and_names_the_outcome(outcome):
    story: Story = outcome["talked"]
    assert story.said("agent").startswith("Hello Jane, this is Meadow Dental. Are you coming on Tuesday?")
    assert (story.end, story.call["ended_by"], story.call["outcome"]) == ("completed", "agent", "confirmed")
    assert story.call["agent"]["version"] == 1


def test_an_error_in_it_is_apologised_for_and_told(outcome, log):
    story: Story = outcome["failed"]
    assert story.said("agent").rstrip().endswith("I have to end this call. Goodbye.")
    assert (story.end, story.call["error"]["code"]) == ("failed", "agent_failed")
    assert story.call["error"]["message"] == (
        "The agent stopped because of an error in it: LookupError in agents.py, line 16."
    )
    assert not [line for line in log.lines if "gooseberry" in line]
    assert [line for line in log.lines if '"message":"Agent failed"' in line and "agents.py:16 in failing" in line]


def test_nobody_is_dialled_for_one_that_is_broken_or_lacks_a_variable(outcome):
    broken, missing = outcome["broken"].call, outcome["missing"].call
    assert (broken["end_reason"], broken["answered_at"], broken["error"]["code"]) == ("failed", None, "agent_failed")
    assert broken["error"]["message"].startswith("The agent's code has a fault: broken.py, line 3: ")
    assert (missing["answered_at"], missing["error"]["message"]) == (
        None, "The variable 'user_name' is missing, and has no default."
    )  # fmt: skip
