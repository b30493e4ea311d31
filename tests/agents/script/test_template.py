import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.agents.script.template import TemplateError, parse_text, render, spoken
from outdial.speech.reading.marks import Format, marked, without_marks
from outdial.speech.reading.reader import Reading


def say(text, defaults=None, **variables):
    return render(parse_text(text), variables, defaults or {})


def test_a_value_comes_before_a_fallback_and_a_fallback_before_the_default():
    assert say("{a|fallback}", {"a": "default"}, a="value") == "value"
    assert say("{a|fallback}", {"a": "default"}) == "fallback"
    assert say("{a}", {"a": "default"}) == "default"
    assert say("{a}", {"a": "default"}, a=None) == "default"
    assert say("Hello{a|}!", {"a": "default"}) == "Hello!"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Hello {x}, this is Anna.", "Hello, this is Anna."),
        ("Hello {x} , this is Anna.", "Hello, this is Anna."),
        ("{x}, this is Anna.", "This is Anna."),
        ("Thanks. {x}, see you.", "Thanks. See you."),
        ("Hello, {x}.", "Hello."),
        ("Hello, {x}, this is Anna.", "Hello, this is Anna."),
        ("Hello {x} {y}, hi", "Hello, hi"),
        ("Hello {x}{y}!", "Hello!"),
        ("Goodbye, {x}", "Goodbye"),
        ("Your ({x}) plan", "Your plan"),
        ("It is \u201c{x}\u201d today", "It is today"),
        ("{x}'s appointment is due", "Appointment is due"),
        ("As a {x} patient you wait less", "As a patient you wait less"),
        ("Room-{x} is free", "Room- is free"),
        ("{x}", ""),
        ("{x}?", ""),
        ("{x} {y}.", ""),
        ("a {{ b: c }} d", "a { b: c } d"),
        ("  two\n  lines ", "two lines"),
    ],
)
def test_a_text_closes_over_a_missing_value(text, read):
    assert say(text) == read


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("Jane", "Jane"),
        ("  Jane \n Doe\t", "Jane Doe"),
        ("Ja\x00ne\x1b", "Ja ne"),
        ("\u202eenaJ\u202c", "enaJ"),
        ("{user_name}", ""),
        ("{{first name}}", ""),
        ("Jane {Doe}", "Jane Doe"),
        (", Jane", "Jane"),
        ("Jane , Doe", "Jane, Doe"),
        ("+12025550100", "+1 202-555-0100"),
        ("+442079460958", "+44 20 7946 0958"),
        ("...", ""),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (12, "12"),
        (3.0, "3"),
        (9.50, "9.5"),
        (float("nan"), ""),
        (float("inf"), ""),
        pytest.param(10**5000, "", id="huge"),
        (None, ""),
        ({"a": 1}, ""),
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (["a", None, "b", 3], "a, b and 3"),
        ([["a"], "b"], "b"),
        ("word " * 100, ("word " * 40).strip()),
        ("x" * 500, "x" * 200),
    ],
)
def test_a_value_is_spoken_sensibly_or_counts_as_missing(value, read):
    assert spoken(value) == read


def test_values_inside_values_are_reached_by_their_path():
    customer = {"name": {"first": "Jane"}, "pets": ["Rex", "Tom"]}
    assert say("{customer.name.first} and {customer.pets.1}", customer=customer) == "Jane and Tom"
    assert say("{customer.name.last|nobody} {customer.pets.9|none}", customer=customer) == "nobody none"


def test_a_value_is_not_a_template():
    assert say("Hello {a}", a="{b} there", b="secret") == "Hello b there"


