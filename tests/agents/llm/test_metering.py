"""What answers of models cost, also those that are cut off, and the limit of the workspace on a call."""

import asyncio
from contextlib import aclosing
from math import nan

import pytest

from agents.llm.test_run import AGENT, talk, told
from outdial.agents.in_use import WITH_MODEL
from outdial.agents.kinds import KINDS, kind_of
from outdial.agents.llm.chat import CalleeSaid, ModelFailed, Request, Usage, Words
from outdial.agents.llm.chat_server import ChatServerModel
from outdial.agents.llm.metering import Metered, SpendLimitPassed, measured
from outdial.telephony.state import EndedBy
from outdial.testing.virtual_time import run
from outdial.testing.written_model import After, Fails, WrittenModel, calls

REQUEST = Request(instructions="Be brief. " * 40, messages=(CalleeSaid("Hello."),))


class Meter:
    def __init__(self, most: int = 1_000_000) -> None:
        self.used: list[Usage] = []
        self.most = most

    @property
    def is_passed(self) -> bool:
        return sum(usage.tokens for usage in self.used) >= self.most

    def add(self, usage: Usage) -> None:
        self.used.append(usage)


class Dear(WrittenModel):
    def price(self, sent: int, received: int) -> float:
        return sent * 0.001 + received * 0.01


async def read(model, most=None):
    counted, words = [], 0
    async with aclosing(measured(model, REQUEST, counted.append)) as pieces:
        async for piece in pieces:
            words += isinstance(piece, Words)
            if words == most:
                break
    return counted


def test_what_a_model_tells_is_what_counts():
    assert run(read(WrittenModel(["One two three."], tokens=70))) == [Usage(tokens=70)]


def test_an_answer_that_is_cut_off_is_estimated_with_its_price():
    [usage] = run(read(Dear(["One two three four five six."]), most=3))
    assert usage.estimated
    assert 100 < usage.tokens < 200  # 400 characters of instructions, as JSON, and three words
    assert usage.dollars == pytest.approx((usage.tokens - 4) * 0.001 + 4 * 0.01, rel=0.05)
    [unpriced] = run(read(WrittenModel(["One two three four five six."]), most=3))
    assert (unpriced.tokens, unpriced.dollars) == (usage.tokens, None)


@pytest.mark.parametrize(
    "told", [{"tokens": -1_000_000}, {"tokens": 2**63}, {"tokens": 5, "dollars": -3.0}, {"tokens": 5, "dollars": nan}]
)
def test_what_can_not_be_is_estimated(told):
    class Wrong(WrittenModel):
        async def ask(self, request):
            yield Words("One two three.")
            yield Usage(**told)

    [usage] = run(read(Wrong([])))
    assert usage.estimated
    assert 100 < usage.tokens < 200


def test_a_model_that_refuses_costs_nothing_and_one_that_breaks_off_does():
    async def failing(answer):
        counted = []
        with pytest.raises(ModelFailed):
            async for _ in measured(WrittenModel([answer]), REQUEST, counted.append):
                pass
        return counted

    assert run(failing([Fails("rate_limit_exceeded (HTTP 429)")])) == []
    [usage] = run(failing(["Well, I", Fails("broken")]))
    assert usage.estimated


def test_who_waits_no_longer_for_the_first_word_has_paid_for_the_question():
    async def cancelled():
        counted = []

        async def ask():
            async for _ in measured(WrittenModel(["Hello."], first_s=9), REQUEST, counted.append):
                pass

        task = asyncio.create_task(ask())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait({task})
        return counted

    [usage] = run(cancelled())
    assert usage.estimated


def test_a_vendors_price_is_known_for_an_estimate():
    model = ChatServerModel("gpt-4.1-mini", "https://api.openai.com/v1", "a key")
    assert model.price(1_000_000, 0) == pytest.approx(0.4, rel=0.5)
    own = ChatServerModel("a-model-of-ones-own", "http://127.0.0.1:1/v1", "a key")
    assert own.price(1_000_000, 0) is None


def test_an_interrupted_answer_counts_for_the_call_and_for_the_workspace():
    meter = Meter()
    slow = ["You will see the doctor first, and that will take a while. Then", After(2.8), "you", After(2.8), "go."]
    model = Metered(WrittenModel([slow, "Fine."], tokens=500), meter)

    def callee(phone):
        phone.says("Yes.", after="Tuesday")
        phone.says("How long does all of that take?", after="You will see", over=True, pause_s=1.0)
        phone.hangs_up(after="Fine")

    phone, _ = talk([model], callee)
    cut, whole = meter.used
    assert (cut.estimated, whole) == (True, Usage(tokens=500, dollars=None))
    first = told(phone, "model")[0]
    assert first["tokens"] == first["estimated_tokens"] == cut.tokens


def test_a_call_that_passes_the_workspaces_limit_ends_with_a_sentence():
    meter = Meter(most=900)
    written = WrittenModel(["One.", "Two.", "Three."], tokens=500)

    def callee(phone):
        for after in ("Tuesday", "One", "Two"):
            phone.says("Go on please, what else is there?", after=after)

    phone, end = talk([Metered(written, meter)], callee)
    assert len(written.asked) == 2
    assert told(phone, "agent_limit") == [{"limit": "spend_limit"}]
    assert end.ended_by is EndedBy.AGENT
    assert end.ending.error is None
    assert phone.lines[-1] == "agent: I'm sorry, I have to end this call now. Goodbye."


def test_a_limit_that_is_reached_in_the_middle_of_a_turn_ends_the_call_with_the_same_sentence():
    meter = Meter(most=400)
    # The first response wants what isn't possible, so the model is asked once more in the same turn.
    written = WrittenModel([[calls("send_digits", digits="no digits")], "Never asked for."], tokens=500)
    phone, end = talk([Metered(written, meter)], lambda phone: phone.says("Yes.", after="Tuesday"))
    assert len(written.asked) == 1
    assert told(phone, "agent_limit") == [{"limit": "spend_limit"}]
    assert end.ending.error is None


def test_beyond_the_limit_no_model_is_asked():
    async def ask():
        written = WrittenModel(["Hello."])
        with pytest.raises(SpendLimitPassed):
            async for _ in Metered(written, Meter(most=0)).ask(REQUEST):
                pass
        return written.asked

    assert run(ask()) == []


def test_the_kind_that_is_not_dialled_without_money_is_the_one_that_can_not_talk_without_a_model():
    assert kind_of(AGENT) in WITH_MODEL
    assert set(WITH_MODEL) <= KINDS.keys()
