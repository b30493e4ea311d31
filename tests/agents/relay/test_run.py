"""A relay agent on whole calls, with a server in memory: what is said and told, and what a server does wrong."""

import asyncio
import json

import pytest

from outdial.agents.brains.reaching import BrainAway
from outdial.telephony.state import EndReason
from outdial.testing import Phone, run
from tests.agents.files import given
from tests.agents.quiet_calls import longest_silence_ms
from tests.agents.relay.written_server import Server

YAML = """
relay:
  url: wss://app.example/ws
  signing_secret: "{secret:token}"
  parameters: {first_name: "{first_name}", visits: "{visits}", who: "{who}", plan: basic}
greeting: Hello {first_name|there}, this is the assistant of Meadow Dental. Can you come on Tuesday?
transfers: {desk: "+12025550142"}
"""
TOKEN = {"token": "12345"}
SORRY = "I'm sorry, something isn't working here"


def talked(server, act=None, *, yaml=YAML, variables=None, says="Yes, I can.", sounds=None, **phone_settings):
    """A call of whose callee `act` may say what it does; else it answers once, and hangs up when it is said goodbye."""

    async def call():
        phone = Phone(yaml, tools=server, variables=variables or {}, **phone_settings)
        given(phone, sounds)
        phone.greets("Hello?")
        if says:
            phone.says(says, after="Tuesday")
        if act is not None:
            act(phone)
        end = await phone.talk()
        own = ("relay", "sound file")
        assert not [task for task in asyncio.all_tasks() if any(name in task.get_name() for name in own)]
        return phone, end

    return run(call())


def answering(*answers):
    """To each prompt the next: a list of tokens, or something that is done with the connection."""
    left = list(answers)

    def answer(connection, message):
        if message["type"] == "prompt" and left:
            one = left.pop(0)
            if callable(one):
                one(connection)
            else:
                connection.say(*one)

    return Server(answer, secrets=TOKEN)


def ends(handoff="", *tokens):
    def end(connection):
        if tokens:
            connection.say(*tokens)
        connection.send({"type": "end", **({"handoffData": handoff} if handoff else {})})

    return end


def test_the_server_is_told_who_is_called_and_leads_the_call_to_its_end():
    server = answering(ends('{"outcome": "confirmed"}', "Wonderful. ", "See you", " then. Goodbye!"))
    phone, end = talked(server, variables={"first_name": "Ada", "visits": 3, "who": {"age": 7}})
    [connection] = server.connections
    assert connection.headers == {"X-Twilio-Signature": "uqcGnTyCQPf2qf85nFdQCRDR/oo="}
    setup, prompt = connection.told
    assert setup["customParameters"] == {
        "first_name": "Ada", "visits": "3", "who": '{"age": 7}', "plan": "basic", "call_id": "call_in_memory",
    }  # fmt: skip
    assert prompt == {"type": "prompt", "voicePrompt": "Yes, I can.", "lang": "en-US", "last": True}
    assert phone.lines[1:] == [
        "agent: Hello Ada, this is the assistant of Meadow Dental. Can you come on Tuesday?",
        "callee: Yes, I can.",
        "agent: Wonderful. See you then. Goodbye!",
    ]
    assert (phone.noted["outcome"], end.end_reason) == ("confirmed", EndReason.COMPLETED)
    assert connection.closed == 1000


def test_a_callee_who_interrupts_is_heard_and_the_server_told_what_was_heard():
    def long_answer(connection):
        connection.say(*(f"Number {n} of our offers is a fine one indeed. " for n in range(8)))
        connection.say("And there is more.")

    def act(phone):
        phone.says("Stop, I want none of these.", after="Number 0", over=True, pause_s=2.5)
        phone.hangs_up(after="Fine.")

    server = answering(long_answer, ["Fine."])
    phone, _ = talked(server, act)
    [interrupt] = [one for one in server.told if one["type"] == "interrupt"]
    assert interrupt["utteranceUntilInterrupt"].startswith("Number 0 of our offers")
    assert "Number 5" not in interrupt["utteranceUntilInterrupt"]
    assert 1000 < interrupt["durationUntilInterruptMs"] < 6000
    kinds = [one["type"] for one in server.told]
    assert kinds == ["setup", "prompt", "interrupt", "prompt"]
    assert not any("there is more" in line for line in phone.lines)


