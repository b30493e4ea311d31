"""Conversations that a model leads, on a phone in memory."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from outdial.agents.llm.chat import AgentSaid, CalleeSaid, Model, Remark, ToolAnswer, ToolCall
from outdial.agents.llm.history import forget_answered, tell
from outdial.conversation.commands import Whisper
from outdial.conversation.session_end import SessionEnd
from outdial.telephony.failures import FailureCode
from outdial.telephony.state import EndedBy, EndReason
from outdial.telephony.transfer import TransferOutcome
from outdial.testing.phone import Phone
from outdial.testing.virtual_time import run
from outdial.testing.written_model import After, Fails, WrittenModel, calls

AGENT = """
agent: {name: Reminder}
model: some-model
greeting: Hello {user_name|there}, this is Meadow Dental. Are you coming on Tuesday?
instructions: |
  Remind {user_name} of the appointment.
outcomes:
  confirmed: The callee comes.
  declined: The callee doesn't come.
facts:
  party_size: {about: How many come, type: integer}
tools: [send_digits, wait]
transfers:
  desk: {to: "+12025550177", about: the front desk, say: I'm connecting you.}
"""
GOODBYE = [calls("hang_up", goodbye="Goodbye!", outcome="confirmed")]


def talk(
    models: Sequence[Model], callee: Callable[[Phone], object], *, source: str = AGENT, **given: object
) -> tuple[Phone, SessionEnd]:
    """`callee` writes down what the callee does."""

    async def call() -> tuple[Phone, SessionEnd]:
        phone = Phone(source, models=models, variables=given)
        callee(phone)
        return phone, await phone.talk()

    return run(call())


def told(phone: Phone, type_: str) -> list[dict]:
    return [data for one, data in phone.events if one == type_]


def test_a_conversation_from_greeting_to_goodbye():
    model = WrittenModel([
        "Wonderful. We look forward to seeing you then. Is there anything else?",
        [calls("hang_up", goodbye="Goodbye, Jane!", outcome="confirmed")],
    ])  # fmt: skip

    def callee(phone):
        phone.says("Yes, I am.", after="Tuesday")
        phone.says("No, thank you.", after="anything else")

    phone, end = talk([model], callee, user_name="Jane")
    assert phone.lines == [
        "agent: Hello Jane, this is Meadow Dental. Are you coming on Tuesday?",
        "callee: Yes, I am.",
        "agent: Wonderful. We look forward to seeing you then. Is there anything else?",
        "callee: No, thank you.",
        "agent: Goodbye, Jane!",
    ]
    assert (end.end_reason, end.ended_by, end.error) == (EndReason.COMPLETED, EndedBy.AGENT, None)
    assert phone.noted == {"outcome": "confirmed"}
    assert model.warmed_up == 1
    assert model.running == 0
    first, second = model.asked
    assert first.messages == (AgentSaid(phone.lines[0].removeprefix("agent: ")), CalleeSaid("Yes, I am."))
    assert second.messages[-1] == CalleeSaid("No, thank you.")
    assert told(phone, "tool") == [{"tool": "hang_up", "arguments": {"outcome": "confirmed"}, "done": True}]


def test_the_first_sentence_is_spoken_while_the_model_goes_on():
    slow = ["That is good to hear.", After(2.0), " Please bring your card along."]
    model = WrittenModel([slow, GOODBYE], first_s=0.3)

    def callee(phone):
        phone.says("Yes.", after="Tuesday")
        phone.says("All right.", after="card")

    phone, _ = talk([model], callee)
    yes, answer = (turn for _, turn in sorted(phone.turns.items()) if turn.text in ("Yes.",) or "good" in turn.text)
    # Before the pause in the model's answer: 0.5 s of silence decide the turn, then 0.3 s and five words.
    assert answer.start_ms - yes.end_ms < 2000
    assert answer.text == "That is good to hear. Please bring your card along."


def test_the_history_holds_what_was_heard():
    long = "You will see the doctor first. Then you will see the nurse, who takes a sample. Then you can go home."
    model = WrittenModel([long, GOODBYE])

    def callee(phone):
        phone.says("Yes.", after="Tuesday")
        phone.says("How long does all of that take?", after="You will see", over=True, pause_s=4.0)

    phone, _ = talk([model], callee)
    [heard] = phone.interrupted
    assert 0 < len(heard) < len(long)
    assert long.startswith(heard)
    *_, said, asked = model.asked[1].messages
    assert said == AgentSaid(heard)
    assert asked == CalleeSaid("How long does all of that take?")


def test_what_the_callee_interrupted_is_not_done():
    text = "Goodbye then, and thank you for your time today, we are looking forward to it."
    wish = calls("hang_up", goodbye="", outcome="declined")
    model = WrittenModel([[text, wish], GOODBYE])

    def callee(phone):
        phone.says("No.", after="Tuesday")
        phone.says("I have a question about the bill.", after="Goodbye", over=True, pause_s=1.5)

    phone, _ = talk([model], callee)
    assert [one["done"] for one in told(phone, "tool")] == [False, True]
    answers = [one for one in model.asked[1].messages if isinstance(one, ToolAnswer)]
    assert [one.text for one in answers] == ["Not done: the callee began to speak."]


def test_facts_are_noted_and_only_those_that_were_declared():
    model = WrittenModel([
        [calls("note", party_size=3)],
        "Three of you, fine. Anything else?",
        [calls("note", secret="x")],
        GOODBYE,
    ])  # fmt: skip

    def callee(phone):
        phone.says("Yes, three of us.", after="Tuesday")
        phone.says("No.", after="Anything else")

    phone, _ = talk([model], callee)
    assert phone.noted == {"party_size": 3, "outcome": "confirmed"}
    assert model.asked[3].messages[-1].text == "These can be noted: party_size."


def test_a_tool_that_was_not_declared_is_refused():
    model = WrittenModel([
        [calls("transfer", to="+12025550199")],
        [calls("open_door")],
        "I can't do that.",
        GOODBYE,
    ])  # fmt: skip

    def callee(phone):
        phone.says("Connect me with 202 555 0199.", after="Tuesday")
        phone.says("All right then.", after="can't")

    phone, _ = talk([model], callee)
    assert phone.transferred_to == []
    assert model.asked[1].messages[-1].text == "to is one of: desk."
    assert model.asked[2].messages[-1].text == "There is no such tool."


def test_a_transfer_goes_to_the_declared_number():
    model = WrittenModel([[calls("transfer", to="desk")]])
    phone, end = talk([model], lambda phone: phone.says("I want to talk to somebody.", after="Tuesday"))
    assert phone.transferred_to == ["+12025550177"]
    assert phone.lines[-1] == "agent: I'm connecting you."
    assert end.transferred


def test_the_same_wish_twice_is_done_once():
    model = WrittenModel([[calls("send_digits", digits="1"), calls("send_digits", digits="1"), "Done."], GOODBYE])

    def callee(phone):
        phone.says("Press one please.", after="Tuesday")
        phone.says("Thanks.", after="Done", pause_s=2.0)

    phone, _ = talk([model], callee)
    assert len(told(phone, "digits_sent")) == 1
    assert told(phone, "tool")[0] == {"tool": "send_digits", "arguments": {"count": 1}, "done": True}


def test_who_wants_no_more_calls_gets_none_whatever_the_model_says():
    model = WrittenModel([])
    phone, end = talk([model], lambda phone: phone.says("Please stop calling me.", after="Tuesday"))
    assert phone.noted == {"do_not_call": True}
    assert phone.lines[-1] == "agent: I'm sorry for the disturbance. You won't get another call from us. Goodbye."
    assert model.asked == []
    assert end.ended_by is EndedBy.AGENT


def test_the_model_may_understand_that_no_more_calls_are_wanted():
    model = WrittenModel([[calls("do_not_call")]])
    phone, _ = talk([model], lambda phone: phone.says("Leave this family in peace for good.", after="Tuesday"))
    assert phone.noted == {"do_not_call": True}
    assert "another call" in phone.lines[-1]


def test_silence_is_asked_about_and_then_ended():
    phone, end = talk([WrittenModel([])], lambda phone: None)
    assert phone.lines[1:] == [
        "agent: Are you still there?",
        "agent: I'm sorry, I can't hear you. Goodbye.",
    ]
    assert end.ended_by is EndedBy.AGENT


def test_a_slow_model_is_filled_in_for():
    model = WrittenModel(["Here I am again, sorry for that.", GOODBYE], first_s=7.0)

    def callee(phone):
        phone.says("Yes.", after="Tuesday")
        phone.says("Fine.", after="Here I am")

    phone, _ = talk([model], callee)
    spoken = [turn for _, turn in sorted(phone.turns.items())]
    fillers = [turn for turn in spoken if turn.text == "One moment, please."]
    assert len(fillers) >= 2
    ends = [turn.end_ms for turn in spoken]
    gaps = [after.start_ms - before for before, after in zip(ends, spoken[1:], strict=False)]
    assert max(gaps[1:]) < 4000


def test_who_speaks_into_the_waiting_is_heard():
    model = WrittenModel([(After(7.0), "Five it is."), "Seven it is. Anything else?", GOODBYE])

    def callee(phone):
        phone.says("Yes, at five.", after="Tuesday")
        phone.says("No, sorry, I mean seven o'clock.", after="One moment", pause_s=0.1, over=True)
        phone.says("No.", after="Anything else")

    phone, _ = talk([model], callee)
    assert phone.noted == {"outcome": "confirmed"}
    assert "agent: Five it is." not in phone.lines
    assert model.running == 0


@pytest.mark.parametrize("failing", [[Fails()], [After(9.0)], ["Well, I"  , Fails("rate_limit_exceeded (HTTP 429)")]])
def test_where_a_model_fails_its_fallback_answers(failing):
    first = WrittenModel([failing, "Never asked again."], name="first")
    second = WrittenModel(["That is fine. Anything else?", GOODBYE], name="second")

    def callee(phone):
        phone.says("Yes.", after="Tuesday")
        phone.says("No.", after="Anything else")

    phone, end = talk([first, second], callee)
    assert "agent: That is fine. Anything else?" in phone.lines
    assert end.error is None
    assert len(first.asked) == 1, "the one that answered is asked first from now on"
    assert len(told(phone, "model_failed")) == 1


def test_a_model_that_breaks_off_is_gone_on_with():
    first = WrittenModel([["You can park behind the house. There is", Fails()]], name="first")
    second = WrittenModel(["It costs nothing. Anything else?", GOODBYE], name="second")

    def callee(phone):
        phone.says("Where can I park?", after="Tuesday")
        phone.says("No.", after="Anything else")

    phone, _ = talk([first, second], callee)
    assert phone.lines[2] == "agent: You can park behind the house. It costs nothing. Anything else?"
    said, remark = second.asked[0].messages[-2:]
    assert said == AgentSaid("You can park behind the house.")
    assert isinstance(remark, Remark)


def test_where_no_model_answers_the_callee_hears_so_and_the_record_says_why():
    models = [WrittenModel([[Fails("insufficient_quota (HTTP 429)")]], name=name) for name in ("a", "b")]
    phone, end = talk(models, lambda phone: phone.says("Yes.", after="Tuesday"))
    assert phone.lines[-1] == "agent: I'm sorry, something isn't working here, and I have to end this call. Goodbye."
    assert end.end_reason is EndReason.FAILED
    assert end.error is not None
    assert end.error.code is FailureCode.AGENT_FAILED
    assert end.error.message == "The agent's model failed: insufficient_quota (HTTP 429)."
    assert [one["model"] for one in told(phone, "model_failed")] == ["a", "b"]


@pytest.mark.parametrize(("limit", "turns"), [("turns: 2", 2), ("tokens: 100", 2)])
def test_limits_end_the_call_with_a_sentence(limit, turns):
    model = WrittenModel(["What else?"] * 5, tokens=60)

    def callee(phone):
        phone.says("Yes.", after="Tuesday")
        for _ in range(4):
            phone.says("And something else.", after="What else")

    phone, _ = talk([model], callee, source=f"{AGENT}limits: {{{limit}}}\n")
    assert len(model.asked) == turns
    assert phone.lines[-1] == "agent: I'm sorry, I have to end this call now. Goodbye."
    assert told(phone, "agent_limit") == [{"limit": limit.partition(":")[0]}]


def test_without_a_greeting_the_model_begins():
    source = "\n".join(line for line in AGENT.splitlines() if not line.startswith("greeting"))
    model = WrittenModel(["Good morning, this is Meadow Dental.", GOODBYE])
    phone, _ = talk([model], lambda phone: phone.says("Hello.", after="Meadow"), source=source)
    assert phone.lines[0] == "agent: Good morning, this is Meadow Dental."


def test_nothing_of_a_call_is_left_when_the_callee_hangs_up_in_the_middle():
    model = WrittenModel([["First of all, let me tell you.", After(30.0)]])

    def callee(phone):
        phone.says("Yes.", after="Tuesday")
        phone.hangs_up(after="First", over=True, pause_s=1.0)

    _, end = talk([model], callee)
    assert end.ended_by is EndedBy.CALLEE
    assert model.running == 0


@pytest.mark.parametrize("settled", [True, False])
def test_the_first_sentence_is_spoken_within_60_ms_of_the_token_that_ends_it(settled):
    # The last token of "That is good to hear." comes 0.3 s and five words of 0.1 s after the model was asked; then
    # nothing for two seconds, or the next word.
    rest = [After(2.0), " Is there anything else?"] if settled else [" Is there anything else?"]
    model = WrittenModel([["That is good to hear.", *rest], GOODBYE], first_s=0.3, word_s=0.1)

    def callee(phone):
        phone.says("Yes, I am coming.", after="Tuesday")
        phone.says("No.", after="anything else")

    phone, _ = talk([model], callee)
    [first, _] = told(phone, "model")
    ended_ms = 300 + 5 * 100
    assert first["first_word_ms"] == 400
    # Where a next word comes it tells that the sentence is whole; it was 100 ms later.
    assert first["first_sentence_ms"] - ended_ms <= 60
    answer = next(turn for turn in phone.turns.values() if "good" in turn.text)
    steps = answer.latency
    synthesis_ms = 30 + 20  # the engine's first piece, and the frame that begins with it
    assert steps["decision"] + steps["synthesis"] - ended_ms <= 60 + synthesis_ms


FAULTS = {
    "refused": [Fails("rate_limit_exceeded (HTTP 429)")],
    "slow": [After(6.0), "Fine. Anything else?"],
    "hangs": [After(60.0)],
    "cut in a word": ["Fi", Fails("cut")],
    "cut after a sentence": ["Fine, I wrote that down. Any", Fails("cut")],
    "hangs in the middle": ["Fine, I wrote that down. Any", After(60.0)],
    "no words": [""],
    "broken arguments": [ToolCall("", "hang_up", '{"goodbye": "Bye'), "Anything else?"],
    "only tools": [calls("note", party_size=1)],
}


@pytest.mark.parametrize("models", [1, 2])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("turn", [0, 1])
def test_no_fault_of_a_model_leaves_the_callee_in_silence_or_anything_behind(fault, turn, models):
    answers = ["Nice. Anything else?"] * 2
    answers[turn] = FAULTS[fault]
    first = WrittenModel([*answers, *["Anything else?"] * 3, GOODBYE], name="first")
    second = WrittenModel(["Good. Anything else?", "Well. Anything else?", GOODBYE, GOODBYE], name="second")
    used = [first, second][:models]

    def callee(phone):
        phone.says("Yes.", after="Tuesday")
        for _ in range(6):
            phone.says("And one thing more.", after="else?")

    phone, end = talk(used, callee)
    spoken = [turn for _, turn in sorted(phone.turns.items())]
    silences = [after.start_ms - before.end_ms for before, after in pairwise(spoken)]
    assert max(silences) < 4000
    assert end.error is None or end.error.code is FailureCode.AGENT_FAILED
    assert sum(model.running for model in used) == 0


def test_a_goodbye_that_is_interrupted_ends_nothing():
    goodbye = "Thank you very much for your time, and goodbye until we see you on Tuesday."
    model = WrittenModel([
        [calls("hang_up", goodbye=goodbye, outcome="confirmed")],
        "At nine. Anything else?",
        [calls("hang_up", goodbye="Goodbye!", outcome="confirmed")],
    ])  # fmt: skip

    def callee(phone):
        phone.says("Yes.", after="Tuesday")
        phone.says("At what time was that again?", after="Thank you", over=True, pause_s=1.5)
        phone.says("No.", after="Anything else")

    phone, end = talk([model], callee)
    [heard] = phone.interrupted
    assert goodbye.startswith(heard)
    assert phone.lines[-1] == "agent: Goodbye!"
    assert end.ended_by is EndedBy.AGENT
    *_, said, remark, asked = model.asked[1].messages
    assert said == AgentSaid(heard)
    assert isinstance(remark, Remark)
    assert asked == CalleeSaid("At what time was that again?")


def test_a_question_into_the_goodbye_is_answered():
    model = WrittenModel([GOODBYE, "At nine.", GOODBYE])

    def callee(phone):
        phone.says("Yes.", after="Tuesday")
        phone.says("Wait, what time was it?", after="Goodbye")
        phone.says("Thank you.", after="At nine")

    phone, _ = talk([model], callee)
    assert "agent: At nine." in phone.lines


def test_a_callee_who_goes_on_with_an_answer_is_answered_once_with_all_of_it():
    model = WrittenModel(["Friday then.", "Seven on Friday, all right. Anything else?", GOODBYE], first_s=0.05)

    def callee(phone):
        phone.says("I would like to come on Friday", after="Tuesday")
        phone.says("at seven o'clock in the evening if that is possible.", after="Friday then", over=True, pause_s=0.1)
        phone.says("No.", after="Anything else")

    phone, _ = talk([model], callee)
    callee_said = [one.text for one in model.asked[1].messages if isinstance(one, CalleeSaid)]
    assert callee_said == ["I would like to come on Friday at seven o'clock in the evening if that is possible."]
    assert not any(isinstance(one, AgentSaid) and "Friday then" in one.text for one in model.asked[1].messages)
    assert phone.noted == {"outcome": "confirmed"}


def whispering(text: str, *, after: str, at_s: float = 0.3) -> Callable[[Phone], list]:
    """Somebody who listens whispers once the agent has said something."""
    tasks = []

    async def whisper(phone: Phone) -> None:
        while not any(after in turn.text for turn in phone.turns.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        await asyncio.sleep(at_s)
        await phone._session.carry_out(Whisper(text=text))

    def begin(phone: Phone) -> list:
        tasks.append(asyncio.get_running_loop().create_task(whisper(phone)))
        return tasks

    return begin


def test_a_whisper_is_an_instruction_for_the_next_turn_and_nobody_hears_it():
    model = WrittenModel(["Good news: there is ten percent off today.", GOODBYE])
    whisper = whispering("Offer her 'ten' percent off.", after="Meadow Dental")

    def callee(phone):
        whisper(phone)
        phone.says("I am, but it is expensive.", after="Tuesday")
        phone.says("Thank you, goodbye.", after="ten percent")

    phone, end = talk([model], callee)
    assert end.end_reason is EndReason.COMPLETED
    remarks = [message for message in model.asked[0].messages if isinstance(message, Remark)]
    assert any("Offer her 'ten' percent off." in remark.text for remark in remarks)
    assert isinstance(model.asked[0].messages[-1], CalleeSaid)
    again = [message for message in model.asked[1].messages if isinstance(message, Remark)]
    assert again == remarks  # it knows it further on, and isn't told twice
    assert not any("Offer her" in line for line in phone.lines)
    assert told(phone, "whispered") == [{"chars": 28}]


def test_a_whisper_comes_before_what_the_callee_takes_back():
    history = [AgentSaid("Hello."), CalleeSaid("I am"), CalleeSaid("not sure")]
    tell(history, ["Be brief.", "She is a vip."])
    forget_answered(history)
    assert history[0] == AgentSaid("Hello.")
    assert [type(message) for message in history[1:]] == [Remark, Remark]
    assert "Be brief." in history[1].text


# -- warm transfers --------------------------------------------------------------------------------------------


WANTS_SOMEBODY = "I want to talk to somebody."
BRIEF = "'Somebody for {user_name}.'"


def asking_first(warm: str) -> str:
    return AGENT.replace("say: I'm connecting you.", f"warm: {warm}")


def test_who_is_asked_first_hears_what_the_model_says_of_the_call():
    model = WrittenModel([[calls("transfer", to="desk", brief="Jane wants  another day.")]])
    callee = lambda phone: phone.says(WANTS_SOMEBODY, after="Tuesday")  # noqa: E731
    phone, end = talk([model], callee, source=asking_first("true"))
    assert phone.asked == [("+12025550177", "Jane wants another day.")]
    assert (end.transferred, phone.transferred_to) == (True, [])
    [transfer] = [tool for tool in model.asked[0].tools if tool.name == "transfer"]
    assert "one to three spoken sentences" in transfer.parameters["properties"]["brief"]["description"]


def test_a_brief_of_the_authors_is_not_the_models_to_write():
    model = WrittenModel([[calls("transfer", to="desk")]])
    callee = lambda phone: phone.says(WANTS_SOMEBODY, after="Tuesday")  # noqa: E731
    phone, _ = talk([model], callee, source=asking_first(BRIEF), user_name="Jane")
    assert phone.asked == [("+12025550177", "Somebody for Jane.")]
    [transfer] = [tool for tool in model.asked[0].tools if tool.name == "transfer"]
    assert set(transfer.parameters["properties"]) == {"to"}


def test_a_model_that_says_nothing_of_the_call_is_told_to():
    model = WrittenModel([[calls("transfer", to="desk")], [calls("transfer", to="desk", brief="Jane.")]])
    callee = lambda phone: phone.says(WANTS_SOMEBODY, after="Tuesday")  # noqa: E731
    phone, _ = talk([model], callee, source=asking_first("true"))
    assert model.asked[1].messages[-1].text == "brief is a text of at most 800 characters."
    assert phone.asked == [("+12025550177", "Jane.")]


def test_the_model_goes_on_with_a_callee_whom_nobody_takes():
    model = WrittenModel([[calls("transfer", to="desk", brief="Jane.")], "Nobody is there right now.", GOODBYE])

    def callee(phone):
        phone.takes_call = TransferOutcome.VOICEMAIL
        phone.says(WANTS_SOMEBODY, after="Tuesday")
        phone.says("All right, goodbye.", after="right now")

    phone, end = talk([model], callee, source=asking_first("true"))
    assert not end.transferred
    assert model.asked[1].messages[-1] == Remark(
        "The transfer to desk came to nothing (voicemail): the callee is with you."
    )
    assert "agent: Nobody is there right now." in phone.lines
