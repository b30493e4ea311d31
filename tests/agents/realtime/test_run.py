"""A realtime agent on whole calls, with the simulated model in memory."""

import asyncio
from datetime import UTC, datetime

from outdial.agents.kinds import parse_agent
from outdial.agents.llm.metering import Metered
from outdial.agents.llm.vendors import Unusable
from outdial.agents.realtime.run import run_realtime
from outdial.agents.tools.access import NoTools
from outdial.conversation.call_facts import MachinePolicy
from outdial.conversation.commands import Say, Whisper
from outdial.simulator.realtime.answers import Answer
from outdial.telephony.state import EndedBy, EndReason
from outdial.telephony.verdict import AnsweredBy, DetectedBy, Verdict
from outdial.testing import Phone, run
from outdial.testing.callee import Hears, Says
from outdial.testing.text_call import TextCall, hold_call
from outdial.testing.written_model import WrittenModel, calls
from tests.agents.realtime.server_in_memory import Server

YAML = """
realtime: {api_key: "{secret:openai_api_key}"}
instructions: Ask {user_name|the callee} whether they will come on {appointment|Tuesday}.
outcomes: [confirmed, declined]
transfers: {desk: "+12025550142"}
"""
HELLO = "Hello Ada, this is the assistant of Riverside Dental. Will you be able to come on Tuesday?"
GOODBYE = "Wonderful, we look forward to seeing you. Goodbye!"


def talked(server, act=None, *, yaml=YAML, variables=None, **phone_settings):
    """A call of whose callee `act` says what it does, once it has said hello."""

    async def call():
        phone = Phone(yaml, tools=server, variables={"user_name": "Ada", **(variables or {})}, **phone_settings)
        phone.greets("Hello?")
        if act is not None:
            act(phone)
        end = await phone.talk()
        await asyncio.sleep(0.1)
        assert not [task for task in asyncio.all_tasks() if "realtime" in task.get_name()]
        assert all(socket.closed for socket in server.sockets)
        return phone, end

    return run(call())


def says_yes(phone):
    phone.says("Yes, I can.", after="Tuesday")


def test_a_model_that_hears_and_speaks_leads_the_call_to_its_end():
    server = Server("Yes, I can.")
    phone, end = talked(server, says_yes)
    assert phone.lines == ["callee: Hello?", f"agent: {HELLO}", "callee: Yes, I can.", f"agent: {GOODBYE}"]
    assert (phone.noted["outcome"], end.end_reason) == ("confirmed", EndReason.COMPLETED)
    assert server.asked == [
        ("wss://api.openai.com/v1/realtime?model=gpt-realtime", {"Authorization": "Bearer sk-test"})
    ]


def test_what_the_callee_says_into_the_models_words_cuts_them_off_where_they_were_heard():
    server = Server("Wait, where is that?", "Yes, I can.")

    def act(phone):
        phone.says("Wait, where is that?", after="Tuesday", over=True, pause_s=1.5)
        phone.says("Yes, I can.", after="come?")

    phone, end = talked(server, act)
    agent = [line for line in phone.lines if line.startswith("agent")]
    assert agent[1].startswith("agent: We are open from Monday")
    assert agent[2] == f"agent: {GOODBYE}"
    [heard] = phone.interrupted
    assert HELLO.startswith(heard)
    assert 10 < len(heard) < 50
    [truncated] = server.told("conversation.item.truncate")
    [turn] = [one for one in phone.turns.values() if one.interrupted]
    assert 0 <= turn.end_ms - turn.start_ms - truncated["audio_end_ms"] <= 40
    assert end.end_reason is EndReason.COMPLETED


def test_a_greeting_is_said_word_for_word_and_the_model_comes_to_know_it():
    server = Server("Yes, I can.")
    greeting = "Good morning {user_name}, it is about Tuesday."
    phone, _ = talked(server, says_yes, yaml=f"{YAML}greeting: {greeting}\n")
    assert phone.lines[1:] == [
        "agent: Good morning Ada, it is about Tuesday.", "callee: Yes, I can.", f"agent: {GOODBYE}"
    ]
    said = [one["item"] for one in server.told("conversation.item.create") if one["item"]["role"] == "assistant"]
    assert said[0]["content"] == [{"type": "output_text", "text": "Good morning Ada, it is about Tuesday."}]