@pytest.mark.parametrize("connects_after_s", [0.0, 3.0])
def test_a_callee_who_interrupts_the_greeting_is_told_to_the_server_as_well(connects_after_s):
    def answer(connection, message):
        if message["type"] == "setup" and not connects_after_s:
            connection.say("Our offers are these.")
        elif message["type"] == "prompt":
            connection.say("Outdial speaking.")

    def act(phone):
        phone.says("Wait, who is speaking?", after="Hello there", over=True, pause_s=1.5)
        phone.hangs_up(after="Outdial")

    server = Server(answer, secrets=TOKEN)
    server.slow_s = connects_after_s
    phone, _ = talked(server, act, says=None)
    assert [one["type"] for one in server.told] == ["setup", "interrupt", "prompt"]
    assert server.told[1]["utteranceUntilInterrupt"].startswith("Hello there, this")
    assert "Tuesday" not in server.told[1]["utteranceUntilInterrupt"]
    assert 1000 < server.told[1]["durationUntilInterruptMs"] < 4000
    assert phone.lines[-1] == "agent: Outdial speaking."
    assert not any("offers" in line for line in phone.lines)


def test_late_tokens_of_an_interrupted_turn_are_not_said():
    def answer(connection, message):
        if message["type"] == "prompt" and "Stop" not in message["voicePrompt"]:
            connection.say("One moment while I read you all of the many rules that there are here. ", last=False)
        elif message["type"] == "interrupt":
            connection.say("Rule one is this. ", "Rule two is that.")
        elif message["type"] == "prompt":
            connection.say("Very well.")

    def act(phone):
        phone.says("Stop, please stop that.", after="many rules", over=True, pause_s=1.5)
        phone.hangs_up(after="Very well")

    phone, _ = talked(Server(answer, secrets=TOKEN), act)
    assert not any("Rule" in line for line in phone.lines)
    assert phone.lines[-1] == "agent: Very well."


def test_a_server_that_never_marks_an_end_is_spoken_and_listened_to_all_the_same():
    server = answering(
        lambda c: c.say("What time suits you?", last=False), lambda c: c.say("Nine it is. Goodbye", last=False)
    )

    def act(phone):
        phone.says("At nine.", after="What time")
        phone.hangs_up(after="Goodbye")

    phone, _ = talked(server, act)
    assert phone.lines[-3:] == ["agent: What time suits you?", "callee: At nine.", "agent: Nine it is. Goodbye"]
    assert not any("One moment" in line for line in phone.lines)


def test_a_server_may_speak_into_a_silence_of_the_callees():
    async def nudge(connection):
        await asyncio.sleep(4.0)
        connection.say("Take your time.")

    tasks = []
    server = answering(lambda c: (c.say("Which day?"), tasks.append(asyncio.ensure_future(nudge(c)))))
    phone, _ = talked(server, lambda phone: phone.hangs_up(after="Take your time"))
    assert phone.lines[-2:] == ["agent: Which day?", "agent: Take your time."]
    assert 3000 < longest_silence_ms(phone) < 4500  # the callee's own


def test_keys_are_told_one_by_one_where_the_agent_wants_them():
    def answer(connection, message):
        if message["type"] == "dtmf" and len(connection.of("dtmf")) == 3:
            connection.say("Thank you.")

    def act(phone):
        phone.presses("471", after="Tuesday")
        phone.hangs_up(after="Thank you")

    server = Server(answer, secrets=TOKEN)
    talked(server, act, yaml=YAML.replace("relay:\n", "relay:\n  dtmf: true\n"), says=None)
    assert [one["digit"] for one in server.told if one["type"] == "dtmf"] == ["4", "7", "1"]


def test_without_dtmf_keys_are_told_to_nobody():
    server = answering()
    talked(server, lambda phone: phone.presses("1", after="Tuesday"), says=None)
    assert [one["type"] for one in server.told] == ["setup"]


def test_what_is_preemptible_gives_way_to_what_comes_next():
    async def sooner(connection):
        await asyncio.sleep(1.5)
        connection.say("Good news, I found it.")

    tasks = []

    def answer(connection):
        connection.say("I am looking for it in every book that we have here, page by page by page.", preemptible=True)
        tasks.append(asyncio.ensure_future(sooner(connection)))

    phone, _ = talked(answering(answer), lambda phone: phone.hangs_up(after="Good news"))
    assert phone.lines[-1] == "agent: Good news, I found it."
    assert "page by page by page" not in phone.lines[-2]


