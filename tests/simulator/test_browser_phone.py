"""A phone in a browser, called through every carrier; the browser is a plain websocket client."""

import asyncio

import numpy as np
import pytest

from outdial.media.frames import FRAME_BYTES, SILENT_FRAME, silence
from outdial.media.tones import tone
from simulator.browser_page import GREETING, PHONE, caller_of, open_page, phones
from simulator.leftovers import nothing_left_behind

pytestmark = pytest.mark.asyncio(loop_scope="session")
EVERY_CARRIER = pytest.mark.parametrize("carrier", ["twilio", "vonage", "telnyx"])


def loudness(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, dtype="<i2").astype(float)
    return float(np.sqrt(np.mean(samples**2)))


def pitch_hz(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, dtype="<i2").astype(float)
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * 8000 / len(samples))


def loud_part(pcm: bytes) -> bytes:
    frames = [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)]
    return b"".join(frame for frame in frames if loudness(frame) > 500)


# -- calls that come


@EVERY_CARRIER
async def test_a_browser_rings_answers_talks_presses_a_digit_and_hangs_up(start, carrier):
    async with start() as setup, caller_of(carrier, setup) as caller, open_page(setup.simulator.base_url) as page:
        ready = await page.event("ready")
        assert ready == {"type": "ready", "number": PHONE, "sample_rate_hz": 8000, "frame_ms": 20}
        assert await phones(setup) == {PHONE: "free"}
        await caller.call()
        ringing = await page.event("ringing")
        assert (ringing["carrier"], ringing["from"][:8]) == (carrier, "+1555123")
        assert await phones(setup) == {PHONE: "busy"}

        await page.send("answer")
        await page.event("answered")
        await page.until(lambda: len(loud_part(page.heard)) >= 0.9 * len(GREETING))
        assert pitch_hz(loud_part(page.heard)) == pytest.approx(600, abs=5)
        assert loudness(loud_part(page.heard)) == pytest.approx(loudness(GREETING), rel=0.1)
        assert page.frame_bytes == {FRAME_BYTES}

        await page.say(tone((440,), 600) + silence(200))
        await page.send("digit", digit="5")
        assert await caller.digit() == "5"
        await page.send("hang_up")
        assert await page.event("ended") == {"type": "ended", "why": "hung_up"}
        assert await caller.end() == caller.endings["talked"]

        assert caller.digits() == ["5"]
        said = loud_part(caller.heard)[:8000]
        assert pitch_hz(said) == pytest.approx(440, abs=5)
        assert await phones(setup) == {PHONE: "free"}


@EVERY_CARRIER
async def test_a_call_can_be_declined(start, carrier):
    async with start() as setup, caller_of(carrier, setup) as caller, open_page(setup.simulator.base_url) as page:
        await caller.call()
        await page.event("ringing")
        await page.send("decline")
        assert (await page.event("ended"))["why"] == "declined"
        assert await caller.end() == caller.endings["declined"]


@EVERY_CARRIER
async def test_a_phone_that_is_busy_says_so(start, carrier):
    async with start() as setup, caller_of(carrier, setup) as caller, open_page(setup.simulator.base_url) as page:
        await page.event("ready")
        setup.simulator.network.handsets.at(PHONE).begin(incoming=False, other="+15550000000")
        await caller.call()
        assert await caller.end() == caller.endings["busy"]


@EVERY_CARRIER
async def test_without_a_browser_the_phone_is_switched_off(start, carrier):
    async with start() as setup, caller_of(carrier, setup) as caller:
        assert await phones(setup) == {PHONE: "none"}
        await caller.call()
        assert await caller.end() == caller.endings["off"]


@EVERY_CARRIER
async def test_the_caller_can_give_up_and_can_hang_up(start, carrier):
    async with start() as setup, caller_of(carrier, setup) as caller, open_page(setup.simulator.base_url) as page:
        await caller.call()
        await page.event("ringing")
        if carrier == "twilio":
            await setup.update(caller.sid, Status="canceled")
        else:
            await caller.hang_up()
        assert (await page.event("ended"))["why"] == "missed"
        assert await caller.end() == caller.endings["cancelled"]

        await caller.call()
        await page.event("ringing", 2)
        await page.send("answer")
        await page.event("answered")
        await caller.hang_up()
        assert (await page.event("ended", 2))["why"] == "other_side_hung_up"


@EVERY_CARRIER
async def test_detection_listens_to_what_the_browser_says(start, carrier):
    async with start() as setup, caller_of(carrier, setup) as caller, open_page(setup.simulator.base_url) as page:
        caller.greeted = b""
        await caller.call(amd=True)
        await page.event("ringing")
        await page.send("answer")
        await page.event("answered")
        await page.say(tone((220, 330), 800) + silence(1800))
        assert await caller.verdict() == "human"


