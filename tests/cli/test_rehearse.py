"""outdial agents rehearse and talk, as they are typed."""

import json
import re

import pytest

from outdial.agents.script.examples import load_example
from outdial.refusals import Invalid
from outdial.speech.offline import Engine, available

SCRIPT = """\
variables: {user_name: Jane}
steps:
  greeting:
    ask: Hello {user_name}, shall I go on?
    answers:
      - words: [yes]
        digits: [1]
        goto: thanks
      - words: [no]
        set: {outcome: refused}
        hang_up: Goodbye.
  thanks:
    set: {outcome: agreed}
    hang_up: Thank you. Goodbye.
"""
REHEARSALS = """\
script: script.yaml
rehearsals:
  - name: Agrees
    call:
      - hears: Hello Jane
      - says: Yes.
      - hears: thank you
    expect: {outcome: agreed, path: [greeting, thanks]}
  - name: Refuses [politely]
    call:
      - says: No, thank you.
      - hears: thank you
    expect: {outcome: agreed}
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "script.yaml").write_text(SCRIPT)
    (tmp_path / "rehearsals.yaml").write_text(REHEARSALS)
    return tmp_path


def test_a_rehearsal_that_goes_wrong_is_told_with_its_line_and_fails_the_command(outdial, files):
    done = outdial("agents", "rehearse", str(files / "rehearsals.yaml"))
    assert done.exit_code == 1
    assert f"{files}/rehearsals.yaml:12: Refuses [politely]: the callee doesn't hear this; " in done.stdout
    assert "the agent said “Goodbye.”\n" in done.stdout
    assert "1 of 2 went as written." in done.stdout
    [agrees] = [line for line in done.stdout.splitlines() if line.startswith("Agrees")]
    assert agrees.split()[1:4] == ["passed", "-", "agreed"]


def test_what_is_expected_and_does_not_come_is_told_with_its_line(outdial, files):
    last = "      - hears: thank you\n    expect: {outcome: agreed}"
    without = REHEARSALS.replace(last, "    expect: {outcome: agreed}")
    (files / "rehearsals.yaml").write_text(without)
    done = outdial("agents", "rehearse", str(files / "rehearsals.yaml"))
    assert ":12: Refuses [politely]: outcome is 'refused', not 'agreed'" in done.stdout


def test_the_command_succeeds_where_every_call_went_as_written(outdial, files):
    (files / "rehearsals.yaml").write_text(REHEARSALS.partition("  - name: Refuses")[0])
    done = outdial("agents", "rehearse", str(files / "rehearsals.yaml"), "--json")
    assert done.exit_code == 0
    result = json.loads(done.stdout)
    assert (result["passed"], result["failed"]) == (1, 0)
    [agrees] = result["rehearsals"]
    assert (agrees["name"], agrees["passed"], agrees["wrong"], agrees["line"]) == ("Agrees", True, None, None)
    assert [(step["step"], step["led_by"]) for step in agrees["path"]] == [("greeting", None), ("thanks", "yes")]
    assert agrees["turns"][1]["text"] == "Yes."


def test_json_tells_what_went_wrong_too(outdial, files):
    done = outdial("agents", "rehearse", str(files / "rehearsals.yaml"), "--json")
    assert done.exit_code == 1
    refuses = json.loads(done.stdout)["rehearsals"][1]
    assert (refuses["passed"], refuses["line"], refuses["noted"]) == (False, 12, {"outcome": "refused"})


@pytest.mark.parametrize(
    ("changed", "to", "told"),
    [
        ("rehearsals.yaml", "rehearsals: [\n", "rehearsals.yaml: line 2: "),
        ("rehearsals.yaml", REHEARSALS.replace("hears: Hello", "heard: Hello"), "line 5: 'heard' is unknown"),
        ("rehearsals.yaml", SCRIPT, "line 2: this is a script"),
        ("rehearsals.yaml", REHEARSALS.partition("\n")[2], "names no script"),
        ("rehearsals.yaml", REHEARSALS.replace("script.yaml", "none.yaml"), "none.yaml: No such file"),
        ("script.yaml", SCRIPT.replace("goto: thanks", "goto: thank"), "script.yaml: line 8: there is no step 'thank'"),
    ],
)
def test_what_can_not_be_read_is_told_with_its_line_and_ends_with_2(outdial, files, changed, to, told):
    (files / changed).write_text(to)
    done = outdial("agents", "rehearse", str(files / "rehearsals.yaml"))
    assert done.exit_code == 2
    assert told in done.stderr
    assert done.stdout == ""


def test_the_script_may_be_another_one_and_the_rehearsals_come_from_standard_input(outdial, files):
    source = REHEARSALS.partition("\n")[2].partition("  - name: Refuses")[0]
    done = outdial("agents", "rehearse", "-", "--script", str(files / "script.yaml"), input=source)
    assert done.exit_code == 0, done.stderr


def test_a_place_is_no_emoji(outdial, files):
    lines = ["", *["#"] * 97, "rehearsals:", "  - {name: a, call: , expect: {outcome: other}}"]
    (files / "rehearsals.yaml").write_text("\n".join(lines))
    done = outdial("agents", "rehearse", str(files / "rehearsals.yaml"), "--script", str(files / "script.yaml"))
    assert "rehearsals.yaml:100: a: outcome is" in done.stdout


@pytest.mark.skipif(any(engine.problem for engine in available()), reason="no offline speech on this platform")
def test_with_audio_it_tells_what_was_understood_and_how_soon_it_was_answered(outdial, files):
    (files / "rehearsals.yaml").write_text(REHEARSALS.partition("  - name: Refuses")[0])
    done = outdial("agents", "rehearse", str(files / "rehearsals.yaml"), "--audio")
    assert done.exit_code == 0, done.stdout
    shown = r"^line +the callee says +heard as +reply *\n6 +Yes\. +Yes\. +0\.[2-9]\d s"
    assert re.search(shown, done.stdout)
    assert "1 of 1 went as written." in done.stdout
    (files / "script.yaml").write_text(SCRIPT.replace("Hello {user_name}, shall", "Shall"))
    done = outdial("agents", "rehearse", str(files / "rehearsals.yaml"), "--audio", "--json")
    assert done.exit_code == 1
    [agrees] = json.loads(done.stdout)["rehearsals"]
    assert (agrees["passed"], agrees["line"], agrees["spoken"]) == (False, 5, [])


def test_without_a_voice_nothing_is_rehearsed_with_audio(outdial, files, monkeypatch):
    missing = Engine(package="hibari-tts", version=None, problem="hibari-tts isn't installed; install it with: pip …")
    monkeypatch.setattr("outdial.speech.offline.available", lambda: (missing, missing))
    done = outdial("agents", "rehearse", str(files / "rehearsals.yaml"), "--audio")
    assert done.exit_code == 2
    assert "no rehearsal with audio: hibari-tts isn't installed; install it with" in done.stderr
    (files / "script.yaml").write_text("agent: {language: es-ES}\n" + SCRIPT)
    done = outdial("agents", "rehearse", str(files / "rehearsals.yaml"), "--audio")
    assert done.exit_code == 2
    assert "recogniser are English, and not es-ES" in done.stderr


def test_the_rehearsals_of_an_example_are_printed_like_the_example(outdial, tmp_path):
    for name in ("appointment_reminder", "appointment_reminder.rehearsals"):
        (tmp_path / f"{name}.yaml").write_text(outdial("agents", "example", name).stdout)
    done = outdial("agents", "rehearse", str(tmp_path / "appointment_reminder.rehearsals.yaml"))
    assert done.exit_code == 0, done.stdout
    assert load_example("appointment_reminder.rehearsals").count("- name:") >= 10


def test_whoever_types_talks_to_the_script(outdial, files):
    typed = "Who?\n/press 1\n\n"  # nothing is said after the goodbye
    done = outdial("agents", "talk", str(files / "script.yaml"), "--variable", "user_name=Ann", input=typed)
    lines = [line.split(maxsplit=2)[-1] if " s  " in line else line.strip() for line in done.stdout.splitlines()]
    assert lines[0] == "→ greeting"
    assert "agent  Hello Ann, shall I go on?" in lines
    assert "callee Who?" in lines
    assert "→ thanks (yes)" in lines
    assert "Outcome: agreed. Noted: outcome: agreed." in lines[-1]


def test_a_talk_can_be_begun_anew_and_ended_by_the_callee(outdial, files):
    typed = "Yes\n\n\n/hang up\n/wrong\n"
    done = outdial("agents", "talk", str(files / "script.yaml"), input=typed)
    assert done.stdout.count("→ greeting") == 3  # after the first call, and after the callee hung up
    assert "The callee hung up" in done.stdout
    assert "No such file" in str(outdial("agents", "talk", "nowhere.yaml").exception)
    assert "takes name=value" in str(
        outdial("agents", "talk", str(files / "script.yaml"), "--variable", "user_name").exception
    )


CODE = """from outdial import Call, agent