def test_whoever_wants_no_more_calls_is_promised_that_whatever_the_model_says():
    server = Server("Please don't call me again.")
    phone, end = talked(server, lambda phone: phone.says("Please don't call me again.", after="Tuesday"))
    assert phone.noted["do_not_call"] is True
    assert "You won't get another call from us." in phone.lines[-1]
    assert end.end_reason is EndReason.COMPLETED


def test_a_callee_is_connected_to_a_person():
    server = Server("I want to talk to a person.")
    phone, _ = talked(server, lambda phone: phone.says("I want to talk to a person.", after="Tuesday"))
    assert phone.transferred_to == ["+12025550142"]
    assert phone.lines[-1] == "agent: I'll connect you to our front desk."


def test_keys_are_told_to_the_model():
    server = Server()
    phone, _ = talked(server, lambda phone: phone.presses("1", after="Tuesday"))
    assert phone.lines[-1] == f"agent: {GOODBYE}"
    texts = [one["item"]["content"][0]["text"] for one in server.told("conversation.item.create")]
    assert texts[-1] == "[pressed 1]"


def test_a_callee_who_says_nothing_is_asked_once_and_left():
    phone, end = talked(Server())
    assert phone.lines[2:] == ["agent: Are you still there?", "agent: I'm sorry, I can't hear you. Goodbye."]
    assert end.end_reason is EndReason.COMPLETED


TOOL = """
tools:
  - send_digits
  - wait
  - {name: free_slots, about: Free slots, url: "https://calendar.example/slots"}
facts: {day: The day that suits them}
"""


def brain(*answers):
    """One after the other, to whatever it is told."""
    left = list(answers)
    last = Answer(says="Goodbye.", calls=(("hang_up", {"outcome": "confirmed"}),))
    return lambda told, session: left.pop(0) if left else last


def outputs(server):
    items = [one["item"] for one in server.told("conversation.item.create")]
    return [one["output"] for one in items if one["type"] == "function_call_output"]


def test_tools_are_asked_between_the_models_words_and_it_reads_what_came_of_them():
    server = Server(
        "Which days?",
        brain=brain(
            Answer(says="Hello, it is about Tuesday."),
            Answer(says="I will look.", calls=(("free_slots", {}),)),
            Answer(says="Friday is free.", calls=(("note", {"day": "Friday"}), ("send_digits", {"digits": "12"}))),
        ),
        tools={"free_slots": [{"slots": ["Friday"]}]},
    )
    phone, _ = talked(server, lambda phone: phone.says("Which days?", after="Tuesday"), yaml=YAML + TOOL)
    assert [one.tool for one in server.written.asked] == ["free_slots"]
    told = outputs(server)
    assert '"slots": ["Friday"]' in told[0]
    assert phone.lines[3:5] == ["agent: I will look.", "agent: Friday is free."]
    assert phone.noted["day"] == "Friday"
    assert ("digits_sent", {"count": 2}) in phone.events
    assert told[1:3] == ["Done.", "Done."]


def test_a_tool_that_the_model_called_is_not_asked_once_the_callee_has_spoken_into_its_words():
    server = Server(
        "No, wait a moment please.",
        brain=brain(
            Answer(says="Hello. I connect you to our desk, they know more.", calls=(("transfer", {"to": "desk"}),)),
            Answer(says="All right. Goodbye."),
        ),
    )

    def act(phone):
        phone.says("No, wait a moment please.", after="Hello", over=True, pause_s=1.0)
        phone.hangs_up(after="All right")

    phone, _ = talked(server, act)
    assert phone.transferred_to == []
    assert phone.lines[-1] == "agent: All right. Goodbye."


def test_a_callee_who_needs_a_moment_is_given_it():
    server = Server(
        "Hold on, I need my calendar.", "I am back.",
        brain=brain(
            Answer(says="Hello, about Tuesday."),
            Answer(says="Take your time.", calls=(("wait", {}),)),
            Answer(says="Goodbye.", calls=(("hang_up", {"outcome": "confirmed"}),)),
        ),
    )  # fmt: skip

    def act(phone):
        phone.says("Hold on, I need my calendar.", after="Tuesday")
        phone.says("I am back.", after="Take your time", pause_s=20)

    phone, _ = talked(server, act, yaml=YAML + TOOL)
    assert phone.lines[-3:] == ["agent: Take your time.", "callee: I am back.", "agent: Goodbye."]


