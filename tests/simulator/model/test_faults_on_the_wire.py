"""Each thing that can go wrong with a model's answer, as the vendor's own client sees it."""

import asyncio
import itertools
import json

import httpx2
import openai
import pytest

from outdial.simulator.faults import Fault, FaultKind
from outdial.simulator.model.models import Call, Rule, When

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEXT = "Good morning, José. Your appointment is tomorrow."
RULES = (
    Rule(name="book", when=When(user="book"), say="One moment.", calls=(
        Call(tool="book", arguments={"day": "Tuesday"}), Call(tool="note", arguments={"text": "wants Tuesday"}),
    )),
    Rule(name="talk", say=TEXT),
)  # fmt: skip
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("book", "note")
]


@pytest.fixture
def asked(setup, model, client):
    """`await asked(kind, "words", …fault's)`: the chunks that came, until the end or an error, which is raised."""

    made = model(*RULES)

    async def ask(kind: FaultKind | None, words: str = "Hello.", *, into: list | None = None, **fault):
        if kind is not None:
            setup.simulator.network.faults.add(Fault(kind=kind, model=made.name, count=1, **fault))
        chunks = [] if into is None else into
        stream = await client.chat.completions.create(
            model=made.name,
            messages=[{"role": "user", "content": words}],
            tools=TOOLS,
            stream=True,
            stream_options={"include_usage": True},
        )
        async with stream:
            async for chunk in stream:
                chunks.append(chunk)
        return chunks

    ask.model = made
    return ask


def deltas(chunks):
    return [chunk.choices[0].delta for chunk in chunks if chunk.choices]


def text(chunks):
    return "".join(delta.content or "" for delta in deltas(chunks))


def finish(chunks):
    return [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1]


def calls(chunks):
    """Each call as (id, name, arguments), put together as clients do it: by its index."""
    found: dict[int, list[str]] = {}
    for delta in deltas(chunks):
        for call in delta.tool_calls or ():
            whole = found.setdefault(call.index, ["", "", ""])
            whole[0] += call.id or ""
            whole[1] += call.function.name or ""
            whole[2] += call.function.arguments or ""
    return [tuple(found[index]) for index in sorted(found)]


async def test_without_a_fault_all_is_well(asked):
    assert text(await asked(None)) == TEXT
    chunks = await asked(None, "Book it.")
    assert text(chunks) == "One moment."
    assert [(name, arguments) for _, name, arguments in calls(chunks)] == [
        ("book", '{"day": "Tuesday"}'),
        ("note", '{"text": "wants Tuesday"}'),
    ]
    assert len({id_ for id_, _, _ in calls(chunks)}) == 2


# -- errors instead of an answer


@pytest.mark.parametrize(
    ("kind", "fault", "error", "code"),
    [
        (FaultKind.MODEL_THROTTLED, {"delay_s": 7}, openai.RateLimitError, "rate_limit_exceeded"),
        (FaultKind.MODEL_OUT_OF_QUOTA, {}, openai.RateLimitError, "insufficient_quota"),
        (FaultKind.MODEL_ERROR, {"status": 500}, openai.InternalServerError, "server_error"),
        (FaultKind.MODEL_ERROR, {}, openai.InternalServerError, "overloaded"),
        (FaultKind.MODEL_ERROR, {"status": 401}, openai.AuthenticationError, "invalid_api_key"),
        (FaultKind.MODEL_ERROR, {"status": 403}, openai.PermissionDeniedError, None),
    ],
)
async def test_an_error_instead_of_an_answer(asked, kind, fault, error, code):
    with pytest.raises(error) as raised:
        await asked(kind, **fault)
    assert raised.value.code == code
    assert raised.value.response.headers.get("retry-after") == ("7" if kind is FaultKind.MODEL_THROTTLED else None)
    assert text(await asked(None)) == TEXT


