"""A voiceflow agent on whole calls, with a project in memory."""

import asyncio

import pytest

from outdial.telephony.state import EndReason
from outdial.testing import Phone, run
from outdial.testing.sounds import SoundsInMemory
from tests.agents.files import given
from tests.agents.quiet_calls import longest_silence_ms
from tests.agents.voiceflow.project import END, Fails, ProjectInMemory, Slow, pieces, speak, text

YAML = """
voiceflow:
  project: 64f0c0ffee
  api_key: "{secret:vf}"
  send: {first_name: "{first_name}", visits: "{visits}", plan: basic}
"""
HELLO = text("Hello, this is Meadow Dental. Are you coming on Tuesday?")


def talked(project, act=None, *, yaml=YAML, variables=None, says=None, sounds=None):
    async def call():
        phone = Phone(yaml, tools=project, variables=variables or {})
        given(phone, sounds)
        phone.greets("Hello?")
        if says:
            phone.says(says, after="Tuesday")
        if act is not None:
            act(phone)
        end = await phone.talk()
        own = ("voiceflow", "sound file")
        assert not [task for task in asyncio.all_tasks() if any(name in task.get_name() for name in own)]
        return phone, end

    return run(call())


def test_the_flow_is_launched_with_the_call_and_its_variables_and_ends_it():
    project = ProjectInMemory([HELLO], [speak("<speak>Wonderful &amp; fine.</speak>"), END], state={"outcome": "yes"})
    phone, end = talked(project, variables={"first_name": "Ada", "visits": 3}, says="Yes, I am.")
    assert project.asked == [
        {
            "type": "launch",
            "payload": {"callType": "outbound", "userNumber": "+12025550150", "agentNumber": "+12025550100"},
        },
        {"type": "text", "payload": "Yes, I am."},
    ]
    assert project.sent == [{"first_name": "Ada", "visits": 3, "plan": "basic"}, {}]
    assert (project.project.user, project.project.key, project.forgotten) == ("+12025550150", "VF.DM.vf", 1)
    assert project.host == "general-runtime.voiceflow.com"
    assert phone.lines[-1] == "agent: Wonderful & fine."
    assert (phone.noted, end.end_reason) == ({"outcome": "yes"}, EndReason.COMPLETED)


def test_a_state_that_is_remembered_is_not_forgotten_first():
    project = ProjectInMemory([HELLO, END])
    talked(project, yaml=YAML.replace("project:", "remembers: true\n  user: call\n  project:"))
    assert (project.forgotten, project.project.user) == (0, "call_in_memory")


def test_what_a_model_writes_is_said_while_it_is_written():
    writes = pieces("Your table is bo", "oked. It is", " by the window.")
    project = ProjectInMemory([HELLO], [*writes, text("Bye."), END])
    phone, _ = talked(project, says="Is it done?")
    assert phone.lines[-2:] == ["agent: Your table is booked. It is by the window.", "agent: Bye."]


def test_a_flow_hears_that_nobody_replied_after_its_own_time():
    waits = {"type": "no-reply", "payload": {"timeout": 3}}
    project = ProjectInMemory([HELLO, waits], [text("Are you there? It is about Tuesday."), waits], [END])
    _, end = talked(project)
    assert [one["type"] for one in project.asked] == ["launch", "no-reply", "no-reply"]
    assert end.end_reason == EndReason.COMPLETED


def test_a_flow_that_goes_on_by_itself_comes_to_an_end():
    turns = [[{"type": "goto", "payload": {"request": {"type": "event", "payload": {}}}}] for _ in range(50)]
    project = ProjectInMemory(*turns)
    phone, _ = talked(project)
    assert len(project.asked) < 10
    assert phone.lines[-1].endswith("Goodbye.")


def test_keys_are_sent_as_the_flow_wants_them():
    wants = {"type": "dtmf", "payload": {"enabled": True, "maxDigits": 4, "delimiter": ["#"]}}
    project = ProjectInMemory([HELLO, wants], [text("Thank you."), END])
    talked(project, lambda phone: phone.presses("4711", after="Tuesday"))
    assert project.asked[1] == {"type": "dtmf", "payload": "4711"}


def test_an_entry_ends_with_the_key_and_after_the_pause_that_the_flow_names():
    wants = {"type": "dtmf", "payload": {"enabled": True, "delimiter": ["*"], "timeoutInSeconds": 5}}
    project = ProjectInMemory([HELLO, wants], [text("And the other one, please?"), wants], [END])

    def act(phone):
        phone.presses("4", after="Tuesday", over=True, pause_s=6.0)
        phone.presses("7#1*", after="Tuesday", over=True, pause_s=10.0)
        phone.presses("99", after="other one")

    talked(project, act)
    assert [one["payload"] for one in project.asked[1:]] == ["47#1", "99"]


