"""The models' server around the rules: lists, keys, times, what is noted, and its part of the control API."""

import asyncio
import json

import httpx
import openai
import pytest

from outdial.simulator.faults import FaultKind
from outdial.simulator.model.models import Call, Rule, When

pytestmark = pytest.mark.asyncio(loop_scope="session")

HELLO = [{"role": "user", "content": "Hello."}]


async def test_models_are_listed_and_say_whose_they_are(client, model):
    made = model(Rule(say="Hm."))
    listed = [each async for each in client.models.list()]
    assert {"simulated-reminder", made.name} <= {each.id for each in listed}
    assert {each.owned_by for each in listed} == {"outdial-simulator"}
    assert (await client.models.retrieve(made.name)).id == made.name
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("gpt-5")


async def test_every_reply_says_that_it_is_simulated(client, model):
    raw = await client.chat.completions.with_raw_response.create(model=model(Rule(say="Hm.")).name, messages=HELLO)
    assert raw.headers["x-simulated"] == "outdial simulator"
    assert raw.headers["x-request-id"]
    assert raw.parse().model_extra["simulated"] == {"by": "outdial simulator", "rule": ""}


async def test_only_who_has_the_key_is_served(start):
    async with start(model_key="model-key-1") as setup:
        base_url = f"{setup.simulator.base_url}/model/v1"
        async with openai.AsyncOpenAI(base_url=base_url, api_key="another") as client:
            with pytest.raises(openai.AuthenticationError) as refused:
                await client.models.list()
            assert refused.value.code == "invalid_api_key"
        async with openai.AsyncOpenAI(base_url=base_url, api_key="model-key-1") as client:
            assert (await client.models.list()).data


async def test_an_answer_takes_its_time(client, model):
    made = model(Rule(say="One two three."), first_token_s=1.0, token_s=0.5)
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    stream = await client.chat.completions.create(model=made.name, messages=HELLO, stream=True)
    first_s, *later = [loop.time() - began_s async for chunk in stream if chunk.choices[0].delta.content]
    assert 1.0 <= first_s < 1.4
    assert 2.5 <= later[-1] < 3.2
    began_s = loop.time()
    await client.chat.completions.create(model=made.name, messages=HELLO)
    assert 2.5 <= loop.time() - began_s < 3.2


async def test_tokens_are_counted_the_same_way_whole_and_streamed(client, model):
    rule = Rule(say="Hello there.", reasoning="Who is it?", calls=(Call(tool="note", arguments={"text": "x"}),))
    made = model(rule)
    tools = [{"type": "function", "function": {"name": "note"}}]
    whole = await client.chat.completions.create(model=made.name, messages=HELLO, tools=tools)
    stream = await client.chat.completions.create(
        model=made.name, messages=HELLO, tools=tools, stream=True, stream_options={"include_usage": True}
    )
    assert [chunk.usage async for chunk in stream][-1] == whole.usage
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    assert whole.usage.completion_tokens_details.reasoning_tokens == 4
    assert whole.choices[0].message.model_extra["reasoning_content"] == "Who is it?"


async def test_an_answer_ends_at_the_most_tokens(client, model):
    made = model(Rule(say="One two three four."))
    answer = await client.chat.completions.create(model=made.name, messages=HELLO, max_completion_tokens=2)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("One two", "length")


async def test_a_conversation_may_be_too_long(client, model):
    made = model(Rule(say="Hm."), context_tokens=20)
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(model=made.name, messages=[{"role": "user", "content": "word " * 20}])
    assert refused.value.code == "context_length_exceeded"


async def test_json_is_of_the_schema_that_was_asked_for(client, model):
    schema = {
        "type": "object", "properties": {"mood": {"enum": ["good", "bad"]}}, "required": ["mood"],
        "additionalProperties": False,
    }  # fmt: skip
    response_format = {"type": "json_schema", "json_schema": {"name": "facts", "schema": schema, "strict": True}}
    made = model(Rule(data={"mood": ["worse", "bad"]}))
    for stream in (False, True):
        answer = await client.chat.completions.create(
            model=made.name, messages=HELLO, response_format=response_format, stream=stream
        )
        text = (
            "".join([chunk.choices[0].delta.content or "" async for chunk in answer])
            if stream
            else answer.choices[0].message.content
        )
        assert json.loads(text) == {"mood": "bad"}