@pytest.mark.parametrize("message", [{"type": "end"}, {"type": "sendDigits", "digits": "1"}])
@pytest.mark.parametrize("later_s", [0.0, 1.5])
def test_what_is_preemptible_is_said_to_its_end_before_the_end_and_before_keys(message, later_s):
    def answer(connection):
        connection.say("Thank you for all of your time today, and goodbye.", preemptible=True)
        if later_s:
            asyncio.get_running_loop().call_later(later_s, connection.send, message)
        else:
            connection.send(message)

    phone, _ = talked(answering(answer), lambda phone: phone.hangs_up(after="goodbye", pause_s=5.0))
    assert "agent: Thank you for all of your time today, and goodbye." in phone.lines
    assert phone.interrupted == []


def test_what_is_not_interruptible_is_said_to_its_end():
    def answer(connection):
        connection.say("This is said to everybody in full, whatever they say. It is the law here.", interruptible=False)

    def act(phone):
        phone.says("No, stop it now.", after="said to everybody", over=True, pause_s=1.0)
        phone.hangs_up(after="the law")

    server = answering(answer)
    phone, _ = talked(server, act)
    assert any("It is the law here." in line for line in phone.lines)
    assert [one["type"] for one in server.told if one["type"] == "interrupt"] == []


def test_partial_prompts_come_only_where_they_are_wanted_and_end_with_a_last_one():
    server = answering(["Fine."])
    yaml = YAML.replace("relay:\n", "relay:\n  partial_prompts: true\n")
    talked(server, lambda phone: phone.hangs_up(after="Fine"), yaml=yaml)
    prompts = [one for one in server.told if one["type"] == "prompt"]
    assert prompts[-1]["last"] is True
    assert {one["last"] for one in prompts[:-1]} <= {False}
    assert len(prompts) > 1


def test_digits_are_pressed_for_the_server():
    def answer(connection):
        connection.send({"type": "sendDigits", "digits": "12w#"})
        connection.say("Done.")

    phone, _ = talked(answering(answer), lambda phone: phone.hangs_up(after="Done"))
    assert ("digits_sent", {"count": 4}) in phone.events


def test_the_server_changes_the_language_of_what_is_said_and_heard():
    def answer(connection, message):
        match message:
            case {"type": "prompt", "lang": "en-US"}:
                connection.say("One moment.")
                connection.send({"type": "language", "ttsLanguage": "es-ES", "transcriptionLanguage": "es-ES"})
                connection.say("Hola, soy de Meadow Dental.")
            case {"type": "prompt"}:
                connection.say("Gracias.")

    def act(phone):
        phone.languages.speaks = phone.languages.understands = {"es-ES"}
        phone.says("Claro que puedo.", after="Meadow Dental.")
        phone.hangs_up(after="Gracias")

    server = Server(answer, secrets=TOKEN)
    phone, _ = talked(server, act)
    assert [one["lang"] for one in server.told if one["type"] == "prompt"] == ["en-US", "es-ES"]
    assert phone.languages.voices["es-ES"].spoken == ["Hola, soy de Meadow Dental.", "Gracias."]
    assert phone.languages.heard == ["es-ES"]
    assert ("brain_language", {"spoken": "es-ES", "heard": "es-ES"}) in phone.events
    assert server.told[-1]["type"] != "error"


def test_words_in_another_language_have_its_voice_and_those_after_them_the_calls_own():
    def answer(connection):
        connection.say("Just ")
        connection.say("un momento", ", por favor. ", lang="es-ES", last=False)
        connection.say("Then we go on.", lang="en-US")

    def act(phone):
        phone.languages.speaks = {"es-ES"}
        phone.hangs_up(after="go on")

    phone, _ = talked(answering(answer), act)
    assert phone.lines[-3:] == ["agent: Just", "agent: un momento, por favor.", "agent: Then we go on."]
    assert phone.languages.voices["es-ES"].spoken == ["un momento, por favor."]


def test_words_in_a_language_without_a_voice_are_said_all_the_same_and_the_server_told_once():
    server = answering(lambda connection: [connection.say(text, lang="sv-SE") for text in ("Hej. ", "Hej igen.")])
    phone, _ = talked(server, lambda phone: phone.hangs_up(after="igen"))
    assert phone.lines[-2:] == ["agent: Hej.", "agent: Hej igen."]
    told = [one["description"] for one in server.told if one["type"] == "error"]
    assert told == ["Language sv-SE is not available: the agent has no voice for it"]