@pytest.mark.parametrize("how", ["says", "presses"])
def test_a_choice_that_is_named_or_pressed_is_sent_as_its_request(how):
    button = {"name": "Yes, please", "request": {"type": "path-abc", "payload": {"label": "Yes, please"}}}
    other = {"name": "No", "request": {"type": "path-xyz", "payload": {"label": "No"}}}
    project = ProjectInMemory([HELLO, {"type": "choice", "payload": {"buttons": [other, button]}}], [END])

    def act(phone):
        phone.says("Yes please.", after="Tuesday") if how == "says" else phone.presses("2", after="Tuesday")

    talked(project, act)
    assert project.asked[1] == button["request"]


def test_who_interrupts_breaks_the_turn_off_and_is_heard():
    long = text("Let me tell you everything about our practice and its long history.")
    project = ProjectInMemory([HELLO], [long, Slow(60.0), text("No!")], [END])

    def act(phone):
        phone.says("No, stop that please.", after="everything", over=True, pause_s=1.5)

    phone, _ = talked(project, act, says="Yes.")
    assert [one["type"] for one in project.asked] == ["launch", "text", "text"]
    assert project.asked[2]["payload"].endswith("stop that please.")
    assert project.broken_off == 1
    assert not any("No!" in line for line in phone.lines if line.startswith("agent"))


def test_a_call_is_forwarded_where_the_flow_says_once_it_has_spoken():
    forward = {"type": "call-forward", "payload": '{"address": "+1 202 555 0142", "addressType": "phone"}'}
    project = ProjectInMemory([HELLO], [text("I'll connect you."), forward, text("never")])
    phone, _ = talked(project, says="A person, please.")
    assert phone.transferred_to == ["+12025550142"]
    assert phone.lines[-1] == "agent: I'll connect you."


def test_an_extension_that_can_not_be_dialled_is_told_of():
    forward = {"type": "call-forward", "payload": {"address": "+12025550142", "extension": "104"}}
    phone, _ = talked(ProjectInMemory([HELLO], [forward]), says="A person, please.")
    assert phone.transferred_to == ["+12025550142"]
    told = {"to": "call-forward", "done": True, "left_out": "extension"}
    assert ("brain_transfer", told) in phone.events


@pytest.mark.parametrize("forward", [{"address": "sip:a@b", "addressType": "sip"}, {}, {"address": "0123"}])
def test_what_is_no_number_is_not_called_and_the_flow_hears_of_it_where_it_wants_to(forward):
    project = ProjectInMemory([HELLO], [{"type": "call-forward", "payload": forward}], [text("Then not."), END])
    yaml = YAML.replace("project:", "transfer_failed: nobody_there\n  project:")
    phone, _ = talked(project, yaml=yaml, says="A person, please.")
    assert phone.transferred_to == []
    assert project.asked[2] == {"type": "event", "payload": {"event": {"name": "nobody_there"}}}


def test_who_wants_no_more_calls_gets_none():
    project = ProjectInMemory([HELLO], [text("But listen!")])
    phone, _ = talked(project, says="Take me off your list.")
    assert phone.noted["do_not_call"] is True
    assert len(project.asked) == 1


def test_the_flow_can_not_note_what_outdial_notes():
    state = {"do_not_call": True, "call_back_at": "2026-01-01T00:00:00Z", "outcome": "not a word!", "day": "Friday"}
    phone, _ = talked(ProjectInMemory([HELLO, END], state=state))
    assert phone.noted == {"day": "Friday"}


# -- what goes wrong


def _fails_with(end, word):
    assert (end.end_reason, str(end.error.code)) == (EndReason.FAILED, "agent_failed")
    assert end.error.message == f"The agent's Voiceflow project failed: {word}."


@pytest.mark.parametrize(
    ("turns", "word", "asked"),
    [
        ([[Fails("http_401")]], "http_401", 1),
        ([[Fails("http_503", may_again=True)], [Fails("http_503", may_again=True)]], "http_503", 2),
        ([[HELLO], [Fails("http_429")]], "http_429", 2),
        ([[HELLO], [Fails("connection", may_again=True)]], "connection", 2),  # a turn is never asked for twice
        ([[HELLO], [text("I see."), Fails("broken_off")]], "broken_off", 2),
        ([[Slow(1000.0)]], "no_answer", 1),
        ([[HELLO], [Slow(1000.0)]], "no_answer", 2),
    ],
)
def test_a_project_that_can_not_go_on_ends_the_call_with_an_apology_and_never_in_silence(turns, word, asked):
    project = ProjectInMemory(*turns)
    phone, end = talked(project, says="Yes, I am.")
    _fails_with(end, word)
    assert len(project.asked) == asked
    assert phone.lines[-1].startswith("agent: I'm sorry, something isn't working here")
    assert longest_silence_ms(phone) < 4000


