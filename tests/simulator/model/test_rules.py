"""Rules find the answer: pure, without a server."""

import itertools
import json

import pytest

from outdial.simulator.model.completion import Completion, held_to, pieces, prompt_tokens
from outdial.simulator.model.models import Call, Rule, SimulatedModel, Variable, When
from outdial.simulator.model.requests import ChatRequest, Message, Tool, ToolCall
from outdial.simulator.model.rules import answer

TOOL = Tool(name="end_call", parameters={
    "type": "object",
    "properties": {"outcome": {"enum": ["moved", "confirmed"]}, "day": {"type": "string"}, "paid": {"type": "boolean"}},
    "required": ["outcome", "day", "paid"],
    "additionalProperties": False,
})  # fmt: skip


def user(text):
    return Message(role="user", text=text)


def said(text, *calls):
    made = tuple(ToolCall(id=id_, name=id_, arguments="{}") for id_ in calls)
    return Message(role="assistant", text=text, tool_calls=made)


def result(id_, text):
    return Message(role="tool", text=text, tool_call_id=id_)


def system(text):
    return Message(role="system", text=text)


def ask(rules, *messages, variables=None, **wanted) -> Completion:
    model = SimulatedModel(name="simulated-x", rules=tuple(rules), variables=variables or {})
    request = ChatRequest(model=model.name, messages=messages, **wanted)
    ids = itertools.count(1)
    return answer(model, request, lambda: f"call_{next(ids)}")


@pytest.mark.parametrize(
    ("when", "messages", "fits"),
    [
        (When(user="tues"), [user("Tuesday")], True),
        (When(user="tues"), [user("Tuesday"), said("Yes?"), user("Friday")], False),
        (When(user="tues"), [user("Tues"), user("day")], True),  # words in a row are heard together
        (When(user="tues day"), [user("Tues"), user("day")], True),
        (When(user="tues"), [user("Tuesday"), said("", "look"), result("look", "x")], False),
        (When(user=".*"), [system("Be brief.")], False),
        (When(system="brief"), [system("Be brief."), user("x")], True),
        (When(said="which"), [user("x"), said("Which?"), user("y")], True),
        (When(said="which"), [user("x"), said("Which?"), user("y"), said("Well."), user("z")], False),
        (When(asked="which"), [user("x"), said("Which?"), user("y"), said("Well."), user("z")], True),
        (When(tool="look"), [user("x"), said("", "look"), result("look", "x")], True),
        (When(tool="loo"), [user("x"), said("", "look"), result("look", "x")], False),
        (When(tool="look"), [user("x"), said("", "look"), result("look", "x"), said("So."), user("y")], False),
        (When(tool="b", result="1"), [user("x"), said("", "a", "b"), result("a", "1"), result("b", "2")], False),
        (When(result="2"), [user("x"), said("", "a", "b"), result("a", "1"), result("b", "2")], True),
        (When(called="look"), [user("x"), said("", "look"), result("look", "x"), said("So."), user("y")], True),
        (When(not_called="look"), [user("x"), said("", "look"), result("look", "x"), said("So."), user("y")], False),
        (When(declared="end_call"), [user("x")], True),
        (When(declared="end"), [user("x")], False),
        (When(turns=(2, 3)), [user("x"), said("So."), user("y")], True),
        (When(turns=(2, 3)), [user("x"), user("y")], False),
    ],
)  # fmt: skip
def test_a_rule_fits_or_does_not(when, messages, fits):
    completion = ask([Rule(name="it", when=when, say="Yes.")], *messages, tools=(TOOL,))
    assert (completion.rule == "it") is fits


def test_the_first_rule_that_fits_answers():
    rules = [Rule(name="no", when=When(user="friday")), Rule(name="first", say="1"), Rule(name="second", say="2")]
    assert ask(rules, user("Tuesday")).rule == "first"


def test_without_a_rule_the_model_says_so():
    assert ask([], user("Hello")).text == "I don't know what to say to that."


