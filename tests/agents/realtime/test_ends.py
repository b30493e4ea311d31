"""What a realtime model wanted, or its callee, just when something ended: the call, a limit, an answer."""

import pytest

from outdial.simulator.realtime.answers import Answer
from tests.agents.quiet_calls import longest_silence_ms
from tests.agents.realtime.server_in_memory import Edited, Server
from tests.agents.realtime.test_run import TOOL, YAML, brain, says_yes, talked

LAST = "Thank you, I have written that down. We won't call you again. Goodbye, and have a nice day!"
NO_MORE = "Please don't call me again."


def test_what_a_model_noted_counts_though_the_callee_hangs_up_during_its_last_words():
    noted = (("note", {"day": "Friday"}), ("do_not_call", {}), ("hang_up", {"outcome": "declined"}), ("free_slots", {}))
    server = Server("On Friday.", brain=brain(Answer(says="Hello, about Tuesday."), Answer(says=LAST, calls=noted)))

    def act(phone):
        phone.says("On Friday.", after="Tuesday")
        phone.hangs_up(after="Thank you", over=True, pause_s=1)

    phone, _ = talked(server, act, yaml=YAML + TOOL)
    assert phone.lines[-1] != f"agent: {LAST}"
    assert (phone.noted["day"], phone.noted["do_not_call"], phone.noted["outcome"]) == ("Friday", True, "declined")
    assert server.written.asked == []


def done_otherwise(message, **changed):
    return {**message, "response": {**message["response"], "output": [], **changed}}


@pytest.mark.parametrize("code", ["rate_limit_exceeded", "insufficient_quota"])
@pytest.mark.parametrize("words_first", [True, False])
def test_a_wish_for_no_more_calls_counts_though_an_answer_fails_just_then(code, words_first):
    held = []

    def edit(message):
        if message["type"].endswith("transcription.completed"):
            held.append(message)
            return []
        if len(held) != 1:
            return [message]
        if message["type"] == "response.done":
            details = {"type": "failed", "error": {"code": code}}
            held.append(done_otherwise(message, status="failed", status_details=details))
            return held if words_first else held[::-1]
        return [] if message["type"].startswith("response.output") else [message]

    server = Edited(NO_MORE, edit=edit, brain=brain(Answer(says="Hello, about Tuesday."), Answer(says="Well.")))
    phone, _ = talked(server, lambda phone: phone.says(NO_MORE, after="Tuesday"))
    assert phone.noted["do_not_call"] is True


def test_what_a_model_called_along_with_its_last_turn_is_done():
    phone, _ = talked(Server("Yes, I can."), says_yes, yaml=YAML + "limits: {turns: 2}\n")
    assert phone.noted["outcome"] == "confirmed"
    assert [name for name, _ in phone.events if name == "agent_limit"] == []


def test_a_model_that_only_calls_tools_comes_to_its_limit():
    answers = [Answer(says="Hello, about Tuesday."), *[Answer(calls=(("note", {"nothing": 1}),))] * 100]
    server = Server("Which days?", brain=brain(*answers))
    yaml = YAML + TOOL + "limits: {turns: 12}\n"
    phone, _ = talked(server, lambda phone: phone.says("Which days?", after="Tuesday"), yaml=yaml)
    assert ("agent_limit", {"limit": "turns"}) in phone.events
    assert longest_silence_ms(phone) <= 4000


def test_an_answer_that_the_server_breaks_off_before_its_first_word_is_asked_for_again():
    seen = []

    def edit(message):
        seen.append(message["type"])
        if seen.count("response.created") != 2 or seen.count("response.done") > 2:
            return [message]
        if message["type"] == "response.done":
            details = {"type": "incomplete", "reason": "content_filter"}
            return [done_otherwise(message, status="incomplete", status_details=details)]
        return [] if message["type"].startswith("response.output") else [message]

    answers = (Answer(says="Hello, about Tuesday."), Answer(says="Well."), Answer(says="What about Friday?"))
    server = Edited("Yes, I can.", edit=edit, brain=brain(*answers))

    def act(phone):
        says_yes(phone)
        phone.hangs_up(after="Friday")

    phone, _ = talked(server, act)
    assert ("realtime_error", {"code": "content_filter"}) in phone.events
    assert phone.lines[-1] == "agent: What about Friday?"
    assert longest_silence_ms(phone) <= 4000
