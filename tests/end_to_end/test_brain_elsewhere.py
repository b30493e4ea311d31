"""A brain elsewhere on real calls: with audio, over a websocket or HTTP, and into the books."""

import asyncio

import pytest

from end_to_end.world import Story, World
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.secrets.store import NewSecret, put
from outdial.workspaces.audit import SERVER

LASTS_S = 30

RELAY = """
agent: {name: Relay}
relay:
  url: %s/relay
  signing_secret: "{secret:relay_token}"
  parameters: {user_name: "{user_name}"}
greeting: Hello {user_name|there}, this is Riverside Dental. Will you be able to come on Tuesday?
outcomes: [confirmed, declined]
"""
VOICEFLOW = """
agent: {name: Voiceflow}
voiceflow:
  project: 64f0c0ffee0c0ffee0c0ffee
  base_url: %s/voiceflow
  api_key: "{secret:vf_key}"
  send: {user_name: "{user_name}", appointment: Tuesday at ten}
outcomes: [confirmed, declined]
"""
REALTIME = """
agent: {name: Realtime}
realtime: {base_url: %s/openai/v1, api_key: "{secret:openai_api_key}"}
instructions: Ask {user_name} whether they come on {appointment|Tuesday at ten}.
outcomes: [confirmed, declined]
"""


async def play(world: World) -> dict[str, Story]:
    services = world.outdial.services
    by_relay = await world.customer(RELAY % world.simulator.base_url.replace("http", "ws"))
    by_project = await world.customer(VOICEFLOW % world.simulator.base_url)
    realtime = REALTIME % world.simulator.base_url
    by_speech = [await world.customer(realtime, carrier=carrier) for carrier in CARRIERS]
    named = ((by_relay, "relay_token"), (by_project, "vf_key"), *((one, "openai_api_key") for one in by_speech))
    for customer, name in named:
        new = NewSecret(value="VF.DM.secret")
        await put(services.engine, services.secret_box, customer.workspace_id, name, new, by=SERVER)
    relay, project, *speech = await asyncio.gather(
        *(customer.call(variables={"user_name": "Jane"}) for customer, _ in named)
    )
    await asyncio.sleep(1.0)  # what is written behind a call's end
    return {"relay": relay, "voiceflow": project, **dict(zip(CARRIERS, speech, strict=True))}


def test_a_relay_server_leads_a_call(outcome):
    story: Story = outcome["relay"]
    assert story.said("agent").startswith("Hello Jane, this is Riverside Dental.")
    assert story.named("brain_connected")[0]["attempt"] == 1
    assert story.call["outcome"] in ("confirmed", "declined")


def test_a_voiceflow_project_leads_a_call(outcome):
    story: Story = outcome["voiceflow"]
    assert story.said("agent").startswith("Hello Jane, this is the assistant of Riverside Dental.")
    assert story.call["outcome"] in ("confirmed", "declined")


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_model_that_speaks_itself_leads_a_call_on_each_carrier(outcome, carrier: CarrierName):
    story: Story = outcome[carrier]
    assert story.said("agent").startswith("Hello Jane, this is the assistant of Riverside Dental.")
    assert story.call["outcome"] in ("confirmed", "declined")
    assert story.call["usage"]["models"][0]["dollars"] is None  # a server of one's own