def test_texts_are_filled_in_with_what_is_known():
    when = When(user="(?P<day>tuesday|friday)")
    rules = [Rule(when=when, say="{name}, {day} it is. You said {heard} {age|nothing}.")]
    variables = {"name": Variable(pattern="Name: (.+)")}
    completion = ask(rules, system("Name: Jane Miller\nBe brief."), user("On Friday!"), variables=variables)
    assert completion.text == "Jane Miller, Friday it is. You said On Friday! nothing."


@pytest.mark.parametrize(("heard", "fits"), [("this is Jane", True), ("Friday", True), ("this is J.ne", False)])
def test_expressions_are_filled_in_literally(heard, fits):
    rules = [Rule(name="it", when=When(asked="on (?P<day>[a-z]+)", user="this is {name}|{day}"), say="Yes.")]
    messages = [system("Name: Jane"), user("x"), said("So on Friday?"), user(heard)]
    assert (ask(rules, *messages, variables={"name": Variable(pattern="Name: (.+)")}).rule == "it") is fits


def test_a_variable_of_what_the_user_said_is_the_last_of_its_kind():
    variables = {"day": Variable(pattern="tuesday|friday", source="user")}
    messages = [user("Tuesday"), said("Sure?"), user("Friday"), said("Sure?"), user("Yes")]
    assert ask([Rule(say="{day}")], *messages, variables=variables).text == "Friday"


def test_a_rule_that_says_what_is_not_known_does_not_fit():
    assert ask([Rule(name="no", say="{name}"), Rule(name="yes", say="Hm.")], user("Hello")).rule == "yes"


def test_results_of_tools_are_known_later_too():
    slots = result("slots", '{"free": ["Monday", "Friday"]}')
    messages = [user("x"), said("", "slots"), slots, said("When?"), user("y")]
    assert ask([Rule(say="{slots.free.1} {result.free.0}")], *messages).text == "Friday Monday"
    assert ask([Rule(name="no", say="{slots.free.2}")], *messages).rule == ""


def test_arguments_are_chosen_filled_in_and_made_up_for_the_tools_schema():
    call = Call(tool="hang_up|end_call", arguments={"outcome": ["gone", "confirmed"], "day": "{heard}", "mood": "fine"})
    completion = ask([Rule(say="Bye.", calls=(call,))], user("Friday"), tools=(TOOL,))
    assert completion.finish == "tool_calls"
    [made] = completion.tool_calls
    assert (made.name, json.loads(made.arguments)) == (
        "end_call",
        {"outcome": "confirmed", "day": "Friday", "paid": False},
    )


def test_a_choice_that_the_schema_has_nothing_of_is_its_first():
    call = Call(tool="end_call", arguments={"outcome": ["gone"]})
    [made] = ask([Rule(calls=(call,))], user("x"), tools=(TOOL,)).tool_calls
    assert json.loads(made.arguments)["outcome"] == "moved"


def test_arguments_keep_the_type_of_what_they_are_filled_in_with():
    tool = Tool(name="note", parameters={"type": "object", "properties": {}})
    rules = [Rule(calls=(Call(tool="note", arguments={"all": "{result.free}", "text": "{result.n} times"}),))]
    messages = [user("x"), said("", "a"), result("a", '{"free": ["Monday"], "n": 2}')]
    [made] = ask(rules, *messages, tools=(tool,)).tool_calls
    assert json.loads(made.arguments) == {"all": ["Monday"], "text": "2 times"}


def test_a_tool_that_is_not_declared_is_not_called():
    rules = [
        Rule(name="no", calls=(Call(tool="hang_up"),)),
        Rule(name="yes", say="Bye.", calls=(Call(tool="hang_up", optional=True),)),
    ]
    completion = ask(rules, user("x"), tools=(TOOL,))
    assert (completion.rule, completion.tool_calls, completion.finish) == ("yes", (), "stop")