async def test_what_was_asked_is_kept(setup, client, model):
    made = model(Rule(name="hm", say="Hm, well."))
    await client.chat.completions.create(model=made.name, messages=HELLO, temperature=0.2)
    asked = setup.simulator.model.asked[-1]
    await asked.ended.wait()
    assert asked.body == {"model": made.name, "messages": HELLO, "temperature": 0.2}
    assert (asked.completion.rule, asked.faults, asked.whole) == ("hm", (), True)
    assert asked.headers["user-agent"].startswith("AsyncOpenAI")


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400), (b"[]", 400), (b'{"model": NaN}', 400), (b'"\\ud800"', 400), (b"[" * 5000, 400),
        (b" " * 5_000_000, 413),
    ],
)  # fmt: skip
async def test_what_is_no_request_is_refused_as_the_vendor_does(setup, content, status):
    reply = await setup.http.post("/model/v1/chat/completions", content=content)
    assert reply.status_code == status
    assert reply.json()["error"]["type"] == "invalid_request_error"


# -- the control API


async def test_rules_are_given_to_a_running_simulator(setup, client):
    rules = {"simulated-parrot": {"rules": [{"name": "again", "when": {"user": "."}, "say": "{heard}"}]}}
    added = await setup.http.post("/_simulator/models", json=rules)
    assert added.status_code == 201
    answer = await client.chat.completions.create(model="simulated-parrot", messages=HELLO)
    assert answer.choices[0].message.content == "Hello."
    listed = (await setup.http.get("/_simulator/models")).json()["models"]
    assert {"name": "simulated-parrot", "rules": ["again"], "first_token_s": 0.0, "token_s": 0.0} in listed
    assert "simulated-parrot" in (await setup.http.get("/_simulator")).json()["model"]["models"]


async def test_wrong_rules_are_refused_by_their_place(setup):
    refused = await setup.http.post("/_simulator/models", json={"simulated-x": {"rules": [{"say": 7}]}})
    assert (refused.status_code, refused.json()) == (400, {"error": "simulated-x.rules[0].say: a text is expected"})


async def test_what_was_asked_is_told_and_forgotten(setup, client, model):
    await setup.http.delete("/_simulator/models/asked")
    made = model(Rule(name="call", when=When(declared="note"), say="Hm.", calls=(Call(tool="note"),)))
    fault = {"kind": "model_stalled", "model": made.name, "delay_s": 0.5, "after_tokens": 1, "count": 1}
    assert (await setup.http.post("/_simulator/faults", json=fault)).status_code == 201
    stream = await client.chat.completions.create(
        model=made.name, messages=HELLO, tools=[{"type": "function", "function": {"name": "note"}}], stream=True
    )
    async for _ in stream:
        pass
    await setup.simulator.model.asked[-1].ended.wait()
    [asked] = (await setup.http.get("/_simulator/models/asked")).json()["asked"]
    assert (asked["rule"], asked["text"], asked["faults"]) == ("call", "Hm.", ["model_stalled"])
    assert [call["name"] for call in asked["tool_calls"]] == ["note"]
    first, second = asked["sent"]
    assert second["after_s"] - first["after_s"] >= 0.5
    assert asked["whole"]
    await setup.http.delete("/_simulator/models/asked")
    assert (await setup.http.get("/_simulator/models/asked")).json() == {"asked": []}


@pytest.mark.parametrize(
    "wrong", [{"status": 200}, {"status": 999}, {"after_tokens": -1}, {"after_tokens": "few"}, {"model": 7}]
)
async def test_impossible_faults_are_refused(setup, wrong):
    refused = await setup.http.post("/_simulator/faults", json={"kind": "model_cut", **wrong})
    assert refused.status_code == 400


async def test_all_kinds_of_faults_are_told(setup):
    told = (await setup.http.get("/_simulator")).json()
    assert set(told["faults"]) == set(FaultKind)
    assert told["tools"]["tools"] == ["look_up_appointment", "free_slots", "book_slot"]


async def test_a_page_of_another_name_is_not_served(setup):
    async with httpx.AsyncClient(trust_env=False) as http:
        reply = await http.get(f"{setup.simulator.base_url}/model/v1/models", headers={"Host": "evil.example"})
    assert reply.status_code == 400
