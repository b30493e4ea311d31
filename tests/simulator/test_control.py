import httpx
import pytest

from outdial.simulator.server import serve

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_simulator_describes_itself(setup):
    reply = await setup.http.get("/_simulator", auth=None)
    told = reply.json()
    assert told["twilio"]["account_sid"] == setup.config.account_sid
    assert told["callees"]["+12025550105"] == "voicemail with beep"
    assert len(told["callees"]) == 31
    assert told["twilio"]["credentials"] == {
        "account_sid": setup.config.account_sid,
        "auth_token": setup.config.auth_token,
    }


async def test_dials_are_listed_in_order_and_can_be_forgotten(setup):
    for callee in ("03", "07"):
        await setup.place(callee)
    await setup.customer.wait_for(lambda: len(setup.customer.statuses()) == 5)
    calls = await setup.dialled()
    assert [(call["to"], call["state"]) for call in calls] == [
        ("+12025550103", "busy"),
        ("+12025550107", "failed"),
    ]
    assert (await setup.http.delete("/_simulator/calls")).status_code == 204
    assert await setup.dialled() == []


async def test_forgetting_calls_ends_those_that_are_up(setup):
    await setup.place("11")
    await setup.customer.wait_for(lambda: setup.customer.streams)
    await setup.http.delete("/_simulator/calls")
    assert await setup.dialled() == []
    assert (await setup.customer.wait_for_end())["CallStatus"] == "completed"


async def test_faults_are_listed_and_removed(setup):
    first = (await setup.http.post("/_simulator/faults", json={"kind": "throttled"})).json()
    late = {"kind": "callback_late", "delay_s": 2, "callbacks": ["amd"]}
    await setup.http.post("/_simulator/faults", json=late)
    assert (await setup.http.delete(f"/_simulator/faults/{first['id']}")).status_code == 204
    assert (await setup.http.delete(f"/_simulator/faults/{first['id']}")).status_code == 404
    [left] = (await setup.http.get("/_simulator/faults")).json()["faults"]
    assert (left["kind"], left["delay_s"], left["callbacks"]) == ("callback_late", 2.0, ["amd"])
    await setup.http.delete("/_simulator/faults")
    assert (await setup.http.get("/_simulator/faults")).json() == {"faults": []}


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        ('{"kind": "throttled"}', "text/plain", 415),
        ("not json", "application/json", 400),
        ("[]", "application/json", 400),
        ('{"kind": "no such"}', "application/json", 400),
        ('{"kind": "throttled", "surprise": 1}', "application/json", 400),
        ('{"kind": "throttled", "count": "many"}', "application/json", 400),
    ],
)
async def test_a_wrong_fault_is_refused(setup, content, content_type, status):
    reply = await setup.http.post(
        "/_simulator/faults", content=content, headers={"content-type": content_type}
    )
    assert reply.status_code == status


# -- calls from outside


async def test_a_simulated_person_can_call_one_of_the_numbers(setup):
    number = setup.config.numbers[0]
    setup.customer.documents["voice"] = setup.customer.connect(call_id="in_1")
    numbers = f"/2010-04-01/Accounts/{setup.config.account_sid}/IncomingPhoneNumbers"
    found = (await setup.http.get(f"{numbers}.json", params={"PhoneNumber": number})).json()
    [owned] = found["incoming_phone_numbers"]
    await setup.http.post(
        f"{numbers}/{owned['sid']}.json",
        data={"VoiceUrl": setup.customer.url("voice"), "StatusCallback": setup.customer.url("status")},
    )

    async def talk(stream) -> None:
        await stream.until("start")

    setup.customer.talk = talk
    reply = await setup.http.post("/_simulator/inbound", json={"from": "+12025550199", "to": number})
    assert reply.status_code == 201
    final = await setup.customer.wait_for_end()

    [asked] = setup.customer.named("voice")
    assert asked.genuine
    assert (asked.form["Direction"], asked.form["CallStatus"]) == ("inbound", "ringing")
    assert (asked.form["From"], asked.form["To"]) == ("+12025550199", number)
    assert setup.customer.streams[0].genuine
    assert final["CallStatus"] == "completed"


async def test_an_inbound_call_can_be_rejected(setup):
    number = next(iter(setup.simulator.account.numbers.values()))
    number.voice_url = setup.customer.url("voice")
    number.status_callback = setup.customer.url("status")
    setup.customer.documents["voice"] = "<Response><Reject reason='busy'/></Response>"
    await setup.http.post("/_simulator/inbound", json={"to": number.phone_number})
    final = await setup.customer.wait_for_end()
    assert (final["CallStatus"], final["CallDuration"]) == ("busy", "0")


async def test_a_number_without_a_voice_url_cannot_be_called(setup):
    reply = await setup.http.post("/_simulator/inbound", json={"to": setup.config.numbers[1]})
    assert reply.status_code == 400


async def test_a_page_whose_name_was_made_to_point_here_gets_nothing():
    async with serve() as simulator, httpx.AsyncClient(base_url=simulator.base_url, trust_env=False) as http:
        assert (await http.get("/_simulator")).status_code == 200
        assert (await http.get("/_simulator", headers={"Host": "localhost:8090"})).status_code == 200
        assert (await http.get("/_simulator", headers={"Host": "evil.example"})).status_code == 400
