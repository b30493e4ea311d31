"""Voiceflow's API asked for one call: what is known of a project's variables, from turn to turn."""

import json

import httpx
import pytest

from outdial.agents.brains.reaching import BrainAway, Project
from outdial.agents.voiceflow.door import HttpDoor

PROJECT = Project(base_url="https://vf.example", project_id="p1", environment="production", user="u", key="VF.DM.k")
TEXT = {"type": "text", "payload": {"message": "Hello."}}
LAUNCH = {"type": "launch"}


def door_to(*turns, state=None):
    """`turns`: of each the events' names and data; `state`: what the API says of it when it is asked."""
    left = list(turns)

    def answer(request):
        if request.method == "GET":
            body = json.dumps({"variables": state or {}})
        else:
            body = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in left.pop(0))
        return httpx.Response(200, stream=httpx.ByteStream(body.encode()))

    return HttpDoor(httpx.AsyncClient(transport=httpx.MockTransport(answer)), PROJECT)


def told(**variables):
    return [("trace", TEXT), ("state", {"variables": variables}), ("end", None)]


async def traces(door, action=LAUNCH, **variables):
    return [trace async for trace in door.turn(action, variables)]


async def test_a_turn_that_breaks_off_leaves_no_state_of_the_turn_before():
    door = door_to(told(day="Friday"), [("trace", TEXT)], state={"day": "Monday"})
    assert await traces(door) == [TEXT]
    assert await door.variables() == {"day": "Friday"}
    with pytest.raises(BrainAway, match="broken_off"):
        await traces(door)
    assert await door.variables() == {"day": "Monday"}


async def test_a_turn_that_tells_no_state_leaves_none_of_the_turn_before():
    door = door_to(told(day="Friday"), [("trace", TEXT), ("end", None)], state={"day": "Monday"})
    await traces(door)
    await traces(door)
    assert await door.variables() == {"day": "Monday"}


async def test_a_0_counts_where_it_was_sent_or_the_flow_had_another_value_before():
    door = door_to(told(sent=0, left=2, unset=0, confirmed=False), told(sent=0, left=0, unset=0, confirmed=False))
    await traces(door, sent=0)
    assert await door.variables() == {"sent": 0, "left": 2, "confirmed": False}
    await traces(door, {"type": "text", "payload": "Yes."})
    assert await door.variables() == {"sent": 0, "left": 0, "confirmed": False}