async def test_the_client_tries_again_after_an_error_if_it_may(setup, asked, client):
    setup.simulator.network.faults.add(Fault(kind=FaultKind.MODEL_ERROR, model=asked.model.name, count=2))
    answer = await client.with_options(max_retries=2).chat.completions.create(
        model=asked.model.name, messages=[{"role": "user", "content": "Hello."}]
    )
    assert answer.choices[0].message.content == TEXT
    assert [each.headers["x-stainless-retry-count"] for each in list(setup.simulator.model.asked)[-3:]] == list("012")


async def test_a_connection_that_breaks_without_a_reply(asked):
    with pytest.raises(openai.APIConnectionError):
        await asked(FaultKind.MODEL_RESET, after_tokens=0)


async def test_a_connection_that_is_refused(setup):
    url = (await setup.http.get("/_simulator")).json()["refusing_url"]
    async with openai.AsyncOpenAI(base_url=f"{url}/model/v1", api_key="any", max_retries=0) as client:
        with pytest.raises(openai.APIConnectionError) as raised:
            await client.models.list()
    assert isinstance(raised.value.__cause__, httpx2.ConnectError)


# -- slowness


async def times_of(setup, asked, kind, **fault) -> tuple[float, list[float]]:
    """When the reply began, and when each of its tokens came, in seconds since the request."""
    loop = asyncio.get_running_loop()
    setup.simulator.network.faults.add(Fault(kind=kind, model=asked.model.name, count=1, **fault))
    began_s = loop.time()
    client = openai.AsyncOpenAI(base_url=f"{setup.simulator.base_url}/model/v1", api_key="any", max_retries=0)
    async with client:
        stream = await client.chat.completions.create(
            model=asked.model.name, messages=[{"role": "user", "content": "Hello."}], stream=True
        )
        replied_s = loop.time() - began_s
        return replied_s, [
            loop.time() - began_s async for chunk in stream if chunk.choices and chunk.choices[0].delta.content
        ]


async def test_a_reply_that_begins_late(setup, asked):
    replied_s, (first_s, *_, last_s) = await times_of(setup, asked, FaultKind.MODEL_SLOW, delay_s=1)
    assert replied_s >= 1
    assert last_s - first_s < 0.5


async def test_a_first_token_that_is_late(setup, asked):
    replied_s, (first_s, *_, last_s) = await times_of(setup, asked, FaultKind.MODEL_SLOW_START, delay_s=1)
    assert first_s - replied_s >= 0.9
    assert last_s - first_s < 0.5


async def test_tokens_that_are_slow(setup, asked):
    _, times = await times_of(setup, asked, FaultKind.MODEL_SLOW_TOKENS, delay_s=0.3, after_tokens=2)
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert gaps[0] < 0.2
    assert min(gaps[1:]) > 0.2


async def test_a_stream_that_stalls(setup, asked):
    _, times = await times_of(setup, asked, FaultKind.MODEL_STALLED, delay_s=1, after_tokens=4)
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert gaps[3] > 0.9
    assert sum(gaps) - gaps[3] < 0.5


async def test_whoever_leaves_is_not_told_more(setup, asked, client):
    setup.simulator.network.faults.add(
        Fault(kind=FaultKind.MODEL_STALLED, model=asked.model.name, count=1, delay_s=3600, after_tokens=2)
    )
    stream = await client.chat.completions.create(
        model=asked.model.name, messages=[{"role": "user", "content": "Hello."}], stream=True
    )
    told = ""
    async for chunk in stream:
        told += chunk.choices[0].delta.content or ""
        if told == "Good mornin":
            break
    await stream.close()
    request = setup.simulator.model.asked[-1]
    await request.ended.wait()
    assert not request.whole
    assert "".join(piece for _, piece in request.sent) == told == "Good mornin"


# -- answers that aren't whole


async def test_an_answer_that_is_cut_off_in_due_form(asked):
    chunks = await asked(FaultKind.MODEL_CUT)
    assert text(chunks) == "Good morning"
    assert finish(chunks) is None


async def test_arguments_that_are_cut_off_in_due_form(asked):
    chunks = await asked(FaultKind.MODEL_CUT, "Book it.", after_tokens=7)
    assert text(chunks) == "One moment."
    assert calls(chunks)[0][1:] == ("book", '{"day')


