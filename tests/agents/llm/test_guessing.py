"""Models that are asked before it is sure that the callee has finished."""

import asyncio

import pytest

from agents.llm.test_run import AGENT, GOODBYE, talk, told
from outdial.agents.llm.answering import Answering
from outdial.agents.llm.chat import CalleeSaid, Request
from outdial.agents.llm.parse import parse_llm
from outdial.agents.llm.tools import Wait
from outdial.agents.script.model import ScriptError
from outdial.conversation.transcript import Speaker
from outdial.testing.written_model import After, Fails, WrittenModel, calls

AHEAD = f"{AGENT}\nthink_ahead: true\n"
PRESSES = [calls("send_digits", digits="1"), "Done. Anything else?"]


def first_answer_ms(phone):
    """From the callee's last word to the first one of the agent's."""
    return next(turn.latency["total"] for _, turn in sorted(phone.turns.items()) if turn.latency)


def answer_yes(source, *answers, first_s=0.4):
    model = WrittenModel(answers or ["That is good. Anything else?", GOODBYE], first_s=first_s, tokens=7)

    def callee(phone):
        phone.says("Yes, we are coming.", after="Tuesday")
        phone.says("No.", after="nything else")

    phone, _ = talk([model], callee, source=source)
    return phone, model


def test_a_right_guess_saves_what_the_end_of_the_turn_is_waited_for():
    phone, model = answer_yes(AHEAD)
    plain, _ = answer_yes(AGENT)
    assert phone.lines == plain.lines
    [ahead_ms, _] = [one["ahead_ms"] for one in told(phone, "model")]
    assert ahead_ms == first_answer_ms(plain) - first_answer_ms(phone) == 320
    assert [one["ahead_ms"] for one in told(plain, "model")] == [0, 0]
    assert len(model.asked) == 2
    assert told(phone, "guess_dropped") == []
    first = told(phone, "turn_times")[0]
    assert first["first_token_ms"] < first["decided_ms"] + 400


@pytest.mark.parametrize("slow_s", [0.0, 5.0])
def test_a_wrong_guess_is_dropped_unheard_and_what_it_cost_is_told(slow_s):
    wrong = [After(slow_s), "Never said."]
    model = WrittenModel([wrong, "So Wednesday it is. Anything else?", GOODBYE], first_s=0.01, word_s=0.01, tokens=7)
    phone, _ = talk([model], pauses, source=AHEAD)
    assert not any("Never" in line for line in phone.lines)
    [dropped] = told(phone, "guess_dropped")
    assert dropped["model"] == "written"
    if slow_s:
        assert 200 < dropped["tokens"] < 1000, "what the model read is estimated: it was cut short"
    else:
        assert dropped["tokens"] == 7
    assert model.asked[1].messages[-1] == CalleeSaid("Yes, on Tuesday. No, sorry, on Wednesday.")
    assert model.running == 0


def pauses(phone):
    """Goes on after a pause, in which the model was asked."""
    phone.says("Yes, on Tuesday.", after="Tuesday")
    phone._loop.create_task(goes_on(phone, "No, sorry, on Wednesday."))
    phone.says("No.", after="nything else")


async def goes_on(phone, words):
    while not phone._recogniser.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    phone._say(words, None)


def test_nothing_is_done_on_a_guess():
    model = WrittenModel([[*PRESSES], PRESSES, GOODBYE], first_s=0.0, word_s=0.0)
    phone, _ = talk([model], pauses, source=AHEAD)
    assert len(told(phone, "guess_dropped")) == 1
    assert len(told(phone, "digits_sent")) == 1
    assert [one["tool"] for one in told(phone, "tool")] == ["send_digits", "hang_up"]


@pytest.mark.parametrize("answer", [PRESSES, ""])
async def test_no_tool_is_read_and_no_model_asked_again_before_a_guess_is_confirmed(answer):
    """A tool that answers is asked when it is read: also that happens only then."""
    read = []
    model = WrittenModel([answer, "Fine."], first_s=0.0, word_s=0.0)
    request = Request(instructions="", messages=(CalleeSaid("Yes."),))
    answering = Answering([model], request, lambda call: read.append(call.tool) or Wait(), confirmed=False)
    await asyncio.sleep(0.05)
    assert (read, len(model.asked)) == ([], 1)
    answering.confirm()
    await answering.whole()
    assert (read, len(model.asked)) == ((["send_digits"], 1) if answer else ([], 2))


def test_what_a_right_guess_wants_is_done_once():
    phone, _ = answer_yes(AHEAD, PRESSES, GOODBYE)
    assert len(told(phone, "digits_sent")) == 1
    decided_ms = told(phone, "turn_times")[0]["decided_ms"]
    pressed = [turn for turn in phone.turns.values() if turn.speaker == Speaker.AGENT and "Done" in turn.text]
    assert pressed[0].start_ms > decided_ms


def test_a_guess_that_fails_is_asked_anew():
    phone, model = answer_yes(AHEAD, [Fails()], [Fails()], "That is good. Anything else?", GOODBYE, first_s=0.1)
    assert "agent: That is good. Anything else?" in phone.lines
    assert len(model.asked) == 4


def test_no_model_is_asked_for_words_that_are_bound_to_go_on_or_want_no_more_calls():
    model = WrittenModel(["Fine. Anything else?", GOODBYE])

    def callee(phone):
        phone.says("My number is", after="Tuesday")
        phone.says("Please stop calling me.", after="nything else")

    phone, _ = talk([model], callee, source=AHEAD)
    assert [one["ahead_ms"] for one in told(phone, "model")] == [0]
    assert told(phone, "guess_dropped") == []
    assert len(model.asked) == 1


def test_a_guess_ends_with_the_call():
    model = WrittenModel([[After(9.0), "Never said."]])

    def callee(phone):
        phone.says("Yes.", after="Tuesday")
        phone.hangs_up(after="Tuesday", over=True, pause_s=7.0)

    talk([model], callee, source=AHEAD)
    assert model.running == 0


def test_an_agent_thinks_ahead_when_its_author_says_so():
    assert parse_llm(AHEAD).think_ahead
    assert not parse_llm(AGENT).think_ahead
    with pytest.raises(ScriptError, match="think_ahead is true or false"):
        parse_llm(f"{AGENT}\nthink_ahead: often\n")
