"""What can be an agent in Python, and what is said of what can't."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from outdial import Call, agent
from outdial.agents.python.definition import WrongVariable
from outdial.agents.script.model import ScriptError


class Plan(StrEnum):
    BASIC = "basic"
    PREMIUM = "premium"


class Address(BaseModel):
    city: str


@agent(name="Survey", language="en-GB", greet="at_once", hold_s=45, pronounce={"Nguyen": "win"})
async def survey(
    call: Call,
    user_name: str,
    visits: Annotated[int, Field(ge=0)] = 1,
    *,
    on: date = date(2026, 1, 31),
    plan: Plan = Plan.BASIC,
    address: Address | None = None,
) -> Literal["done", "declined"] | None:
    return None


def arguments(**sent):
    assert survey.code is not None
    return survey.code.arguments(sent)


def test_what_is_declared_is_as_in_scripts():
    assert (survey.name, survey.language, survey.greet, survey.hold_s) == ("Survey", "en-GB", "at_once", 45)
    assert survey.reading.pronunciations == (("Nguyen", "win"),)
    assert survey.variables == {
        "user_name": None, "visits": 1, "on": "2026-01-31", "plan": "basic", "address": None
    }  # fmt: skip
    assert survey.outcomes == ("done", "declined")
    assert "Address | None" in survey.types["address"]
    assert survey.code is not None
    assert survey.line == survey.code.talk.__code__.co_firstlineno


def test_variables_are_made_of_what_was_sent():
    assert arguments(user_name="Jane", visits="3", on="2026-02-01", plan="premium", address={"city": "Rome"}) == {
        "user_name": "Jane", "visits": 3, "on": date(2026, 2, 1), "plan": Plan.PREMIUM, "address": Address(city="Rome")
    }  # fmt: skip


@pytest.mark.parametrize("nothing", [None, "", "  ", "undefined", "#N/A"])
def test_what_nobody_meant_has_its_default(nothing):
    assert arguments(user_name="Jane", visits=nothing, on=nothing)["visits"] == 1
    with pytest.raises(WrongVariable, match="'user_name' is missing"):
        arguments(user_name=nothing)


@pytest.mark.parametrize("sent", [{"visits": "4711 is my number"}, {"visits": -4711}, {"on": "4711"}, {"plan": "4711"}])
def test_a_wrong_value_is_told_by_its_name_alone(sent):
    with pytest.raises(WrongVariable) as raised:
        arguments(user_name="Jane", **sent)
    assert next(iter(sent)) in str(raised.value)
    assert "4711" not in str(raised.value)


def test_without_parentheses_all_is_as_usual():
    @agent
    async def plain(call: Call) -> str:
        return "done"

    assert (plain.name, plain.variables, plain.outcomes, plain.greet) == ("plain", {}, None, None)


def test_an_agent_without_a_word_for_its_outcome_names_none():
    @agent
    async def plain(call: Call) -> None: ...

    assert plain.outcomes == ()


def no_coroutine(call: Call): ...
async def no_call(): ...
async def only_names(*, call: Call): ...
async def any_arguments(call: Call, *more: str): ...
async def any_names(call: Call, **more: str): ...
async def no_type(call: Call, user_name): ...
async def odd_type(call: Call, user_name: object.__init__): ...  # type: ignore[valid-type]
async def odd_default(call: Call, visits: int = "many"): ...  # type: ignore[assignment]
async def built_in(call: Call, user_number: str): ...
async def unknown_name(call: Call, user: "Nobody"): ...  # type: ignore[name-defined] # noqa: F821
async def odd_outcome(call: Call) -> int: ...
async def no_word(call: Call) -> Literal["two words"]: ...


@pytest.mark.parametrize(
    ("function", "declared", "reason"),
    [
        (no_coroutine, {}, "no_coroutine is no coroutine: an agent begins with 'async def'"),
        (no_call, {}, "no_call takes the call as its first parameter"),
        (only_names, {}, "only_names takes the call as its first parameter"),
        (any_arguments, {}, "takes variables by their names: '*more: str' is none"),
        (any_names, {}, "takes variables by their names: '**more: str' is none"),
        (no_type, {}, "the variable 'user_name' of no_type needs a type: user_name: str"),
        (odd_type, {}, "the type of the variable 'user_name' is none that comes with a call"),
        (odd_default, {}, "the default of the variable 'visits'"),
        (built_in, {}, "'user_number' is the call's own variable"),
        (unknown_name, {}, "the types of unknown_name can't be looked at"),
        (odd_outcome, {}, "an agent returns the word for what came of the call, or None"),
        (no_word, {}, "'two words' is no outcome"),
        (survey.code.talk, {"machine": {"action": "leave_message"}}, "leave_message needs a message"),
        (survey.code.talk, {"machine": {"action": "sing"}}, "action is hang_up, leave_message or continue"),
        (survey.code.talk, {"greet": "never"}, "greet is at_once or after_hello"),
        (survey.code.talk, {"hold_s": 0}, "hold_s is a number of seconds"),
        (survey.code.talk, {"transfers": ["nobody"]}, "transfer needs a number"),
        (survey.code.talk, {"name": ""}, "name is empty"),
        (survey.code.talk, {"name": object()}, "texts, numbers, lists and mappings, not object"),
        (survey.code.talk, {"volume": "loud"}, "@agent declares no 'volume'"),
        (survey.code.talk, {"voice": "deep"}, "'deep' is no vendor of speech"),
    ],
)  # fmt: skip
def test_what_can_not_be_an_agent_is_told_with_its_line(function, declared, reason):
    with pytest.raises(ScriptError) as raised:
        agent(**declared)(function)
    assert reason in raised.value.reason
    assert raised.value.line == function.__code__.co_firstlineno