async def test_a_connection_that_breaks_in_the_middle(asked):
    chunks = []
    with pytest.raises(openai.APIConnectionError):
        await asked(FaultKind.MODEL_RESET, into=chunks)
    assert text(chunks) == "Good morning"


async def test_an_error_in_the_middle_of_a_stream(asked):
    chunks = []
    with pytest.raises(openai.APIError) as raised:
        await asked(FaultKind.MODEL_ERROR_IN_STREAM, into=chunks, status=500)
    assert raised.value.code == "server_error"
    assert text(chunks) == "Good morning"


async def test_a_chunk_that_is_no_json(asked):
    chunks = []
    with pytest.raises(json.JSONDecodeError):
        await asked(FaultKind.MODEL_BROKEN_CHUNK, into=chunks)
    assert text(chunks) == "Good morning"


async def test_an_answer_without_end(setup, asked, client):
    setup.simulator.network.faults.add(Fault(kind=FaultKind.MODEL_ENDLESS, model=asked.model.name, count=1))
    stream = await client.chat.completions.create(
        model=asked.model.name, messages=[{"role": "user", "content": "Hello."}], stream=True
    )
    pieces = []
    async with stream:
        async for chunk in stream:
            pieces.append(chunk.choices[0].delta.content or "")
            if len(pieces) == 500:
                break
    assert pieces[-3:] == ["g", "g", "g"]
    request = setup.simulator.model.asked[-1]
    await request.ended.wait()
    assert not request.whole


async def test_a_tools_arguments_without_end(asked, setup, client):
    setup.simulator.network.faults.add(
        Fault(kind=FaultKind.MODEL_ENDLESS, model=asked.model.name, count=1, after_tokens=7)
    )
    arguments = ""
    stream = await client.chat.completions.create(
        model=asked.model.name, messages=[{"role": "user", "content": "Book it."}], tools=TOOLS, stream=True
    )
    async with stream:
        async for chunk in stream:
            arguments += "".join(call.function.arguments for call in chunk.choices[0].delta.tool_calls or ())
            if len(arguments) > 500:
                break
    assert arguments.startswith('{"day')


# -- answers without sense


async def test_nonsense(asked):
    chunks = await asked(FaultKind.MODEL_NONSENSE, "Book it.")
    assert "borogrove" in text(chunks)
    assert (calls(chunks), finish(chunks)) == ([], "stop")


async def test_an_answer_of_nothing(asked):
    chunks = await asked(FaultKind.MODEL_EMPTY, "Book it.")
    assert (text(chunks), calls(chunks), finish(chunks)) == ("", [], "stop")


async def test_a_call_whose_arguments_are_no_json(asked):
    chunks = await asked(FaultKind.MODEL_BROKEN_ARGUMENTS, "Book it.")
    assert calls(chunks)[0][1:] == ("book", '{"day": "')
    assert finish(chunks) == "tool_calls"


async def test_a_call_with_arguments_of_another_tool(asked):
    chunks = await asked(FaultKind.MODEL_WRONG_ARGUMENTS, "Book it.")
    assert json.loads(calls(chunks)[0][2]) == {"colour": ["blue", 7], "": None}


async def test_a_call_of_a_tool_that_there_is_not(asked):
    chunks = await asked(FaultKind.MODEL_UNDECLARED_TOOL, tool="send_money")
    assert [call[1:] for call in calls(chunks)] == [("send_money", "{}")]


async def test_a_call_that_is_written_into_the_text(asked):
    chunks = await asked(FaultKind.MODEL_CALL_AS_TEXT, "Book it.")
    assert text(chunks).startswith("One moment.\n<tool_call>\n{")
    assert calls(chunks) == []


async def test_a_fault_of_a_call_waits_for_one(asked):
    assert text(await asked(FaultKind.MODEL_BROKEN_ARGUMENTS)) == TEXT
    assert calls(await asked(None, "Book it."))[0][2] == '{"day": "'


# -- whatever compatible servers send


