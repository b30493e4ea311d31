"""TwiML executed on calls over real sockets."""

import asyncio
import io
import wave

import numpy as np
import pytest

from outdial.media.frames import silence
from outdial.media.tones import tone
from simulator.customer import Stream

pytestmark = pytest.mark.asyncio(loop_scope="session")

SPEECH = tone((150, 300), 400)


async def hang_up_after(stream: Stream, event: str) -> None:
    await stream.until(event)


async def notifications(setup) -> list[int]:
    [call] = [call for call in await setup.dialled() if call["direction"] == "outbound-api"]
    return [item["code"] for item in call["notifications"]]


async def test_verbs_run_one_after_the_other(setup):
    await setup.place("11", twiml="<Response><Say>Hi</Say><Pause length='1'/><Play digits='5w#'/></Response>")
    final = await setup.customer.wait_for_end()
    assert (final["CallStatus"], final["CallDuration"]) == ("completed", "2")
    [call] = await setup.dialled()
    assert call["heard_digits"] == "5#"


async def test_twiml_after_connect_runs_when_the_customer_closes_the_stream(setup):
    async def talk(stream: Stream) -> None:
        await stream.until("start")

    setup.customer.talk = talk
    await setup.place("11", twiml=setup.customer.connect(after="<Play digits='7'/>"))
    await setup.customer.wait_for_end()
    [call] = await setup.dialled()
    assert call["heard_digits"] == "7"


async def test_a_wav_from_this_machine_is_played_and_no_other(setup):
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(16_000)
        wav.writeframes(silence(1000) * 4)  # a second
    setup.customer.files["hello.wav"] = file.getvalue()
    good = setup.customer.url("hello.wav")
    await setup.place("11", twiml=f"<Response><Play>{good}</Play><Play>http://192.0.2.1/a.wav</Play></Response>")
    assert (await setup.customer.wait_for_end())["CallDuration"] == "1"
    assert await notifications(setup) == [11200]


async def test_a_redirect_goes_on_at_the_next_url(setup):
    setup.customer.documents["first"] = "<Response><Redirect method='GET'>second?x=1</Redirect></Response>"
    setup.customer.documents["second"] = "<Response><Play digits='9'/></Response>"
    await setup.place("11", twiml="", Url=setup.customer.url("first"))
    await setup.customer.wait_for_end()
    assert [item.genuine for item in setup.customer.named("first") + setup.customer.named("second")] == [True, True]
    [call] = await setup.dialled()
    assert call["heard_digits"] == "9"


@pytest.mark.parametrize(
    ("document", "code"),
    [("not xml", 12100), ("<Wrong/>", 12100), ("<Response><Shout>Hi</Shout></Response>", 12200)],
)
async def test_a_document_that_cannot_run_ends_the_call_with_a_notification(setup, document, code):
    await setup.place("11", twiml=document)
    assert (await setup.customer.wait_for_end())["CallStatus"] == "completed"
    assert await notifications(setup) == [code]


async def test_the_fallback_is_asked_when_the_url_fails(setup):
    setup.customer.documents["fallback"] = "<Response><Hangup/></Response>"
    await setup.place(
        "11", twiml="", Url="http://127.0.0.1:9/nobody", FallbackUrl=setup.customer.url("fallback")
    )
    await setup.customer.wait_for_end()
    [asked] = setup.customer.named("fallback")
    assert asked.form["ErrorUrl"] == "http://127.0.0.1:9/nobody"
    assert await notifications(setup) == [11200]


# -- media stream


async def test_a_stream_that_cannot_open_is_reported_and_the_next_verb_runs(setup):
    twiml = setup.customer.connect("nowhere", after="<Play digits='3'/>")
    await setup.place("11", twiml=twiml)
    await setup.customer.wait_for_end()
    [told] = setup.customer.named("stream")
    assert told.form["StreamEvent"] == "stream-error"
    assert told.form["StreamError"].startswith("31920")
    [call] = await setup.dialled()
    assert call["heard_digits"] == "3"


@pytest.mark.parametrize("url", ["wss://127.0.0.1:9/media?token=1", "ws://voice.example/media"])
async def test_twilios_rules_for_stream_urls_are_kept(setup, url):
    await setup.place("11", twiml=f'<Response><Connect><Stream url="{url}"/></Connect></Response>')
    await setup.customer.wait_for_end()
    assert await notifications(setup) == [31920]


async def test_garbage_on_the_stream_closes_it_with_an_error(setup):
    async def talk(stream: Stream) -> None:
        await stream.until("start")
        await stream.socket.send_text("not json")
        while True:
            await stream.receive()

    setup.customer.talk = talk
    await setup.place("11")
    await setup.customer.wait_for_end()
    assert [item.form["StreamEvent"] for item in setup.customer.named("stream")] == [
        "stream-started",
        "stream-error",
        "stream-stopped",
    ]
    assert await notifications(setup) == [31951]


