"""Callees whom a vendor hears, simulated with the offline recogniser behind its protocol."""

import asyncio

import pytest

from end_to_end.world import REMINDER, Story, World

LASTS_S = 40

HEARD_BY = "  recognition: deepgram/nova-3\n"
OF_VENDOR = REMINDER.replace("  language: en-US\n", "  language: en-US\n" + HEARD_BY)


async def play(world: World) -> dict[str, Story]:
    assert HEARD_BY in OF_VENDOR
    customer = await world.customer(OF_VENDOR)
    checked = await customer.http.post("/v1/agents/check", json={"source": OF_VENDOR})
    assert [one["message"][:31] for one in checked.json()["warnings"]] == ["needs secret deepgram_api_key, "]
    kept = await customer.http.put("/v1/secrets/deepgram_api_key", json={"value": "dg-key"})
    assert kept.status_code in (200, 201), kept.text
    keyless = await world.customer(OF_VENDOR)
    variables = {"user_name": "Jane"}
    heard, unheard = await asyncio.gather(
        customer.call(variables=variables), keyless.call(variables=variables)
    )
    return {"with a key": heard, "without": unheard}


def test_a_vendor_hears_what_the_callee_says(outcome):
    story: Story = outcome["with a key"]
    assert "that works for me" in story.said("callee").lower()
    assert story.end == "completed"
    assert story.named("speech_replaced") == []
    [used] = story.named("speech_used")
    assert (used["part"], used["vendor"]) == ("recognition", "deepgram")
    assert used["audio_ms"] == pytest.approx(used["open_ms"], rel=0.2)


def test_without_a_key_the_server_s_own_recogniser_hears(outcome):
    story: Story = outcome["without"]
    assert "that works for me" in story.said("callee").lower()
    assert story.end == "completed"
    [replaced] = story.named("speech_replaced")
    assert {key: replaced[key] for key in ("part", "vendor", "reason", "by")} == {
        "part": "recognition", "vendor": "deepgram", "reason": "unauthorized", "by": "offline",
    }  # fmt: skip