async def test_bytes_are_split_in_the_middle_of_a_letter(asked):
    assert text(await asked(FaultKind.MODEL_BYTES_SPLIT)) == TEXT


async def test_comments_between_the_events(asked):
    assert text(await asked(FaultKind.MODEL_COMMENTS)) == TEXT


async def test_chunks_without_choices(asked):
    chunks = await asked(FaultKind.MODEL_NO_CHOICES)
    assert sum(chunk.choices is None for chunk in chunks) > 5
    assert text(chunks) == TEXT


async def test_no_role(asked):
    chunks = await asked(FaultKind.MODEL_NO_ROLE)
    assert all(delta.role is None for delta in deltas(chunks))
    assert text(chunks) == TEXT


async def test_no_reason_why_it_ended(asked):
    chunks = await asked(FaultKind.MODEL_NO_FINISH)
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks if chunk.choices)
    assert text(chunks) == TEXT


async def test_no_done(asked):
    assert text(await asked(FaultKind.MODEL_NO_DONE)) == TEXT


async def test_no_usage(asked):
    assert all(chunk.usage is None for chunk in await asked(FaultKind.MODEL_NO_USAGE))


async def test_a_whole_answer_where_a_stream_was_asked_for(asked):
    assert await asked(FaultKind.MODEL_NOT_STREAMED) == []  # the client finds no event in it


async def test_calls_in_a_chunk_each(asked):
    chunks = await asked(FaultKind.MODEL_CALLS_WHOLE, "Book it.")
    brought = [delta for delta in deltas(chunks) if delta.tool_calls]
    assert len(brought) == 2
    assert chunks[-2].choices[0].finish_reason == "tool_calls"
    assert chunks[-2].choices[0].delta is brought[-1]
    assert json.loads(calls(chunks)[1][2]) == {"text": "wants Tuesday"}


async def test_calls_whose_index_is_always_0(asked):
    [(_, name, _)] = calls(await asked(FaultKind.MODEL_CALLS_UNNUMBERED, "Book it."))
    assert name == "booknote"


async def test_calls_without_ids(asked):
    assert [id_ for id_, _, _ in calls(await asked(FaultKind.MODEL_CALLS_UNNAMED, "Book it."))] == ["", ""]


async def test_stop_although_tools_are_called(asked):
    chunks = await asked(FaultKind.MODEL_STOP_AFTER_CALLS, "Book it.")
    assert finish(chunks) == "stop"
    assert len(calls(chunks)) == 2


# -- narrowed down


@pytest.mark.parametrize(("narrowed", "strikes"), [({"rule": "book"}, False), ({"rule": "talk"}, True)])
async def test_a_fault_may_be_of_one_rule(asked, narrowed, strikes):
    assert (text(await asked(FaultKind.MODEL_EMPTY, **narrowed)) == "") is strikes


async def test_a_fault_may_be_of_one_model(setup, asked):
    setup.simulator.network.faults.add(Fault(kind=FaultKind.MODEL_EMPTY, model="simulated-another"))
    assert text(await asked(None)) == TEXT


FAILING = {"throttled", "out_of_quota", "error", "reset", "cut", "error_in_stream", "broken_chunk"}


@pytest.mark.parametrize("kind", [kind for kind in FaultKind if kind.startswith("model_")])
async def test_whole_answers_have_faults_too(setup, asked, client, kind):
    """Whatever it is, the client sees an answer or an error, and the next request is served."""
    fault = Fault(kind=kind, model=asked.model.name, count=1, delay_s=0.01)
    setup.simulator.network.faults.add(fault)
    create = client.chat.completions.create
    words = {"model": asked.model.name, "messages": [{"role": "user", "content": "Book it."}], "tools": TOOLS}
    if kind.removeprefix("model_") in FAILING:
        with pytest.raises((openai.OpenAIError, json.JSONDecodeError)):
            await create(**words)
    else:
        assert (await create(**words)).choices[0].message.role == "assistant"
    setup.simulator.network.faults.clear()
    assert (await create(**words)).choices[0].message.content == "One moment."
