"""Brains reached over real connections: the simulator's, by guarded URLs, with its faults."""

import asyncio
import json

import httpx
import pytest

from outdial.agents.brains.access import GuardedBrains
from outdial.agents.brains.reaching import BrainAway, Project
from outdial.agents.relay.protocol import SIGNATURE, Session, prompt, setup, signature
from outdial.agents.tools.access import ToolAccess, no_secrets
from outdial.media.frames import BYTES_PER_MS
from outdial.media.hold_music import hold_music
from outdial.media.sounds import SoundFailed
from outdial.net.addresses import Allowed
from outdial.net.guarded import GuardedTransport
from outdial.simulator.brain.voiceflow import PROJECT
from outdial.simulator.faults import Fault, FaultKind
from outdial.simulator.server import SimulatorConfig, serve

KEY = "VF.DM.key"
SESSION = Session(call_id="call_1", user_number="+1", agent_number="+2", is_outbound=True, parameters={})


@pytest.fixture
async def simulator():
    async with serve(SimulatorConfig(brain_key=KEY)) as one:
        yield one


@pytest.fixture
async def brains():
    transport = GuardedTransport(Allowed.parse("127.0.0.1"))
    yield GuardedBrains(transport)
    await transport.aclose()


def breaks(simulator, kind, **more):
    simulator.network.faults.add(Fault(kind=kind, **more))


async def connected(brains, simulator):
    url = simulator.base_url.replace("http", "ws") + "/relay"
    socket = await brains.connect(url, {SIGNATURE: signature(KEY, url)})
    await socket.send(setup(SESSION))
    return socket


async def spoken(socket):
    said = ""
    while True:
        message = json.loads(await socket.receive())
        said += message.get("token", "")
        if message.get("last") or message["type"] == "end":
            return said


async def test_a_signed_handshake_is_served_and_a_prompt_answered(brains, simulator):
    socket = await connected(brains, simulator)
    await socket.send(prompt("Yes, I'll come.", "en-US"))
    assert await spoken(socket) == "Wonderful, we look forward to seeing you. Goodbye!"
    assert json.loads(json.loads(await socket.receive())["handoffData"]) == {"outcome": "confirmed"}
    await socket.close()
    assert [one.message["type"] for one in simulator.brain.told] == ["setup", "prompt"]


async def test_an_unsigned_handshake_is_refused_for_good(brains, simulator):
    url = simulator.base_url.replace("http", "ws") + "/relay"
    with pytest.raises(BrainAway) as away:
        await brains.connect(url, {})
    assert (away.value.word, away.value.may_again) == ("http_403", False)


async def test_a_private_address_is_refused_unless_it_is_allowed(simulator):
    transport = GuardedTransport(Allowed())
    try:
        with pytest.raises(BrainAway) as away:
            await GuardedBrains(transport).connect(simulator.base_url.replace("http", "ws") + "/relay", {})
        assert (away.value.word, away.value.may_again) == ("refused_address", False)
        with pytest.raises(BrainAway) as away:
            async for _ in GuardedBrains(transport).door(project(simulator)).turn({"type": "launch"}, {}):
                pass
        assert away.value.word == "refused_address"
    finally:
        await transport.aclose()


async def test_nobody_there_is_told_apart_from_somebody_who_is_no_websocket(brains, simulator):
    with pytest.raises(BrainAway) as away:
        await brains.connect(simulator.refusing_url.replace("http", "ws"), {})
    assert (away.value.word, away.value.may_again) == ("connection", True)
    with pytest.raises(BrainAway) as away:
        await brains.connect(simulator.base_url.replace("http", "ws") + "/model/v1/models", {})
    assert away.value.may_again is False


@pytest.mark.parametrize(
    ("kind", "word", "may_again"),
    [
        (FaultKind.BRAIN_CUT, "closed_1011", True),
        (FaultKind.BRAIN_LEFT, "closed_1000", False),
        (FaultKind.BRAIN_TOO_LONG, "message_too_long", False),
    ],
)
async def test_how_a_connection_ends_says_whether_another_may_help(brains, simulator, kind, word, may_again):
    socket = await connected(brains, simulator)
    breaks(simulator, kind)
    await socket.send(prompt("Hm, let me think.", "en-US"))
    with pytest.raises(BrainAway) as away:
        await asyncio.wait_for(_until_it_ends(socket), 30)
    assert (away.value.word, away.value.may_again) == (word, may_again)
    await socket.close()


async def _until_it_ends(socket):
    while True:
        await socket.receive()


# -- Voiceflow


def project(simulator, **more):
    fields = {"project_id": PROJECT, "environment": "production", "user": "+12025550150", "key": KEY}
    return Project(base_url=f"{simulator.base_url}/voiceflow", **{**fields, **more})