def test_a_voice_of_another_language_that_fails_is_told_to_the_server_and_the_call_goes_on_in_its_own():
    def answer(connection, message):
        match message:
            case {"type": "prompt"}:
                connection.send({"type": "language", "ttsLanguage": "es-ES"})
                connection.say("Hola.")
            case {"type": "error"}:
                connection.say("Hello again.")

    def act(phone):
        phone.languages.speaks = {"es-ES"}
        phone.languages.voice("es-ES").fails_after = 0
        phone.hangs_up(after="again")

    server = Server(answer, secrets=TOKEN)
    phone, end = talked(server, act)
    assert server.told[-1]["description"] == "Speech in es-ES failed; the call goes on in en-US"
    assert phone.lines[-1] == "agent: Hello again."
    assert end.end_reason == EndReason.COMPLETED


def test_a_recogniser_of_another_language_that_fails_gives_way_to_the_agents_own():
    def answer(connection, message):
        match message:
            case {"type": "prompt", "voicePrompt": "Yes, I can."}:
                connection.send({"type": "language", "transcriptionLanguage": "es-ES"})
                connection.say("Which day?")
            case {"type": "prompt"}:
                connection.say("Fine.")

    def act(phone):
        phone.languages.understands = {"es-ES", "en-US"}
        phone.languages.fails = {"es-ES"}
        phone.says("El martes.", after="Which day?")
        phone.says("Tuesday.", after="still there")
        phone.hangs_up(after="Fine")

    server = Server(answer, secrets=TOKEN)
    phone, _ = talked(server, act)
    assert phone.languages.heard == ["es-ES", "en-US"]
    assert [one["description"] for one in server.told if one["type"] == "error"] == [
        "Speech in es-ES failed; the call goes on in en-US"
    ]
    assert server.told[-1] == {"type": "prompt", "voicePrompt": "Tuesday.", "lang": "en-US", "last": True}


def test_what_the_author_wrote_and_what_outdial_says_itself_is_in_its_own_language():
    yaml = YAML.replace('{desk: "+12025550142"}', '{desk: {to: "+12025550142", say: I will connect you.}}')
    slow = []

    def answer(connection):
        connection.send({"type": "language", "ttsLanguage": "es-ES"})
        slow.append(asyncio.get_running_loop().call_later(5.0, ends('{"transfer":"desk"}', "Gracias."), connection))

    def act(phone):
        phone.languages.speaks = {"es-ES"}

    phone, _ = talked(answering(answer), act, yaml=yaml)
    spoken = phone.languages.voices["es-ES"].spoken
    assert "Gracias." in spoken
    assert spoken[0] == "Un momento, por favor."
    assert not any("connect" in text for text in spoken)
    assert phone.lines[-1] == "agent: I will connect you."


def test_who_wants_no_more_calls_is_understood_in_the_language_that_is_heard():
    server = answering(lambda c: (c.send({"type": "language", "transcriptionLanguage": "es-ES"}), c.say("¿Puede?")))

    def act(phone):
        phone.languages.understands = {"es-ES"}
        phone.says("No me llame más, por favor.", after="Puede")

    phone, _ = talked(server, act)
    assert phone.noted["do_not_call"] is True


def test_another_language_is_refused_in_words_and_the_same_one_taken():
    def answer(connection):
        connection.send({"type": "language", "ttsLanguage": "sv-SE"})
        connection.send({"type": "language", "transcriptionLanguage": "multi"})
        connection.send({"type": "language", "transcriptionLanguage": "en-GB"})
        connection.say("Right.")

    def act(phone):
        phone.says("Go on, please.", after="Right")
        phone.hangs_up(after="Bye")

    server = answering(answer, ["Bye."])
    talked(server, act)
    assert [one["description"] for one in server.told if one["type"] == "error"] == [
        "Language sv-SE is not available: the agent has no voice for it",
        "Language multi is not available: the agent has no recognition for it",
    ]
    assert [one["lang"] for one in server.told if one["type"] == "prompt"] == ["en-US", "en-GB"]


# -- what becomes of the call


@pytest.mark.parametrize(
    ("handoff", "outcomes", "noted"),
    [
        ('{"outcome":"moved","day":7}', "", {"outcome": "moved", "handoff": {"outcome": "moved", "day": 7}}),
        ('{"reasonCode":"live-agent-handoff"}', "", {"outcome": "live-agent-handoff"}),
        ("declined", "outcomes: [declined, moved]\n", {"outcome": "declined"}),
        ('{"outcome":"rude"}', "outcomes: [declined]\n", {"handoff": {"outcome": "rude"}}),
        ("not a word, but a sentence", "", {"handoff": "not a word, but a sentence"}),
        ("", "", {}),
    ],
)
def test_what_is_handed_over_is_noted_and_a_word_in_it_is_the_outcome(handoff, outcomes, noted):
    phone, _ = talked(answering(ends(handoff, "Bye.")), yaml=YAML + outcomes)
    assert noted.items() <= phone.noted.items()
    assert ("outcome" in phone.noted) == ("outcome" in noted)


