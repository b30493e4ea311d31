"""Simulated models as YAML, or as JSON in a request: read, or refused with the place of what is wrong.

    simulated-clerk:
      token_s: 0.02
      variables:
        name: {system: "Name: (.+)"}               # or {user: …}; the first group
      rules:
        - name: look
          when: {user: [tuesday, next week], declared: find_slot}   # a list is of words, a text an expression
          say: Let me look, {name|one moment}.
          call: {tool: find_slot, arguments: {day: "{heard}"}}       # or a list of calls
        - say: Which day suits you?
"""

import re
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from outdial.simulator.model.models import PATTERNS, Call, Rule, SimulatedModel, Variable, When

DEFAULT = Path(__file__).with_name("reminder.yaml")
FINISHES = ("stop", "length", "tool_calls", "content_filter")


class Invalid(ValueError):
    """The text begins with the place: "simulated-clerk.rules[2].when.user: …"."""


@lru_cache(maxsize=1)
def default_models() -> tuple[SimulatedModel, ...]:
    """The model of the demo; read when it is asked for the first time."""
    return read(DEFAULT.read_text())


def read(text: str) -> tuple[SimulatedModel, ...]:
    """Raises Invalid."""
    try:
        given = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Invalid(f"no YAML: {error}") from None
    return models_of(given)


def models_of(given: object) -> tuple[SimulatedModel, ...]:
    """Raises Invalid."""
    if not isinstance(given, dict) or not given:
        raise Invalid("models by their names are expected")
    return tuple(_model(name, each) for name, each in given.items())


def _model(name: object, given: object) -> SimulatedModel:
    place = str(name)
    known = _object(given, place, ("rules", "variables", "first_token_s", "token_s", "context_tokens"))
    rules = known.get("rules")
    if not isinstance(rules, list) or not rules:
        raise Invalid(f"{place}.rules: a list of rules is expected")
    variables = known.get("variables", {})
    if not isinstance(variables, dict):
        raise Invalid(f"{place}.variables: an object is expected")
    try:
        return SimulatedModel(
            name=place,
            rules=tuple(_rule(each, f"{place}.rules[{index}]", index) for index, each in enumerate(rules)),
            variables={str(key): _variable(each, f"{place}.variables.{key}") for key, each in variables.items()},
            first_token_s=_number(known, "first_token_s", place, 0.0),
            token_s=_number(known, "token_s", place, 0.0),
            context_tokens=int(_number(known, "context_tokens", place, 128_000)),
        )
    except Invalid:
        raise
    except ValueError as error:
        raise Invalid(f"{place}: {error}") from None


def _rule(given: object, place: str, index: int) -> Rule:
    known = _object(given, place, ("name", "when", "say", "call", "data", "reasoning", "refusal", "finish"))
    calls = known.get("call", [])
    calls = calls if isinstance(calls, list) else [calls]
    finish = _text(known, "finish", place)
    if finish and finish not in FINISHES:
        raise Invalid(f"{place}.finish: one of {', '.join(FINISHES)}")
    if not {"say", "call", "data", "refusal"} & known.keys():
        raise Invalid(f"{place}: nothing to say or to call")
    return Rule(
        name=_text(known, "name", place) or f"rule {index + 1}",
        when=_when(known.get("when", {}), f"{place}.when"),
        say=_text(known, "say", place),
        calls=tuple(_call(each, f"{place}.call") for each in calls),
        data=known.get("data"),
        reasoning=_text(known, "reasoning", place),
        refusal=_text(known, "refusal", place),
        finish=finish,
    )


def _when(given: object, place: str) -> When:
    known = _object(given, place, tuple(each.name for each in fields(When)))
    turns = known.get("turns")
    match turns:
        case None:
            pass
        case int(number) if not isinstance(number, bool):
            turns = (number, number)
        case [int(first), int(last)]:
            turns = (first, last)
        case _:
            raise Invalid(f"{place}.turns: a number, or from and to")
    return When(turns=turns, **{name: _pattern(known[name], f"{place}.{name}") for name in PATTERNS if name in known})


def _pattern(given: object, place: str) -> str:
    match given:
        case str(pattern) if pattern:
            return _compiled(pattern, place)
        case [*given_words] if given_words and all(isinstance(word, str) and word.strip() for word in given_words):
            words = [str(word).split() for word in given_words]
            either = "|".join(r"\s+".join(re.escape(each) for each in word) for word in words)
            return rf"(?<!\w)(?:{either})(?!\w)"
    raise Invalid(f"{place}: an expression, or a list of words")


def _compiled(pattern: str, place: str) -> str:
    try:
        re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise Invalid(f"{place}: {error}") from None
    return pattern


def _call(given: object, place: str) -> Call:
    if isinstance(given, str):
        given = {"tool": given}
    known = _object(given, place, ("tool", "arguments", "optional"))
    arguments = known.get("arguments", {})
    if not isinstance(arguments, dict):
        raise Invalid(f"{place}.arguments: an object is expected")
    if not isinstance(known.get("optional", False), bool):
        raise Invalid(f"{place}.optional: true or false")
    return Call(
        tool=_pattern(known.get("tool"), f"{place}.tool"),
        arguments=arguments,
        optional=known.get("optional", False),
    )


def _variable(given: object, place: str) -> Variable:
    known = _object(given, place, ("system", "user"))
    if len(known) != 1:
        raise Invalid(f"{place}: where it is found, system or user, and by which expression")
    ((source, pattern),) = known.items()
    return Variable(pattern=_pattern(pattern, f"{place}.{source}"), source=source)


def _object(given: object, place: str, names: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise Invalid(f"{place}: an object is expected")
    unknown = [str(name) for name in given if name not in names]
    if unknown:
        raise Invalid(f"{place}.{unknown[0]}: unknown; there are {', '.join(names)}")
    return given


def _text(known: Mapping[str, Any], name: str, place: str) -> str:
    value = known.get(name, "")
    if not isinstance(value, str):
        raise Invalid(f"{place}.{name}: a text is expected")
    return value.strip()


def _number(known: Mapping[str, Any], name: str, place: str, default: float) -> float:
    value = known.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1_000_000_000:
        raise Invalid(f"{place}.{name}: a number from 0 on is expected")
    return value