def test_a_state_that_is_not_told_in_time_keeps_nobody_on_the_line():
    async def call():
        phone = Phone(YAML, tools=project)
        phone.greets("Hello?")
        await phone.talk()
        return asyncio.get_running_loop().time() * 1000 - max(turn.end_ms for turn in phone.turns.values())

    project = ProjectInMemory([HELLO, END])
    began = run(call())
    project = ProjectInMemory([HELLO, END])
    project.told_after_s = 1000.0
    assert 1000 < run(call()) - began < 3500


def test_a_launch_that_came_to_nothing_is_tried_once_more():
    project = ProjectInMemory([Fails("connection", may_again=True)], [HELLO, END])
    phone, end = talked(project)
    assert end.end_reason == EndReason.COMPLETED
    assert ("brain_lost", {"error": "connection"}) in phone.events


def test_a_turn_that_pauses_in_the_middle_is_filled_in_for():
    project = ProjectInMemory([HELLO], [text("One second."), Slow(12.0), text("Found it."), END])
    phone, _ = talked(project, says="Yes, I am.")
    assert longest_silence_ms(phone) < 4000
    assert phone.lines[-1] == "agent: Found it."


def test_a_model_that_pauses_in_the_middle_of_what_it_writes_is_filled_in_for():
    writes = pieces("Let me look that up. ", "It is on Friday.")
    project = ProjectInMemory([HELLO], [*writes[:2], Slow(9.0), *writes[2:], END])
    phone, _ = talked(project, says="Yes, I am.")
    assert longest_silence_ms(phone) < 4000
    assert phone.lines[-1].endswith("It is on Friday.")


@pytest.mark.parametrize(
    "odd",
    [None, 7, [], {}, {"type": "text"}, {"type": "text", "payload": {"message": 7}}, {"type": "visual", "payload": "{"},
     {"type": "speak", "payload": {"type": "audio", "src": 7}}, {"type": ["end"]},
     {"type": "dtmf", "payload": {"maxDigits": "4"}}, {"type": "no-reply", "payload": {"timeout": float("nan")}}],
)  # fmt: skip
def test_a_trace_that_is_odd_or_of_no_use_is_passed_over(odd):
    project = ProjectInMemory([odd, HELLO, odd], [END])
    phone, end = talked(project, says="Yes, I am.")
    assert end.end_reason == EndReason.COMPLETED
    assert phone.lines[1].startswith("agent: Hello, this is Meadow Dental.")


def test_a_turn_without_a_word_is_followed_by_listening():
    project = ProjectInMemory([HELLO], [], [END])
    _, end = talked(project, says="Yes, I am.", act=lambda phone: phone.says("Anybody?", after="still there"))
    assert [one["type"] for one in project.asked] == ["launch", "text", "text"]
    assert end.end_reason == EndReason.COMPLETED


JINGLE = {"type": "speak", "payload": {"type": "audio", "src": "https://files.example/jingle.mp3?key=secret"}}
SOURCE = JINGLE["payload"]["src"]


def test_an_audio_trace_is_played_where_it_stands():
    project = ProjectInMemory([HELLO], [text("Listen."), JINGLE, text("Bye."), END])
    phone, end = talked(project, says="Yes, I am.", sounds=SoundsInMemory({SOURCE: 3000}))
    assert phone.lines[-3:] == ["agent: Listen.", "agent: [jingle.mp3]", "agent: Bye."]
    assert end.end_reason == EndReason.COMPLETED


def test_an_audio_trace_that_is_late_is_filled_in_for_and_one_that_fails_left_out():
    other = {"type": "speak", "payload": {"type": "audio", "src": "https://files.example/gone.wav"}}
    project = ProjectInMemory([HELLO], [other, JINGLE, text("Bye."), END])
    files = SoundsInMemory(slow={SOURCE: 8.0}, fail={other["payload"]["src"]: "http_404"})
    phone, _ = talked(project, says="Yes, I am.", sounds=files)
    assert longest_silence_ms(phone) < 4000
    assert phone.lines[-2:] == ["agent: [jingle.mp3]", "agent: Bye."]
    assert ("sound_failed", {"error": "http_404"}) in phone.events


def test_who_interrupts_an_audio_trace_breaks_the_turn_off():
    project = ProjectInMemory([HELLO], [JINGLE, Slow(60.0), text("No!")], [END])

    def act(phone):
        phone.says("No, stop that please.", after="[jingle.mp3]", over=True, pause_s=1.5)

    phone, _ = talked(project, act, says="Yes.", sounds=SoundsInMemory({SOURCE: 20_000}))
    assert project.asked[2]["payload"].endswith("stop that please.")
    assert not any("No!" in line for line in phone.lines if line.startswith("agent"))