@pytest.mark.parametrize(
    ("choice", "called"), [("auto", []), ("none", []), ("required", ["end_call"]), ("end_call", ["end_call"])]
)
def test_a_tool_may_be_required(choice, called):
    completion = ask([Rule(say="Hm.")], user("x"), tools=(TOOL,), tool_choice=choice)
    assert [call.name for call in completion.tool_calls] == called


def test_no_tool_is_called_where_none_may_be():
    completion = ask([Rule(say="Hm.", calls=(Call(tool="end_call"),))], user("x"), tools=(TOOL,), tool_choice="none")
    assert (completion.text, completion.tool_calls, completion.finish) == ("Hm.", (), "stop")


@pytest.mark.parametrize(("parallel", "calls"), [(True, 2), (False, 1)])
def test_several_tools_are_called_at_once_if_they_may_be(parallel, calls):
    rules = [Rule(calls=(Call(tool="end_call"), Call(tool="end_call")))]
    assert len(ask(rules, user("x"), tools=(TOOL,), parallel_tool_calls=parallel).tool_calls) == calls


# -- JSON


SCHEMA = {
    "type": "object",
    "properties": {
        "mood": {"enum": ["good", "bad"]},
        "name": {"type": "string"},
        "visits": {"type": "array", "items": {"$ref": "#/$defs/visit"}, "minItems": 1},
        "note": {"anyOf": [{"type": "null"}, {"type": "string"}]},
        "score": {"type": "integer", "minimum": 1},
    },
    "required": ["mood", "name", "visits", "note", "score"],
    "$defs": {"visit": {"type": "object", "properties": {"day": {"type": "string", "default": "Monday"}}}},
}


def test_json_is_made_up_of_its_schema_and_what_is_known():
    variables = {"name": Variable(pattern="Name: (.+)")}
    completion = ask([Rule(say="Hm.")], system("Name: Jane"), variables=variables, wants_json=True, schema=SCHEMA)
    assert json.loads(completion.text) == {
        "mood": "good", "name": "Jane", "visits": [{"day": "Monday"}], "note": None, "score": 1,
    }  # fmt: skip


def test_a_rule_may_say_which_json():
    rules = [Rule(name="data", data={"mood": ["bad"], "score": 7}), Rule(name="talk", say="Hello.")]
    assert json.loads(ask(rules, user("x"), wants_json=True, schema=SCHEMA).text)["score"] == 7
    assert ask(rules, user("x")).rule == "talk"


def test_a_schema_that_refers_to_itself_has_an_end():
    node = {"type": "object", "properties": {"next": {"$ref": "#"}, "name": {"type": "string"}}}
    assert "next" in json.loads(ask([Rule(say="x")], user("x"), wants_json=True, schema=node).text)


# -- tokens


@pytest.mark.parametrize("text", ["", "Hello, José.", " two  spaces ", "unbelievably", "漢字 ¿sí?", "a\n\nb", "🙂🙂"])
def test_pieces_are_the_text(text):
    assert "".join(pieces(text)) == text


def test_an_answer_is_cut_at_the_most_tokens():
    call = ToolCall(id="1", name="end_call", arguments='{"a": 1}')
    whole = Completion(rule="", text="One two three.", tool_calls=(call,))
    for most in range(1, whole.tokens):
        cut = held_to(whole, ChatRequest(model="x", messages=(user("x"),), max_tokens=most))
        assert cut.finish == "length"
        assert cut.tokens <= most
        assert whole.text.startswith(cut.text)
    assert held_to(whole, ChatRequest(model="x", messages=(user("x"),), max_tokens=whole.tokens)) == whole


def test_an_answer_ends_before_a_text_that_stops_it():
    request = ChatRequest(model="x", messages=(user("x"),), stop=("three", "two"))
    assert held_to(Completion(rule="", text="One two three."), request).text == "One "


def test_a_longer_conversation_has_more_tokens():
    short = ChatRequest(model="x", messages=(user("Hello there"),))
    long = ChatRequest(model="x", messages=(user("Hello there"), said("Yes?", "look"), result("look", "one two")))
    assert prompt_tokens(short) < prompt_tokens(long)