def test_a_handoff_that_names_a_transfer_connects_the_callee():
    phone, _ = talked(answering(ends('{"transfer":"desk"}', "I'll connect you.")))
    assert phone.transferred_to == ["+12025550142"]


def test_who_wants_no_more_calls_gets_none_whatever_the_server_says():
    server = answering(["But wait!"])
    phone, _ = talked(server, says="Please don't call me again.")
    assert phone.noted["do_not_call"] is True
    assert [one["type"] for one in server.told] == ["setup"]


def test_a_callee_who_says_nothing_is_asked_and_then_let_go():
    phone, end = talked(answering(), says=None)
    assert phone.lines[-2:] == ["agent: Are you still there?", "agent: I'm sorry, I can't hear you. Goodbye."]
    assert end.end_reason == EndReason.COMPLETED


def test_turns_are_limited_where_the_author_limits_them():
    server = answering(["And what else?"], ["And what else?"])

    def act(phone):
        phone.says("Nothing else really.", after="what else")

    phone, _ = talked(server, act, yaml=YAML + "limits: {turns: 1}\n")
    assert ("agent_limit", {"limit": "turns"}) in phone.events
    assert phone.lines[-1].startswith("agent: I'm sorry, I have to end this call")


# -- what goes wrong


def _fails_with(end, word):
    assert (end.end_reason, str(end.error.code)) == (EndReason.FAILED, "agent_failed")
    assert end.error.message == f"The agent's relay server failed: {word}."


@pytest.mark.parametrize(
    ("away", "word"),
    [
        ([BrainAway("http_403", may_again=False)], "http_403"),
        ([BrainAway("connection")] * 3, "connection"),
        ([BrainAway("refused_address", may_again=False)], "refused_address"),
    ],
)
def test_a_server_that_can_not_be_reached_ends_the_call_with_an_apology(away, word):
    server = answering()
    server.away = list(away)
    phone, end = talked(server, says=None)
    _fails_with(end, word)
    assert phone.lines[-1].startswith(f"agent: {SORRY}")
    assert longest_silence_ms(phone) < 4000
    assert phone.events[-1] == ("brain_failed", {"error": word}) or ("brain_failed", {"error": word}) in phone.events


def test_a_server_that_does_not_answer_is_filled_in_for_and_given_up_in_the_end():
    phone, end = talked(answering())
    _fails_with(end, "no_answer")
    assert sum("One moment" in line for line in phone.lines) >= 2
    assert longest_silence_ms(phone) < 4000


@pytest.mark.parametrize("token", ["", " ", "…"])
def test_a_server_that_begins_to_answer_and_never_says_a_word_is_given_up_as_soon(token):
    phone, end = talked(answering(lambda connection: connection.say(token, last=False)))
    _fails_with(end, "no_answer")
    assert sum("One moment" in line for line in phone.lines) <= 5
    assert longest_silence_ms(phone) < 4000


def test_what_a_server_has_begun_is_over_once_it_has_left_for_good():
    def leave(connection):
        connection.say("Let me see what I can", last=False)
        connection.drop("closed_1000", may_again=False)

    marks_its_ends = lambda connection: connection.say("Which day?")  # noqa: E731
    server = answering(marks_its_ends, leave)
    phone, end = talked(server, lambda phone: phone.says("On Monday.", after="Which day"))
    _fails_with(end, "closed_1000")
    assert phone.lines[-2] == "agent: Let me see what I can"
    assert phone.lines[-1].startswith(f"agent: {SORRY}")


def test_a_handshake_that_hangs_is_given_up():
    server = answering()
    server.slow_s = 1000.0
    phone, end = talked(server)
    _fails_with(end, "timeout")
    assert longest_silence_ms(phone) < 4000