async def test_somebody_who_talks_on_is_taken_for_a_machine(start):
    async with start() as setup, caller_of("twilio", setup) as caller, open_page(setup.simulator.base_url) as page:
        await caller.call(amd=True)
        await page.event("ringing")
        await page.send("answer")
        await page.event("answered")
        await page.say(tone((220, 330), 2800))
        assert await caller.verdict() == "machine_start"


async def test_a_phone_nobody_answers_rings_for_the_carriers_timeout(start):
    async with start() as setup, caller_of("twilio", setup) as caller, open_page(setup.simulator.base_url) as page:
        began = asyncio.get_running_loop().time()
        await caller.call(ring_s=1)
        assert (await page.event("ended"))["why"] == "missed"
        assert await caller.end() == caller.endings["rang out"]
        assert asyncio.get_running_loop().time() - began >= 1.0, "a person's time to answer isn't stretched by pace"


async def test_a_browser_that_goes_while_it_rings_lets_it_ring_out(start):
    async with start() as setup, caller_of("twilio", setup) as caller:
        async with open_page(setup.simulator.base_url) as page:
            await caller.call(ring_s=1)
            await page.event("ringing")
        assert await caller.end() == caller.endings["rang out"]
        assert await phones(setup) == {PHONE: "none"}


async def test_a_browser_that_comes_back_in_time_rings_again(start):
    async with start() as setup, caller_of("twilio", setup) as caller:
        async with open_page(setup.simulator.base_url) as page:
            await caller.call()
            first = await page.event("ringing")
        async with open_page(setup.simulator.base_url) as page:
            assert await page.event("ringing") == first
            await page.send("answer")
            await page.event("answered")
            await page.send("hang_up")
            assert await caller.end() == caller.endings["talked"]


async def test_a_browser_that_goes_in_a_conversation_hangs_up(start):
    async with start() as setup, caller_of("twilio", setup) as caller:
        async with open_page(setup.simulator.base_url) as page:
            await caller.call()
            await page.event("ringing")
            await page.send("answer")
            await page.event("answered")
        assert await caller.end() == caller.endings["talked"]
        assert await phones(setup) == {PHONE: "none"}


async def test_the_newer_of_two_browsers_is_the_phone(start):
    async with start() as setup, caller_of("twilio", setup) as caller:
        base_url = setup.simulator.base_url
        async with open_page(base_url) as older:
            await caller.call()
            await older.event("ringing")
            async with open_page(base_url) as newer:
                await older.event("replaced")
                await older.until(lambda: older.close_code is not None)
                assert older.close_code == 4409
                assert newer.types() == ["ready", "ringing"]
                await newer.send("decline")
                assert (await newer.event("ended"))["why"] == "declined"
            assert "ended" not in older.types()


async def test_a_conversation_ends_with_the_browser_that_had_it(start):
    async with start() as setup, caller_of("twilio", setup) as caller:
        base_url = setup.simulator.base_url
        async with open_page(base_url) as older:
            await caller.call()
            await older.event("ringing")
            await older.send("answer")
            await older.event("answered")
            async with open_page(base_url) as newer:
                assert await caller.end() == caller.endings["talked"]
                assert newer.types() == ["ready"]


async def test_browsers_with_different_numbers_are_different_phones(start):
    async with start() as setup, caller_of("twilio", setup) as caller:
        base_url = setup.simulator.base_url
        async with open_page(base_url) as one, open_page(base_url, "+12025550142") as other:
            assert (await other.event("ready"))["number"] == "+12025550142"
            assert await phones(setup) == {PHONE: "free", "+12025550142": "free"}
            await caller.call(to="42")
            await other.event("ringing")
            assert one.types() == ["ready"]


async def test_digits_the_agent_presses_are_told(start):
    async with start() as setup, open_page(setup.simulator.base_url) as page:
        await setup.place("90", twiml='<Response><Play digits="42"/><Pause length="5"/></Response>')
        await page.event("ringing")
        await page.send("answer")
        assert (await page.event("digit"))["digit"] == "4"
        assert (await page.event("digit", 2))["digit"] == "2"


# -- calls the person makes


