"""`pronounce:` in a script, and how it is refused."""

import textwrap

import pytest

from outdial.agents.script.model import ScriptError
from outdial.agents.script.parse import parse_script
from outdial.speech.reading.reader import Reading

STEPS = "steps: {a: {hang_up: Hello.}}\n"


def test_words_are_said_as_the_script_says():
    script = parse_script("pronounce:\n  Nguyen: win\n  San  Jose: san ho-zay\n  A4: 4 A\n" + STEPS)
    assert script.pronounce == {"Nguyen": "win", "San Jose": "san ho-zay", "A4": "4 A"}
    assert script.reading == Reading(pronunciations=tuple(script.pronounce.items()))
    assert script.reading.spoken("Hello NGUYEN of San Jose.") == "Hello win of san ho-zay."


def test_a_script_reads_in_its_language():
    script = parse_script("agent: {language: en-GB}\n" + STEPS)
    assert script.reading.spoken("On 3/4/2026") == "On April third, twenty twenty-six"
    assert parse_script(STEPS).reading == Reading(language="en-US")


@pytest.mark.parametrize(
    ("section", "line", "reason"),
    [
        ("pronounce: win", 1, "pronounce is written as 'key: value' lines"),
        ("pronounce:\n  Nguyen:", 2, "how 'Nguyen' is said is empty"),
        ("pronounce:\n  Nguyen: [win]", 2, "how 'Nguyen' is said is one text, not a list"),
        ("pronounce:\n  Nguyen: win\n  nguyen: new-yen", 3,
         "'nguyen' is already pronounced on line 2: case doesn't count"),
        ("pronounce:\n  Nguyen: '{x}'", 2,
         "pronounce takes plain words: what a {variable} holds is looked up in it, too"),
        ("pronounce:\n  '?': what", 2, "a word to pronounce, and how it is said, need a letter or a digit"),
        ("pronounce:\n  Nguyen: '...'", 2, "a word to pronounce, and how it is said, need a letter or a digit"),
        (f"pronounce:\n  Nguyen: {'win ' * 30}", 2, "pronounce takes words of at most 100 characters"),
        ("pronounce:\n" + "".join(f"  w{number}: x\n" for number in range(501)), 2,
         "more than 500 words to pronounce"),
    ],
)  # fmt: skip
def test_a_list_that_cannot_be_meant_is_refused_with_its_line(section, line, reason):
    with pytest.raises(ScriptError) as refused:
        parse_script(f"{section.rstrip()}\n{STEPS}")
    assert (refused.value.line, refused.value.reason) == (line, reason)


def test_an_unknown_format_is_refused_when_the_script_is_saved():
    source = """\
        variables: {code: "123"}
        steps:
          a:
            say: Hello.
            hang_up: Your code is {code:digts}.
    """
    with pytest.raises(ScriptError) as refused:
        parse_script(textwrap.dedent(source))
    assert refused.value.line == 5
    assert refused.value.reason.startswith("'digts' is no format for {code}: there is digits, spell or number")


def test_a_voicemail_message_may_have_formats_too():
    message = "Your code is {code:digits|in the mail}."
    script = parse_script(f"machine: {{action: leave_message, message: '{message}'}}\n" + STEPS)
    assert script.machine.message == message
    assert [warning.reason for warning in script.warnings] == []