@agent
async def greeter(call: Call, user_name: str = "there") -> str:
    answer = await call.ask(f"Hello {user_name}, shall I go on?", ["yes", "no"])
    await call.say("Goodbye.")
    return "agreed" if answer == "yes" else "refused"
"""
OF_CODE = """\
variables: {user_name: Jane}
rehearsals:
  - name: Agrees
    call: [hears: Hello Jane, says: Yes.]
    expect: {outcome: agreed}
  - name: Refuses
    call: [says: "No."]
    expect: {outcome: agreed}
"""


@pytest.fixture
def code(tmp_path):
    (tmp_path / "greeter.py").write_text(CODE)
    (tmp_path / "greeter.rehearsals.yaml").write_text(OF_CODE)
    return tmp_path


def test_an_agent_in_python_is_rehearsed_with_the_callees_beside_it(outdial, code):
    done = outdial("agents", "rehearse", str(code / "greeter.py"))
    assert done.exit_code == 1
    assert f"{code}/greeter.rehearsals.yaml:8: Refuses: outcome is 'refused', not 'agreed'" in done.stdout
    assert "1 of 2 went as written." in done.stdout
    (code / "others.yaml").write_text("script: greeter.py\n" + OF_CODE)
    for given in (["others.yaml"], ["greeter.rehearsals.yaml", "--script", f"{code}/greeter.py:greeter"]):
        assert "1 of 2 went as written." in outdial("agents", "rehearse", str(code / given[0]), *given[1:]).stdout


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("user_name: str", "user_name"), "greeter.py: line 4: the variable 'user_name' of greeter needs a type"),
        (("@agent", ""), "greeter.py: which agent? there are: none (write greeter.py:name)"),
        (("call: Call,", "call: Call,,"), "greeter.py: line 5: invalid syntax"),
    ],
)
def test_what_is_wrong_with_an_agent_in_python_is_told_with_its_line(outdial, code, change, reason):
    (code / "greeter.py").write_text(CODE.replace(*change))
    done = outdial("agents", "rehearse", str(code / "greeter.py"))
    assert done.exit_code == 2
    assert reason in done.stderr


def test_an_error_in_an_agent_in_python_is_told_in_full_to_who_writes_it(outdial, code):
    (code / "greeter.py").write_text(CODE.replace('"Goodbye."', "answer + 1"))
    done = outdial("agents", "rehearse", str(code / "greeter.py"))
    assert "TypeError in greeter.py, line 7. can only concatenate str" in done.stdout


def test_an_agent_in_python_that_goes_on_and_on_is_stopped(outdial, code):
    forever = CODE.replace("await call.say", "while True: await asyncio.sleep(5)\n    await call.say")
    (code / "greeter.py").write_text(f"import asyncio\n{forever}")
    assert "the agent goes on and on" in outdial("agents", "rehearse", str(code / "greeter.py")).stdout


def test_one_talks_to_an_agent_in_python(outdial, code):
    done = outdial("agents", "talk", str(code / "greeter.py"), "--variable", "user_name=Ann", input="Yes.\n\n")
    assert "Hello Ann, shall I go on?" in done.stdout
    assert "Outcome: agreed" in done.stdout


def test_no_command_stores_an_agent_in_python(outdial, code):
    made = outdial("workspaces", "create", "Clinic")
    assert made.exit_code == 0, made.output
    for words in (["create", str(code / "greeter.py")], ["update", "agent_x", str(code / "greeter.py")]):
        done = outdial("agents", *words)
        assert isinstance(done.exception, Invalid)
        assert "python agents come with the server" in done.exception.message


@pytest.fixture
def reminder(tmp_path):
    for name in ("model_reminder", "model_reminder.rehearsals"):
        (tmp_path / f"{name}.yaml").write_text(load_example(name))
    return tmp_path / "model_reminder.yaml"


def test_whoever_types_talks_to_a_model_that_stands_in(outdial, reminder):
    typed = "Wrong number.\n"
    done = outdial("agents", "talk", str(reminder), "--stand-in", "--variable", "user_name=Ann", input=typed)
    assert "Am I speaking with Ann?" in done.stdout
    assert re.search(r"simulated-reminder: first word after \d+ ms, all after \d+ ms, \d+ tokens", done.stdout)
    assert "it wants hang_up (outcome: wrong_person)" in done.stdout
    assert "The model is a stand-in" in " ".join(done.stderr.split())


def test_a_model_without_a_key_says_how_to_talk_without_one(outdial, reminder, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    error = str(outdial("agents", "talk", str(reminder), input="").exception)
    assert "OPENAI_API_KEY is not set. Without a key: --stand-in" in error
    both = outdial("agents", "talk", str(reminder), "--stand-in", "--model", "x", input="").exception
    assert "two different models" in str(both)


def test_rehearsals_can_be_played_with_the_stand_in(outdial, reminder):
    """It answers something else than is written there, so what is expected of the call alone is what counts."""
    rehearsals = reminder.with_name("own.yaml")
    rehearsals.write_text(
        "script: model_reminder.yaml\nvariables: {user_name: Ann}\nrehearsals:\n"
        "  - name: Ann comes\n    call: [says: Speaking., says: Yes., says: Bye.]\n    expect: {outcome: confirmed}\n"
    )
    assert outdial("agents", "rehearse", str(rehearsals), "--stand-in").exit_code == 0
    assert outdial("agents", "rehearse", str(rehearsals)).exit_code == 1
