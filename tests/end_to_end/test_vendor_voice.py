"""A vendor's voice on real calls: heard by the callee, and replaced when the vendor fails."""

import asyncio

from end_to_end.world import Story, World
from outdial.simulator.faults import Fault, FaultKind
from outdial.speech.offline import OfflineSpeechToText

LASTS_S = 25

AGENT = """
agent:
  name: Of a vendor
  voice: %s/anna
model: simulated-clerk
base_url: %s/model/v1
greeting: Good morning. Your bicycle has been repaired. When may we bring it to you?
instructions: Find a day.
limits: {turns: 2}
"""


async def play(world: World) -> dict[str, Story]:
    base_url = world.simulator.base_url
    customer = await world.customer(AGENT % ("cartesia", base_url))
    spoken = await customer.call()
    world.simulator.network.faults.add(Fault(kind=FaultKind.VOICE_CUT, vendor="cartesia", after_ms=600))
    failed = await customer.call()
    recogniser = OfflineSpeechToText()
    await recogniser.warm_up()
    recognition = recogniser.recognition()
    recognition.feed(world.heard(spoken.call).right.tobytes())
    await asyncio.sleep(1.0)  # what is written behind a call's end
    return {"spoken": spoken, "failed": failed, "heard": await recognition.text()}


def test_the_callee_hears_a_vendors_voice_say_what_the_transcript_says(outcome):
    story: Story = outcome["spoken"]
    assert story.said("agent").startswith("Good morning. Your bicycle has been repaired.")
    assert "Would Friday suit you?" in story.said("agent")
    heard = outcome["heard"].lower()
    assert "bicycle" in heard
    assert "friday" in heard
    assert story.named("speech_replaced") == []
    [used] = story.named("speech_used")
    assert (used["part"], used["vendor"]) == ("voice", "cartesia")
    assert used["characters"] >= len("Would Friday suit you?")


def test_a_call_goes_on_with_the_own_voice_where_the_vendor_fails_and_says_so(outcome):
    story: Story = outcome["failed"]
    [replaced] = story.named("speech_replaced")
    assert replaced.pop("at")
    assert replaced == {"part": "voice", "vendor": "cartesia", "reason": "lost", "code": "", "by": "offline"}
    assert "Would Friday suit you?" in story.said("agent")
    assert story.call["error"] is None
