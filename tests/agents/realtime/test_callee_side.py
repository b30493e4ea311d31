"""What the callee of a realtime agent does while nobody seems to notice: keys, words without a connection, waiting."""

import asyncio

from outdial.agents.realtime.hearing import MOST_WORDLESS
from outdial.agents.realtime.run import SILENT
from outdial.simulator.realtime.answers import Answer
from outdial.telephony.state import EndedBy
from outdial.testing.written_tools import Takes
from tests.agents.quiet_calls import longest_silence_ms
from tests.agents.realtime.server_in_memory import Edited, Server
from tests.agents.realtime.test_run import TOOL, YAML, brain, talked

SLOTS = {"slots": ["Friday"]}
LOOKS = (Answer(says="I will look.", calls=(("free_slots", {}),)), Answer(says="Friday is free."))


def test_a_callee_who_has_just_heard_the_model_is_not_told_that_it_takes_a_moment():
    answers = brain(Answer(says="Hello, about Tuesday."), *LOOKS)
    server = Server("Which days?", brain=answers, tools={"free_slots": [Takes(0.5, SLOTS)]})
    phone, _ = talked(server, lambda phone: phone.says("Which days?", after="Tuesday"), yaml=YAML + TOOL)
    assert phone.lines[3:5] == ["agent: I will look.", "agent: Friday is free."]


def test_keys_pressed_into_the_models_words_are_one_answer_and_call_no_look_up_off():
    answers = brain(Answer(says="Hello, about Tuesday. Press one for the free days, or two to stop."), *LOOKS)
    server = Server(brain=answers, tools={"free_slots": [Takes(2, SLOTS)]})
    phone, _ = talked(
        server, lambda phone: phone.presses("1", after="Tuesday", over=True, pause_s=0.5), yaml=YAML + TOOL
    )
    texts = [one["item"].get("content", [{}])[0].get("text") for one in server.told("conversation.item.create")]
    assert texts.count("[pressed 1]") == 1
    assert [line for line in phone.lines if line.startswith("callee")] == ["callee: Hello?", "callee: [1]"]
    assert "agent: Friday is free." in phone.lines


def test_a_callee_who_answers_by_keys_is_there():
    says = ("Hello, about Tuesday.", "Are you still there?", "Please press your birth date.", "And your number?")
    server = Server(brain=brain(*[Answer(says=one) for one in says]))

    def act(phone):
        phone.presses("1", after="still there")
        phone.presses("2", after="your number", pause_s=1)

    phone, _ = talked(server, act)
    assert "agent: And your number?" in phone.lines
    assert phone.lines[-1] == "agent: Goodbye."


def test_what_the_callee_says_before_there_is_a_connection_is_heard():
    class Late(Server):
        async def connect(self, url, headers, **more):
            await asyncio.sleep(4)
            return await super().connect(url, headers, **more)

    server = Late("Who is speaking?", brain=brain(Answer(says="Tell me more.")))

    def act(phone):
        phone.says("Who is speaking?", after="Good", pause_s=0.3)
        phone.hangs_up(after="Tell me")

    phone, _ = talked(server, act, yaml=YAML + "greeting: Good day.\n")
    assert phone.lines[2:] == ["callee: Who is speaking?", "agent: Tell me more."]
    [turn] = [turn for turn in phone.turns.values() if turn.text == "Who is speaking?"]
    [greeting] = [turn for turn in phone.turns.values() if turn.text == "Good day."]
    assert 0 <= turn.start_ms - greeting.end_ms <= 500


def test_a_callee_whose_words_break_the_connection_does_not_wait_in_silence():
    class Breaks(Edited):
        async def connect(self, url, headers, **more):
            if self.sockets:
                await asyncio.sleep(60)
            return await super().connect(url, headers, **more)

    def edit(message):
        if "speech_started" in message["type"]:
            asyncio.get_running_loop().call_soon(server.sockets[0]._drop, "connection")
        return [message]

    server = Breaks("Yes.", edit=edit, brain=brain(Answer(says="Hello, about Tuesday.")))
    phone, _ = talked(server, lambda phone: phone.says("Yes.", after="Tuesday"))
    assert longest_silence_ms(phone) <= 4000


def test_a_line_with_nothing_on_it_but_noise_is_asked_whether_anybody_is_there_and_left():
    server = Server(brain=brain(Answer(says="Hello, about Tuesday."), *[Answer(says="Pardon?")] * 20))

    def act(phone):
        phone.says("A dog.", after="Tuesday")
        for _ in range(10):
            phone.says("A dog.", after="Pardon?")

    phone, end = talked(server, act)
    asked = [one["item"]["content"][0]["text"] for one in server.told("conversation.item.create")]
    assert len([text for text in asked if text == f"[{SILENT.text}]"]) == 1
    assert "agent: I'm sorry, I can't hear you. Goodbye." in phone.lines
    assert phone.lines.count("agent: Pardon?") <= 2 * MOST_WORDLESS
    assert (end.ended_by, end.error) == (EndedBy.AGENT, None)


def test_a_callee_who_has_spoken_once_between_two_silences_is_there():
    says = ("Hello, about Tuesday.", "Are you still there?", "Pardon?", "When would that be?", "Are you still there?")
    server = Server("Yes.", brain=brain(*[Answer(says=one) for one in says]))

    def act(phone):
        phone.says("Yes.", after="still there")
        phone.says("A dog.", after="Pardon")

    phone, _ = talked(server, act)
    asked = [line for line in phone.lines if line.startswith("agent")]
    assert asked[1:] == [*(f"agent: {one}" for one in says[1:]), "agent: I'm sorry, I can't hear you. Goodbye."]


def test_a_callee_whose_words_nobody_writes_down_is_there():
    def edit(message):
        return [] if "input_audio_transcription" in message["type"] else [message]

    says = ("Hello, about Tuesday.", "Are you still there?", "And when?", "Are you still there?")
    server = Edited("Yes.", edit=edit, brain=brain(*[Answer(says=one) for one in says]))
    phone, _ = talked(server, lambda phone: phone.says("Yes.", after="still there"))
    asked = [line for line in phone.lines if line.startswith("agent")]
    assert asked[1:] == [*(f"agent: {one}" for one in says[1:]), "agent: I'm sorry, I can't hear you. Goodbye."]