def test_turns_tell_their_times():
    phone, _ = talked(Server("Yes, I can."), says_yes)
    [callee, agent] = [turn for _, turn in sorted(phone.turns.items())][-2:]
    assert agent.latency["silence"] in range(480, 560)
    assert agent.latency["total"] == agent.start_ms - callee.end_ms
    [times] = [data for name, data in phone.events if name == "turn_times"]
    assert times["ended_ms"] == callee.end_ms
    assert times["played_ms"] == agent.end_ms
    costs = [data for name, data in phone.events if name == "model"]
    assert {one["model"] for one in costs} == {"gpt-realtime", "gpt-4o-mini-transcribe"}
    assert all(one["dollars"] > 0 and one["tokens"] for one in costs)


def test_a_machine_hears_nothing_of_the_model():
    machine = MachinePolicy(action="hang_up", max_wait_s=20.0, by=DetectedBy.LOCAL)

    async def call():
        phone = Phone(YAML, tools=Server(), machine=machine)
        phone.greets("You have reached the mailbox of Ada.", lasts_ms=2500)
        verdict = Verdict(answered_by=AnsweredBy.MACHINE, at=datetime(2026, 1, 1, tzinfo=UTC))
        asyncio.get_running_loop().call_later(2.6, phone._session.answering.judged, verdict)
        return phone, await phone.talk()

    phone, end = run(call())
    assert end.end_reason is EndReason.MACHINE
    assert not [line for line in phone.lines if line.startswith("agent")]


def test_who_is_connected_from_outside_hears_our_own_voice_and_the_model_goes_on():
    server = Server("Yes, I can.")

    async def call():
        phone = Phone(YAML, tools=server, variables={"user_name": "Ada"})
        phone.greets("Hello?")
        phone.says("Yes, I can.", after="in five minutes")
        talk = asyncio.create_task(phone.talk())
        await asyncio.sleep(3)
        await phone._session.carry_out(Say(text="We close in five minutes.", interrupt=False))
        await talk
        return phone

    phone = run(call())
    assert phone.lines[1:] == [
        f"agent: {HELLO}", "agent: We close in five minutes.", "callee: Yes, I can.", f"agent: {GOODBYE}"
    ]  # fmt: skip


def test_a_whisper_reaches_the_model_before_its_next_answer():
    server = Server("Yes, I can.")

    async def call():
        phone = Phone(YAML, tools=server, variables={"user_name": "Ada"})
        phone.greets("Hello?")
        says_yes(phone)
        talk = asyncio.create_task(phone.talk())
        await asyncio.sleep(3)
        await phone._session.carry_out(Whisper(text="Be brief."))
        await talk

    run(call())
    items = [one["item"] for one in server.told("conversation.item.create")]
    texts = [item["content"][0]["text"] for item in items if "content" in item]
    assert any("Be brief." in text for text in texts)


def test_a_callee_who_hangs_up_in_the_middle_leaves_nothing_behind():
    phone, end = talked(Server(), lambda phone: phone.hangs_up(after="Riverside", over=True, pause_s=1))
    assert end.ended_by is EndedBy.CALLEE
    [heard] = [turn.text for turn in phone.turns.values() if turn.speaker == "agent"]
    assert HELLO.startswith(heard)
    assert heard != HELLO


def test_nobody_is_connected_to_once_models_have_cost_what_they_may():
    class Spent:
        is_passed = True

        def add(self, usage): ...

    server = Server()
    phone, _ = talked(server, models=[Metered(Unusable("gpt-realtime", "speaks_only"), Spent())])
    assert server.asked == []
    assert ("agent_limit", {"limit": "spend_limit"}) in phone.events


def test_without_audio_a_model_answers_in_writing():
    model = WrittenModel(["Will you come on Tuesday?", [calls("hang_up", goodbye="Goodbye!", outcome="confirmed")]])
    call = TextCall([Hears("on Tuesday"), Says("Yes.")])
    run(hold_call(lambda live: run_realtime(parse_agent(YAML), live, [model], NoTools()), call))
    assert call.noted["outcome"] == "confirmed"


def test_who_wants_no_more_calls_and_hangs_up_at_once_is_called_no_more():
    server = Server("Never call me again.")
    server.ears.takes_s = 0.8

    def act(phone):
        phone.says("Never call me again.", after="Tuesday")
        asyncio.get_running_loop().call_later(9.4, phone._line.stop)

    phone, end = talked(server, act)
    assert phone.noted["do_not_call"] is True
    assert end.ended_by is EndedBy.CALLEE
