"""Whole calls over real sockets: what the customer's server sees of each kind of callee."""

import asyncio
import wave

import numpy as np
import pytest

from outdial.media.tones import tone
from outdial.simulator.phone import is_loud
from simulator.customer import Stream
from simulator.leftovers import nothing_left_behind

pytestmark = pytest.mark.asyncio(loop_scope="session")

SPEECH = tone((150, 300), 600)


async def talk_twice(stream: Stream) -> None:
    """Greets, and answers the first thing that was said to us; then hangs up."""
    await stream.until("start")
    await stream.say(SPEECH, mark="greeting")
    await stream.until("mark")
    await stream.until("media")
    while not is_loud(bytes(stream.heard[-320:])):
        await stream.receive()


@pytest.mark.parametrize(
    ("callee", "statuses", "sip_code"),
    [
        ("02", ["initiated", "ringing", "busy"], "603"),
        ("03", ["initiated", "ringing", "busy"], "486"),
        ("04", ["initiated", "ringing", "no-answer"], "487"),
        ("07", ["initiated", "failed"], "404"),
    ],
)
async def test_a_call_that_nobody_answers_ends_with_the_networks_reason(setup, callee, statuses, sip_code):
    call = await setup.place(callee, Timeout="10")
    final = await setup.customer.wait_for_end()

    assert setup.customer.statuses() == statuses
    assert (final["SipResponseCode"], final["CallDuration"], final["Duration"]) == (sip_code, "0", "0")
    assert all(item.genuine for item in setup.customer.received)
    assert not setup.customer.streams
    fetched = await setup.fetch(call["sid"])
    assert (fetched["status"], fetched["duration"]) == (statuses[-1], "0")


async def test_a_phone_rings_no_longer_than_the_timeout(setup):
    await setup.place("00", Timeout="2")
    assert (await setup.customer.wait_for_end())["CallStatus"] == "no-answer"


async def test_only_the_completed_callback_is_sent_unless_more_are_asked_for(setup):
    await setup.place("03", StatusCallbackEvent=[])
    final = await setup.customer.wait_for_end()
    assert setup.customer.statuses() == ["busy"]
    assert final["SequenceNumber"] == "0"


async def test_media_arrives_every_20_ms_with_numbers_as_strings(setup):
    arrivals: list[float] = []

    async def talk(stream: Stream) -> None:
        while len(arrivals) < 25:
            await stream.until("media")
            arrivals.append(asyncio.get_running_loop().time())

    setup.customer.talk = talk
    await setup.place("11")
    await setup.customer.wait_for_end()

    [stream] = setup.customer.streams
    media = stream.of("media")
    assert [int(message["sequenceNumber"]) for message in media] == list(range(2, 27))
    assert [message["media"]["chunk"] for message in media[:3]] == ["1", "2", "3"]
    assert [message["media"]["timestamp"] for message in media[:3]] == ["20", "40", "60"]
    assert {message["media"]["track"] for message in media} == {"inbound"}
    assert len(stream.heard) == 25 * 320
    assert 0.4 < arrivals[-1] - arrivals[0] < 0.8


async def test_a_callee_who_hangs_up_ends_the_call_and_the_stream(setup):
    async def talk(stream: Stream) -> None:
        await talk_twice(stream)
        await stream.say(SPEECH * 5)
        await stream.until("stop")

    setup.customer.talk = talk
    await setup.place("13")
    final = await setup.customer.wait_for_end(20)
    assert final["CallStatus"] == "completed"
    await setup.customer.wait_for(lambda: setup.customer.streams[0].closed)
    assert setup.customer.streams[0].messages[-1]["event"] == "stop"
    assert int(final["CallDuration"]) < 10
    assert [item.form["StreamEvent"] for item in setup.customer.named("stream")] == [
        "stream-started",
        "stream-stopped",
    ]


async def test_a_pressed_digit_arrives_as_a_dtmf_event(setup):
    async def talk(stream: Stream) -> None:
        await stream.until("start")
        await stream.say(SPEECH)
        await stream.until("dtmf")

    setup.customer.talk = talk
    await setup.place("14")
    await setup.customer.wait_for_end()
    [pressed] = setup.customer.streams[0].of("dtmf")
    assert pressed["dtmf"] == {"track": "inbound_track", "digit": "1"}


async def test_digits_sent_after_the_answer_reach_the_phone_menu(setup):
    call = await setup.place("10", SendDigits="w1")
    await setup.customer.wait_for(lambda: setup.customer.streams)
    await setup.update(call["sid"], Status="completed")
    await setup.customer.wait_for_end()
    [dialled] = await setup.dialled()
    assert dialled["heard_digits"] == "1"