async def traces(door, action, variables=None):
    return [trace async for trace in door.turn(action, variables or {})]


def words(found):
    return "".join(
        one["payload"].get("content", "") if one["type"] == "completion" else one["payload"].get("message", "")
        for one in found
        if one["type"] in ("completion", "text") and isinstance(one["payload"], dict)
    )


@pytest.mark.parametrize("streams", [True, False])
async def test_a_turn_comes_as_its_traces_and_leaves_its_variables(brains, simulator, streams):
    door = brains.door(project(simulator, streams=streams))
    await door.forget()
    found = await traces(door, {"type": "launch", "payload": {}}, {"user_name": "Ada"})
    assert words(found).startswith("Hello Ada, this is")
    assert found[0]["type"] == ("completion" if streams else "text")
    assert [one["type"] for one in found][-2:] == ["no-reply", "dtmf"]
    found = await traces(door, {"type": "text", "payload": "Yes."})
    assert found[-1]["type"] == "end"
    assert await door.variables() == {"user_name": "Ada", "outcome": "confirmed"}
    await door.forget()
    assert await door.variables() == {}


async def test_a_trace_on_several_lines_is_one(brains, simulator):
    breaks(simulator, FaultKind.BRAIN_SPLIT)
    assert words(await traces(brains.door(project(simulator)), {"type": "launch"})).startswith("Hello there")


@pytest.mark.parametrize(
    ("more", "word"),
    [({"key": "VF.DM.wrong"}, "http_401"), ({"project_id": "other"}, "http_401"), ({"environment": "x"}, "http_400")],
)
async def test_a_wrong_key_project_or_environment_is_told(brains, simulator, more, word):
    with pytest.raises(BrainAway) as away:
        await traces(brains.door(project(simulator, **more)), {"type": "launch"})
    assert (away.value.word, away.value.may_again) == (word, False)
    assert "VF.DM" not in str(away.value)


@pytest.mark.parametrize(
    ("kind", "more", "word", "may_again"),
    [
        (FaultKind.BRAIN_REFUSED, {"status": 429}, "http_429", False),
        (FaultKind.BRAIN_REFUSED, {"status": 503}, "http_503", True),
        (FaultKind.BRAIN_CUT, {}, "connection", False),
        (FaultKind.BRAIN_LEFT, {}, "broken_off", False),
        (FaultKind.BRAIN_TOO_LONG, {}, "too_long", False),
    ],
)
async def test_a_turn_that_breaks_off_is_told_and_asked_again_only_where_nothing_came(
    brains, simulator, kind, more, word, may_again
):
    breaks(simulator, kind, **more)
    with pytest.raises(BrainAway) as away:
        await traces(brains.door(project(simulator)), {"type": "launch"})
    assert (away.value.word, away.value.may_again) == (word, may_again)


async def test_what_was_told_can_be_looked_at_over_the_simulators_own_api(brains, simulator):
    await traces(brains.door(project(simulator)), {"type": "launch"})
    async with httpx.AsyncClient(base_url=simulator.base_url, trust_env=False) as http:
        told = (await http.get("/_simulator/brain/told")).json()["told"]
        assert [(one["over"], one["message"]["action"]["type"]) for one in told] == [("voiceflow", "launch")]
        await http.delete("/_simulator/brain/told")
    assert simulator.brain.told == []


async def played_by(socket):
    while (message := json.loads(await socket.receive()))["type"] != "play":
        pass
    return message


async def test_the_music_that_both_brains_have_played_is_fetched_and_read(brains, simulator):
    socket = await connected(brains, simulator)
    await socket.send(prompt("Could you play some music?", "en-US"))
    wanted = await played_by(socket)
    await socket.close()
    turn = {"type": "text", "payload": "Could you play some music?"}
    traces = [one async for one in brains.door(project(simulator)).turn(turn, {})]
    [trace] = [one for one in traces if one["type"] == "speak"]
    assert trace["payload"]["src"] == wanted["source"]
    assert (wanted["loop"], wanted["preemptible"]) == (0, True)
    access = ToolAccess(Allowed.parse("127.0.0.1"), lambda workspace_id: no_secrets)
    sound = await access.sounds.fetch(wanted["source"])
    assert (sound.name, sound.ms) == ("music.wav", len(hold_music()) // BYTES_PER_MS)
    await access.aclose()
    guarded = ToolAccess(Allowed(), lambda workspace_id: no_secrets)
    with pytest.raises(SoundFailed) as failed:
        await guarded.sounds.fetch(wanted["source"])
    assert failed.value.word == "refused_address"
    await guarded.aclose()