async def test_new_twiml_replaces_the_stream_which_gets_a_stop(setup):
    call = await setup.place("10")  # a menu that wants a digit
    await setup.customer.wait_for(lambda: setup.customer.streams and setup.customer.streams[0].sid)
    again = setup.customer.connect(part="2").replace("<Connect>", "<Play digits='1'/><Connect>")
    reply = await setup.update(call["sid"], Twiml=again)
    assert reply.status_code == 200
    await setup.customer.wait_for(lambda: len(setup.customer.streams) == 2 and setup.customer.streams[1].sid)
    first, second = setup.customer.streams
    assert first.messages[-1]["event"] == "stop"
    assert second.sid != first.sid
    assert second.of("start")[0]["start"]["customParameters"] == {"part": "2"}
    assert second.genuine
    [dialled] = await setup.dialled()
    assert dialled["heard_digits"] == "1"


async def test_a_call_that_is_not_in_progress_cannot_be_redirected(setup):
    call = await setup.place("07")
    await setup.customer.wait_for_end()
    reply = await setup.update(call["sid"], Twiml="<Response/>")
    assert (reply.status_code, reply.json()["code"]) == (400, 21220)


# -- transfer


def transfer(setup, to: str) -> str:
    return (
        f'<Response><Dial callerId="+15551230002" timeout="20" action="{setup.customer.url("action")}">'
        f"<Number>{to}</Number></Dial></Response>"
    )


async def test_a_transfer_connects_the_callee_with_somebody_else(setup):
    setup.customer.documents["action"] = "<Response><Play digits='2'/></Response>"
    call = await setup.place("11")
    await setup.customer.wait_for(lambda: setup.customer.streams)
    await setup.update(call["sid"], Twiml=transfer(setup, "+12025550114"))  # presses 1 when spoken to

    async def child() -> list[dict]:
        found = (await setup.http.get(f"{setup.calls_path}.json", params={"ParentCallSid": call["sid"]})).json()
        return [item for item in found["calls"] if item["status"] == "in-progress"]

    while not (children := await child()):
        pass
    assert children[0]["direction"] == "outbound-dial"
    await setup.update(children[0]["sid"], Status="completed")
    await setup.customer.wait_for_end()

    [action] = setup.customer.named("action")
    assert action.genuine
    assert (action.form["DialCallStatus"], action.form["DialBridged"]) == ("completed", "true")
    assert action.form["DialCallSid"] == children[0]["sid"]
    parent = (await setup.dialled())[0]
    assert parent["heard_digits"].endswith("2")


async def test_a_transfer_that_fails_tells_the_action_and_the_call_goes_on(setup):
    setup.customer.documents["action"] = "<Response><Say>Sorry</Say></Response>"
    await setup.place("11", twiml=transfer(setup, "+12025550103"))
    final = await setup.customer.wait_for_end()
    [action] = setup.customer.named("action")
    assert (action.form["DialCallStatus"], action.form["DialBridged"]) == ("busy", "false")
    assert final["CallStatus"] == "completed"


async def test_both_parties_of_a_transfer_hear_each_other(start, tmp_path):
    async with start(recordings_dir=tmp_path) as setup:
        twiml = transfer(setup, "+12025550108")  # two fax machines
        call = await setup.place("08", twiml=twiml, TimeLimit="2")
        await setup.customer.wait_for(lambda: setup.customer.named("action"))
        calls = await setup.dialled()
    assert [item["direction"] for item in calls] == ["outbound-api", "outbound-dial"]
    assert setup.customer.named("action")[0].form["DialBridged"] == "true"
    for sid in (call["sid"], calls[1]["sid"]):
        with wave.open(str(tmp_path / f"{sid}.wav")) as recording:
            stereo = np.frombuffer(recording.readframes(recording.getnframes()), dtype="<i2").reshape(-1, 2)
        loud = np.abs(stereo[-4000:]).max(axis=0)
        assert loud.min() > 1000


# -- a conference

ROOM = '<Conference beep="false" waitUrl="" endConferenceOnExit="true">room</Conference>'
IN_ROOM = f"<Response><Dial>{ROOM}</Dial><Hangup/></Response>"


async def test_calls_in_a_conference_hear_each_other_and_end_with_either(start, tmp_path):
    async with start(recordings_dir=tmp_path) as setup:
        calls = [await setup.place("08", twiml=IN_ROOM) for _ in range(2)]  # two fax machines
        await asyncio.sleep(2)
        await setup.update(calls[0]["sid"], Status="completed")
        await setup.customer.wait_for(lambda: setup.customer.statuses().count("completed") == 2)
    for call in calls:
        with wave.open(str(tmp_path / f"{call['sid']}.wav")) as recording:
            stereo = np.frombuffer(recording.readframes(recording.getnframes()), dtype="<i2").reshape(-1, 2)
        assert np.abs(stereo).max(axis=0).min() > 1000
