import pytest

from outdial.agents.script.template import parse_text, render
from outdial.agents.script.unmeant import Meant, is_unmeant, meant


@pytest.mark.parametrize(
    "text",
    [
        "undefined", " undefined ", "undefined undefined", "null", "NULL", "None", "NaN", "nan", "NaT", "<NA>", "<nil>",
        "(null)", "[object Object]", "[object Object], [object Object]", "[object Undefined]", "Invalid Date",
        "Invalid date", "#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#ERROR!",
        "[[first_name]]", "[[ first name ]]", "%FNAME%", "%%first name%%", "*|FNAME|*", "<<FirstName>>",
        "<%= name %>", "<first_name>", "[first_name]", "[FIRST]", "${first_name}", "#{first_name}",
    ],
)  # fmt: skip
def test_what_a_program_or_a_template_left_is_not_meant(text):
    assert is_unmeant(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "none", "Null", "Nan", "nil", "N/A", "Undefined Behaviour Ltd", "undefined bill", "Mr None Smith",
        "nullify", "NULL Corp", "50%", "100% off", "%", "5% to 7%", "#1", "#N", "[sic] yes", "see [1] and [2]",
        "[1]", "<3", "a <b> c", "$5", "*", "**", "Jane [Doe]", "%FNAME% Jane", "the date is invalid", "x" * 5000,
    ],
)  # fmt: skip
def test_words_and_names_are(text):
    assert not is_unmeant(text)


def test_only_what_is_not_meant_is_missing():
    sent = {"name": "undefined", "plan": {"name": "Premium", "ends": "Invalid Date"}, "list": ["a", "null", 3], "n": 0}
    assert meant(sent) == {
        "name": None, "plan": {"name": "Premium", "ends": None}, "list": ["a", None, 3], "n": 0,
    }  # fmt: skip
    assert sent["name"] == "undefined"
    assert dict(Meant(sent)) == meant(sent)


def test_it_is_spoken_as_missing():
    sent = Meant({"first": "[[name]]", "items": ["tea", "undefined", "milk"], "at": {"street": "[object Object]"}})

    def say(text, defaults=None):
        return render(parse_text(text), sent, defaults or {})

    assert say("Hello {first}, this is Anna.") == "Hello, this is Anna."
    assert say("Hello {first|there}!") == "Hello there!"
    assert say("Hello {first}!", {"first": "Jane"}) == "Hello Jane!"
    assert say("You ordered {items}.") == "You ordered tea and milk."
    assert say("At {at.street|your place}.") == "At your place."
