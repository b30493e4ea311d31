"""What mustn't be lost or go on for ever when a model, its vendor's library or the callee does what nobody expects."""

import pytest

from agents.llm.test_run import AGENT, GOODBYE, talk, told
from outdial.agents.llm.chat import CalleeSaid, ModelFailed, Request
from outdial.agents.llm.definition import ModelName
from outdial.agents.llm.vendors import ModelServers, VendorModel
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import EndedBy
from outdial.testing.written_model import WrittenModel, calls


class Breaks(WrittenModel):
    """With what no contract of a model's names."""

    async def ask(self, request):
        self.asked.append(request)
        raise KeyError("choices")
        yield


def test_whatever_a_model_raises_its_fallback_answers():
    second = WrittenModel(["That is fine. Anything else?", GOODBYE])

    def callee(phone):
        phone.says("Yes.", after="Tuesday")
        phone.says("No.", after="Anything else")

    phone, end = talk([Breaks(name="first"), second], callee)
    assert "agent: That is fine. Anything else?" in phone.lines
    assert end.error is None
    assert told(phone, "model_failed") == [{"model": "first", "error": "KeyError"}]


def test_whatever_a_model_raises_the_callee_hears_an_apology():
    phone, end = talk([Breaks()], lambda phone: phone.says("Yes.", after="Tuesday"))
    assert phone.lines[-1].startswith("agent: I'm sorry, something isn't working here")
    assert end.error is not None
    assert (end.error.code, end.error.message) == (FailureCode.AGENT_FAILED, "The agent's model failed: KeyError.")


def test_whatever_goes_wrong_with_an_answer_the_callee_hears_an_apology(monkeypatch):
    def breaks(call, agent):
        raise AttributeError("parts")

    monkeypatch.setattr("outdial.agents.llm.run.wish_of", breaks)
    phone, end = talk([WrittenModel([GOODBYE])], lambda phone: phone.says("Yes.", after="Tuesday"))
    assert phone.lines[-1].startswith("agent: I'm sorry, something isn't working here")
    assert end.error is not None
    assert end.error.message == "The agent's model failed: AttributeError."


async def test_whatever_a_vendors_library_raises_is_a_failure_of_the_model(monkeypatch):
    async def pieces(self, request):
        raise KeyError("choices")
        yield

    servers = ModelServers({"http://127.0.0.1:9/v1": ""})
    [model] = servers.open([ModelName(name="m", base_url="http://127.0.0.1:9/v1")])
    monkeypatch.setattr(VendorModel, "_pieces", pieces)
    with pytest.raises(ModelFailed, match="KeyError"):
        [_ async for _ in model.ask(Request(instructions="", messages=(CalleeSaid("Hello"),)))]
    await servers.aclose()


async def test_a_model_that_a_vendors_library_cannot_open_is_one_that_fails(monkeypatch):
    def breaks(*given):
        raise TypeError("no such option")

    monkeypatch.setattr("outdial.agents.llm.vendors._chat_model", breaks)
    servers = ModelServers({"http://127.0.0.1:9/v1": ""})
    [model] = servers.open([ModelName(name="m", base_url="http://127.0.0.1:9/v1")])
    with pytest.raises(ModelFailed):
        [_ async for _ in model.ask(Request(instructions="", messages=(CalleeSaid("Hello"),)))]


def test_who_picks_up_wanting_no_more_calls_gets_none():
    model = WrittenModel([])
    phone, _ = talk([model], lambda phone: phone.greets("Stop calling me!"))
    assert phone.noted == {"do_not_call": True}
    assert phone.lines[1:] == ["agent: I'm sorry for the disturbance. You won't get another call from us. Goodbye."]
    assert model.asked == []


@pytest.mark.parametrize("greeting", [True, False])
def test_the_model_knows_what_the_callee_said_on_picking_up(greeting):
    model = WrittenModel(["I see. Are you coming on Tuesday? ", GOODBYE, GOODBYE])
    source = AGENT if greeting else "\n".join(line for line in AGENT.splitlines() if "greeting" not in line)

    def callee(phone):
        phone.greets("Jane is not here, who is this?")
        phone.says("Yes.", after="Tuesday")

    phone, _ = talk([model], callee, source=source)
    told_first = next(one for one in model.asked[0].messages if isinstance(one, CalleeSaid))
    assert told_first == CalleeSaid("Jane is not here, who is this?")
    assert phone.lines[0] == "callee: Jane is not here, who is this?"


LONG = "You will see the doctor first, and then you will see the nurse, who takes a sample of your blood."


def test_what_the_model_noted_is_kept_when_the_callee_hangs_up_during_the_reply():
    wishes = [calls("note", party_size=3), calls("hang_up", goodbye="", outcome="declined"), calls("do_not_call")]
    model = WrittenModel([[LONG, *wishes]])

    def callee(phone):
        phone.says("No.", after="Tuesday")
        phone.hangs_up(after="You will see", over=True, pause_s=1.5)

    phone, end = talk([model], callee)
    assert end.ended_by is EndedBy.CALLEE
    assert phone.noted == {"party_size": 3, "outcome": "declined", "do_not_call": True}
    assert [one["done"] for one in told(phone, "tool")] == [True, False, False]


def test_that_no_more_calls_are_wanted_is_kept_when_the_callee_interrupts():
    model = WrittenModel([[LONG, calls("do_not_call")], GOODBYE])

    def callee(phone):
        phone.says("Leave this family in peace for good.", after="Tuesday")
        phone.says("I have a question about the bill.", after="You will see", over=True, pause_s=1.5)

    phone, _ = talk([model], callee)
    assert phone.noted == {"do_not_call": True, "outcome": "confirmed"}


def test_what_the_model_notes_after_it_has_hung_up_is_kept():
    model = WrittenModel([[*GOODBYE, calls("note", party_size=3)]])
    phone, _ = talk([model], lambda phone: phone.says("Yes, three of us.", after="Tuesday"))
    assert phone.noted == {"party_size": 3, "outcome": "confirmed"}