def test_a_server_that_breaks_off_before_it_answers_is_asked_again_on_a_new_connection():
    server = answering(lambda connection: connection.drop(), ["Here I am again."])
    phone, _ = talked(server, lambda phone: phone.hangs_up(after="again"))
    first, second = server.connections
    assert first.told[0]["callSid"] == second.told[0]["callSid"]
    assert first.told[0]["sessionId"] != second.told[0]["sessionId"]
    assert [one["type"] for one in second.told] == ["setup", "prompt"]
    assert phone.lines[-1] == "agent: Here I am again."
    assert longest_silence_ms(phone) < 4000


def test_a_server_that_breaks_off_in_the_middle_of_a_sentence_is_heard_as_far_as_it_came():
    def breaks(connection):
        connection.say("We have two times for you, and the first", last=False)
        connection.drop()

    def act(phone):
        phone.says("Yes, go on?", after="the first")
        phone.hangs_up(after="nine")

    server = answering(breaks, ["At nine."])
    phone, _ = talked(server, act)
    assert "agent: We have two times for you, and the first" in phone.lines
    assert phone.lines[-1] == "agent: At nine."
    assert ("brain_lost", {"error": "closed_1011"}) in phone.events


def test_a_server_that_breaks_off_again_and_again_is_given_up():
    drop = lambda connection: connection.drop()  # noqa: E731
    server = answering(drop, drop, drop, drop)
    phone, end = talked(server)
    _fails_with(end, "closed_1011")
    assert len(server.connections) == 3
    assert longest_silence_ms(phone) < 4000


def test_a_server_that_takes_its_leave_without_an_end_is_not_connected_to_again():
    server = answering(lambda connection: connection.drop("closed_1000", may_again=False))
    _, end = talked(server)
    _fails_with(end, "closed_1000")
    assert len(server.connections) == 1


def test_garbage_is_answered_with_an_error_and_the_call_goes_on():
    def garbage(connection):
        for one in ("hello", '{"type":"error","message":"oops"}', '{"type":"text","token":null}'):
            connection.send(one)
        connection.say("All is well.")

    server = answering(garbage)
    phone, _ = talked(server, lambda phone: phone.hangs_up(after="well"))
    assert len([one for one in server.told if one["type"] == "error"]) == 3
    assert phone.lines[-1] == "agent: All is well."


def test_nothing_but_garbage_ends_the_connection_and_the_call():
    server = answering(lambda connection: [connection.send('{"type":"huh"}') for _ in range(10)])
    phone, end = talked(server)
    _fails_with(end, "malformed_messages")
    assert server.connections[0].closed == 1007
    assert longest_silence_ms(phone) < 4000


def test_a_server_that_writes_without_end_is_slowed_down_and_cut_off():
    def floods(connection):
        for _ in range(5000):
            connection.say("Blah blah blah blah. ", last=False)

    server = answering(floods)
    phone, _ = talked(server, lambda phone: phone.hangs_up(after="Blah", over=True, pause_s=30.0))
    assert max(len(line) for line in phone.lines) < 9000


def test_tokens_before_any_prompt_and_an_empty_answer_are_as_good_as_others():
    def answer(connection, message):
        if message["type"] == "setup":
            connection.say("I am here early.")
        elif message["type"] == "prompt":
            connection.say("")

    def act(phone):
        phone.says("Hm, well then.", after="early")

    phone, end = talked(Server(answer, secrets=TOKEN), act, says=None)
    assert phone.lines[2] == "agent: I am here early."
    assert phone.lines[-1].endswith("I can't hear you. Goodbye.")
    assert end.end_reason == EndReason.COMPLETED
    assert not any("One moment" in line for line in phone.lines)


def test_without_a_greeting_the_server_hears_the_hello_and_says_the_first_words():
    server = answering(["This is Meadow Dental."])
    yaml = "\n".join(line for line in YAML.splitlines() if not line.startswith("greeting"))
    phone, _ = talked(server, lambda phone: phone.hangs_up(after="Meadow"), yaml=yaml, says=None)
    assert [one.get("voicePrompt") for one in server.told] == [None, "Hello?"]
    assert phone.lines == ["callee: Hello?", "agent: This is Meadow Dental."]


def test_a_secret_that_is_missing_fails_the_call_and_is_named_nowhere():
    server = answering()

    async def missing(names, host):
        from outdial.secrets.store import SecretMissing

        raise SecretMissing("token")

    server.secrets = missing
    _, end = talked(server, says=None)
    _fails_with(end, "secret_missing")


def test_what_the_server_hands_over_is_json_that_can_be_kept():
    phone, _ = talked(answering(ends("[" * 3000, "Bye.")))
    assert json.dumps(phone.noted)