@EVERY_CARRIER
async def test_a_browser_can_call_a_number_of_the_account(start, carrier):
    async with start() as setup, caller_of(carrier, setup) as caller, open_page(setup.simulator.base_url) as page:
        to = await caller.take_calls()
        await page.send("call", to=to, carrier=carrier)
        if carrier == "telnyx":
            await caller.answer()
        await page.event("answered")
        await page.until(lambda: len(loud_part(page.heard)) >= 0.9 * len(GREETING))
        await page.say(tone((440,), 400) + silence(100))
        await page.send("hang_up")
        assert (await page.event("ended"))["why"] == "hung_up"
        assert await caller.end() == caller.endings["talked"]
        assert pitch_hz(loud_part(caller.heard)) == pytest.approx(440, abs=5)
        [call] = await setup.dialled()
        assert (call["direction"], call["from"], call["to"], call["callee"]) == ("inbound", PHONE, to, "browser")


async def test_a_caller_may_give_up_before_anybody_answers(start):
    async with start() as setup, caller_of("telnyx", setup) as caller, open_page(setup.simulator.base_url) as page:
        await page.send("call", to=await caller.take_calls())
        await caller.customer.event("call.initiated")
        await page.send("hang_up")
        assert (await page.event("ended"))["why"] == "hung_up"
        assert await caller.end() == caller.endings["cancelled"]
        assert await phones(setup) == {PHONE: "free"}


@pytest.mark.parametrize(
    ("call", "detail"),
    [
        ({"to": "+15550001111"}, "not a number of an account"),
        ({"to": "+15551230002", "carrier": "telnyx"}, "not a number of an account"),
        ({"to": "+15551230002"}, "this number has no VoiceUrl that takes effect"),
        ({"to": ""}, "not a number of an account"),
    ],
)
async def test_a_call_that_leads_nowhere_says_why(start, call, detail):
    async with start() as setup, open_page(setup.simulator.base_url) as page:
        await page.send("call", **call)
        assert await page.event("ended") == {"type": "ended", "why": "refused", "detail": detail}
        assert await phones(setup) == {PHONE: "free"}


# -- what goes wrong


async def test_messages_that_make_no_sense_are_answered_and_harmless(start):
    nonsense = [
        "not json", "[]", "{}", '"call"', "[" * 10_000, '{"type": "dance"}', '{"type": "digit"}',
        '{"type": "digit", "digit": "55"}', '{"type": "digit", "digit": 5}', '{"type": "call"}',
        '{"type": "call", "to": 5}', '{"type": "call", "to": "+15551230002", "carrier": null}',
        b"", b"x", bytes(319), bytes(322),
    ]  # fmt: skip
    async with start() as setup, caller_of("twilio", setup) as caller, open_page(setup.simulator.base_url) as page:
        for message in nonsense:
            await page.send_raw(message)
        await page.event("error", len(nonsense))
        for type_ in ("answer", "decline", "hang_up"):
            await page.send(type_)  # nothing rings: too late is no mistake
        await page.send("digit", digit="1")
        await page.send_raw(SILENT_FRAME)
        await caller.call()
        await page.event("ringing")
        assert len(page.of("error")) == len(nonsense)


async def test_a_page_that_only_talks_nonsense_is_hung_up_on(start):
    async with start() as setup, open_page(setup.simulator.base_url) as page:
        for _ in range(30):
            await page.send_raw("nonsense")
        await page.until(lambda: page.close_code is not None)
        assert page.close_code == 1008
        assert len(page.of("error")) == 20
        assert await phones(setup) == {PHONE: "none"}


async def test_a_message_that_is_too_long_closes_the_connection(start):
    async with start() as setup, open_page(setup.simulator.base_url) as page:
        await page.send_raw(bytes(300_000))
        await page.until(lambda: page.close_code is not None)
        assert page.close_code == 1009


async def test_audio_that_comes_too_fast_loses_its_oldest(start):
    async with start() as setup, caller_of("twilio", setup) as caller, open_page(setup.simulator.base_url) as page:
        caller.greeted = b""
        await caller.call()
        await page.event("ringing")
        await page.send("answer")
        await page.event("answered")
        for _ in range(500):  # ten seconds at once
            await page.send_raw(tone((440,), 20))
        await page.say(silence(300))
        call = setup.simulator.network.handsets.at(PHONE).call
        assert call.said.dropped > 400
        await page.send("hang_up")
        await caller.end()
        assert len(loud_part(caller.heard)) < 2 * 8000 * 0.5


async def test_no_task_of_a_phone_outlives_its_simulator(start):
    with nothing_left_behind():
        async with start() as setup, caller_of("twilio", setup) as caller, open_page(setup.simulator.base_url) as page:
            await caller.call()
            await page.event("ringing")
            await page.send("answer")
            await page.event("answered")