@pytest.mark.parametrize(
    ("text", "written", "said"),
    [
        ("Code {code:digits}.", "Code 00123.", "Code zero zero one two three."),
        ("Code { code : digits | from your letter }.", "Code 00123.", "Code zero zero one two three."),
        ("Code {none:digits|from your letter of 2026}.", "Code from your letter of 2026.",
         "Code from your letter of twenty twenty-six."),
        ("Year {year:digits}", "Year 1998", "Year one nine nine eight"),
        ("{year:number} of {year}", "1998 of 1998",
         "one thousand nine hundred ninety-eight of nineteen ninety-eight"),
        ("That is {user.name:spell}, {gone:spell} right?", "That is Ann, right?", "That is A, N, N, right?"),
        ("{list:digits}", "12 and 34", "one two, A, N, D, three four"),
    ],
)  # fmt: skip
def test_a_format_says_how_a_value_is_read_and_changes_nothing_written(text, written, said):
    values = {"code": "00123", "year": 1998, "user": {"name": "Ann"}, "list": ["12", "34"]}
    parsed = parse_text(text)
    assert render(parsed, values, {}) == written
    to_say = render(parsed, values, {}, to_say=True)
    assert without_marks(to_say) == written
    assert Reading().spoken(to_say) == said


def test_a_default_is_read_by_the_format_too():
    to_say = render(parse_text("Code {code:digits}"), {}, {"code": 1998}, to_say=True)
    assert Reading().spoken(to_say) == "Code one nine nine eight"


def test_a_text_is_written_again_as_it_was():
    for source in ("{a:digits}", "{a:digits|none}", "{a|none}", "{a.b:spell}", "{{ b: c }}"):
        assert parse_text(source).source == source


def test_an_unknown_format_is_refused_by_name():
    with pytest.raises(TemplateError) as refused:
        parse_text("Code {code:digit|none}")
    assert str(refused.value) == (
        "'digit' is no format for {code}: there is digits, spell or number, as in {code:digits}"
    )


def test_values_cannot_bring_marks_of_their_own():
    value = marked("12", Format.SPELL)
    assert render(parse_text(f"A {value} {{b}}"), {"b": value}, {}, to_say=True) == "A 12 12"


@pytest.mark.parametrize(
    "text",
    [
        "{", "}", "{}", "{a b}", "a {b", "{1}", "{a.}", "{{a}}", "{{a:digits}}", "{a|{b}}", "{a:}", "{a:x}",
        "{:digits}", "{a:digits:spell}",
    ],
)  # fmt: skip
def test_braces_that_name_no_variable_are_refused(text):
    with pytest.raises(TemplateError):
        parse_text(text)


names = st.sampled_from(["a", "b", "c.d", "c.e"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("dex"), inner, max_size=3),
    max_leaves=8,
)
pieces = st.lists(
    st.sampled_from(["Hello ", ", ", ". ", "! ", " and ", "(", ")", "'s ", "this is", " - ", "? "])
    | names.map("{{{}}}".format)
    | names.map("{{{}|there}}".format),
    max_size=10,
).map("".join)


@given(pieces, st.dictionaries(st.sampled_from("abc"), json_values))
def test_what_is_read_aloud_shows_no_template_and_no_gap(source, variables):
    read = render(parse_text(source), variables, {})
    assert "{" not in read
    assert "}" not in read
    assert "  " not in read
    assert read == read.strip()
    assert not re.search(r"[\x00-\x1f\x7f]", read)
    assert len(read) <= 2000
    assert read == "" or any(character.isalnum() for character in read)


@given(st.dictionaries(st.sampled_from(["user_name", "plan"]), json_values))
def test_no_value_breaks_the_punctuation_of_a_greeting(variables):
    greeting = parse_text("Hello {user_name}, this is the {plan} line. {user_name}, are you there?")
    read = render(greeting, variables, {})
    assert read.startswith("Hello")
    assert " ," not in read
    assert "  " not in read
    if not any(spoken(value) for value in variables.values()):
        assert read == "Hello, this is the line. Are you there?"


@given(st.text(max_size=200))
def test_any_text_is_parsed_or_refused(source):
    try:
        text = parse_text(source)
    except TemplateError:
        return
    assert isinstance(render(text, {}, {}), str)
