"""A realtime agent on whole calls, with the simulated model in memory."""

import asyncio

from outdial.telephony.state import EndReason
from outdial.testing import Phone, run
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