async def test_hanging_up_through_rest_ends_a_call_in_progress(setup):
    call = await setup.place("11")
    await setup.customer.wait_for(lambda: setup.customer.streams)
    reply = await setup.update(call["sid"], Status="completed")
    assert (reply.status_code, reply.json()["status"]) == (200, "in-progress")
    assert (await setup.customer.wait_for_end())["CallStatus"] == "completed"
    again = await setup.update(call["sid"], Status="completed")
    assert (again.status_code, again.json()["status"]) == (200, "completed")


@pytest.mark.parametrize("status", ["completed", "canceled"])
async def test_a_call_can_be_canceled_while_it_rings(start, status):
    async with start(pace=0.3) as setup:
        call = await setup.place("00")
        await setup.customer.wait_for(lambda: "ringing" in setup.customer.statuses())
        await setup.update(call["sid"], Status=status)
        final = await setup.customer.wait_for_end()
        assert (final["CallStatus"], final["SipResponseCode"]) == ("canceled", "487")


async def test_canceling_does_not_touch_a_call_in_progress(setup):
    call = await setup.place("11")
    await setup.customer.wait_for(lambda: setup.customer.streams)
    await setup.update(call["sid"], Status="canceled")
    assert (await setup.fetch(call["sid"]))["status"] == "in-progress"


async def test_a_call_ends_at_its_time_limit(setup):
    await setup.place("11", TimeLimit="1")
    final = await setup.customer.wait_for_end()
    assert (final["CallStatus"], final["CallDuration"]) == ("completed", "1")


async def test_calls_beyond_one_a_second_are_queued(start):
    async with start(calls_per_second=2) as setup:
        calls = [await setup.place("07") for _ in range(3)]
        assert int(calls[0]["queue_time"]) == 0
        assert 300 < int(calls[1]["queue_time"]) <= 500
        assert 700 < int(calls[2]["queue_time"]) <= 1000
        assert (await setup.fetch(calls[2]["sid"]))["status"] == "queued"
        await setup.update(calls[2]["sid"], Status="canceled")
        await setup.customer.wait_for(lambda: setup.customer.statuses().count("failed") == 2)
        assert [call["dialled"] for call in await setup.dialled()] == [True, True, False]


async def test_the_human_answers_what_we_say_and_both_voices_are_kept_as_a_wav(start, tmp_path):
    async with start(recordings_dir=tmp_path) as setup:
        setup.customer.talk = talk_twice
        call = await setup.place("00")
        final = await setup.customer.wait_for_end()
    assert (final["CallStatus"], final["Duration"]) == ("completed", "1")
    assert int(final["CallDuration"]) >= 1
    with wave.open(str(tmp_path / f"{call['sid']}.wav")) as recording:
        assert (recording.getnchannels(), recording.getframerate()) == (2, 8000)
        stereo = np.frombuffer(recording.readframes(recording.getnframes()), dtype="<i2").reshape(-1, 2)
    callee, ours = np.abs(stereo).max(axis=0)
    assert min(callee, ours) > 1000


async def test_closing_the_simulator_in_the_middle_of_a_call_leaves_nothing_behind(start):
    with nothing_left_behind():
        async with start() as setup:
            await setup.place("00")
            await setup.customer.wait_for(lambda: setup.customer.streams)


# -- answering machine detection


async def test_verdicts_on_who_answered_arrive_while_twiml_runs(setup):
    wanted = [("00", "Enable"), ("05", "Enable"), ("05", "DetectMessageEnd"), ("08", "Enable")]
    calls = [
        await setup.place(
            callee,
            MachineDetection=mode,
            MachineDetectionSpeechThreshold="1000",
            MachineDetectionSpeechEndThreshold="500",
            AsyncAmd="true",
            AsyncAmdStatusCallback=setup.customer.url("amd"),
        )
        for callee, mode in wanted
    ]
    await setup.customer.wait_for(lambda: len(setup.customer.named("amd")) == len(wanted))
    told = {item.form["CallSid"]: item for item in setup.customer.named("amd")}
    verdicts = [told[call["sid"]].form["AnsweredBy"] for call in calls]
    assert verdicts == ["human", "machine_start", "machine_end_beep", "fax"]
    assert all(item.genuine and int(item.form["MachineDetectionDuration"]) > 500 for item in told.values())
    assert len(setup.customer.streams) == len(wanted), "TwiML doesn't wait for the verdict"
    assert (await setup.fetch(calls[0]["sid"]))["answered_by"] == "human"


async def test_without_async_the_twiml_url_is_asked_after_the_verdict(setup):
    setup.customer.documents["twiml"] = "<Response><Hangup/></Response>"
    await setup.place(
        "00",
        twiml="",
        Url=setup.customer.url("twiml"),
        MachineDetection="Enable",
        MachineDetectionSpeechEndThreshold="500",
    )
    await setup.customer.wait_for_end()
    [asked] = setup.customer.named("twiml")
    assert asked.genuine
    assert asked.form["AnsweredBy"] == "human"
