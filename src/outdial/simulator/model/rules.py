"""From a conversation to the answer: the first rule that fits it."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from outdial.simulator.model.completion import Completion, held_to
from outdial.simulator.model.models import Call, Rule, SimulatedModel, Variable, When
from outdial.simulator.model.requests import ChatRequest, Message, Tool, ToolCall
from outdial.simulator.model.schemas import example, fit
from outdial.simulator.model.templates import PLACE, Json, Unknown, as_text, fill, fill_value, inside

NewId = Callable[[], str]
SPEECHLESS = Rule(name="", say="I don't know what to say to that.")


def answer(model: SimulatedModel, request: ChatRequest, new_id: NewId) -> Completion:
    """What `model` answers; `new_id` names a call of a tool."""
    seen = Seen(request=request, variables=model.variables)
    for rule in (*model.rules, SPEECHLESS):
        groups = seen.fits(rule.when)
        if groups is not None:
            try:
                return held_to(_completion(rule, seen, groups, new_id), request)
            except Unknown:
                continue  # it says, or calls, what there isn't
    raise AssertionError("the last rule always fits")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What rules know of a request: the conversation so far, and the tools."""

    request: ChatRequest
    variables: Mapping[str, Variable] = field(default_factory=dict)

    @cached_property
    def instructions(self) -> str:
        return "\n".join(each.text for each in self.request.messages if each.role in ("system", "developer"))

    @cached_property
    def _talk(self) -> list[Message]:
        return [each for each in self.request.messages if each.role not in ("system", "developer")]

    @cached_property
    def heard(self) -> str:
        """What the user said last, and nobody answered yet."""
        last: list[str] = []
        for message in reversed(self._talk):
            if message.role != "user":
                break
            last.append(message.text)
        return " ".join(reversed(last))

    @cached_property
    def said(self) -> str:
        """What the model said last."""
        return next(self._sayings(), "")

    @cached_property
    def asked(self) -> str:
        """The last of it that was a question."""
        return next((text for text in self._sayings() if "?" in text), "")

    def _sayings(self) -> Iterator[str]:
        return (each.text for each in reversed(self._talk) if each.role == "assistant" and each.text)

    @cached_property
    def turns(self) -> int:
        """How many times the user has spoken; words in a row are spoken once."""
        roles = [each.role for each in self._talk]
        return sum(role == "user" and before != "user" for before, role in zip(["", *roles], roles, strict=False))

    @cached_property
    def results(self) -> list[tuple[str, str]]:
        """Tools and their results, in the order of the conversation."""
        names = {call.id: call.name for each in self._talk for call in each.tool_calls}
        return [(names[each.tool_call_id], each.text) for each in self._talk if each.role == "tool"]

    @cached_property
    def last_results(self) -> list[tuple[str, str]]:
        """Those that came last, and that nothing was said to yet."""
        after = next((n for n, each in enumerate(reversed(self._talk)) if each.role != "tool"), len(self._talk))
        return self.results[len(self.results) - after :]

    @cached_property
    def tools(self) -> dict[str, Tool]:
        return {tool.name: tool for tool in self.request.tools}

    def has(self, tool: str) -> bool:
        return any(is_name(tool, name) for name in self.tools)

    def takes(self, call: Call) -> bool:
        """Whether there is such a tool, and one that has any of these arguments."""
        tool = next((tool for name, tool in self.tools.items() if is_name(call.tool, name)), None)
        if tool is None or not call.arguments:
            return tool is not None
        closed = tool.parameters.get("additionalProperties") is False
        return not closed or bool(call.arguments.keys() & tool.parameters.get("properties", {}).keys())

    def fits(self, when: When) -> dict[str, Any] | None:
        """The groups of a `when` that fits, and the `result` it is about."""
        groups: dict[str, Any] = {}
        for pattern, text in (
            (when.system, self.instructions),
            (when.said, self.said),
            (when.asked, self.asked),
            (when.user, self.heard),
        ):
            if pattern:
                found = self._search(pattern, text, groups)
                if found is None or not text:
                    return None
                groups |= _named(found)
        if when.tool or when.result:
            if not self.last_results:
                return None
            for name, text in self.last_results:
                found = self._search(when.result, text, groups)
                if is_name(when.tool or ".*", name) and found is not None:
                    groups |= {"result": _json(text), **_named(found)}
                    break
            else:
                return None
        called = [call.name for each in self._talk for call in each.tool_calls]
        first, last = when.turns or (0, self.turns)
        fits = (
            (not when.called or any(is_name(when.called, name) for name in called))
            and not (when.not_called and any(is_name(when.not_called, name) for name in called))
            and (not when.declared or self.has(when.declared))
            and first <= self.turns <= last
        )
        return groups if fits else None

    def _search(self, pattern: str, text: str, groups: Mapping[str, Any]) -> re.Match[str] | None:
        try:
            filled = PLACE.sub(lambda place: re.escape(as_text(self.known(place[1], groups))), pattern)
        except Unknown:
            return None
        return search(filled, text)

    def known(self, path: str, groups: Mapping[str, Any]) -> Any:
        """What a template says by `path`. Raises Unknown."""
        name, *way = path.split(".")
        if name in groups:
            return inside(groups[name], way)
        if name == "heard":
            return self.heard
        if name == "result" and self.results:
            return inside(_json(self.results[-1][1]), way)
        if name in self.variables:
            return self._variable(self.variables[name])
        for tool, text in reversed(self.results):
            if tool == name:
                return inside(_json(text), way)
        raise Unknown(path)

    def _variable(self, variable: Variable) -> str:
        texts = (
            [self.instructions]
            if variable.source == "system"
            else [each.text for each in reversed(self._talk) if each.role == "user"]
        )
        for text in texts:
            found = search(variable.pattern, text)
            if found is not None:
                value = next((group for group in found.groups() if group is not None), found[0])
                return str(value).strip()
        raise Unknown(variable.pattern)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def search(pattern: str, text: str) -> re.Match[str] | None:
    return _compiled(pattern).search(text)


def is_name(pattern: str, name: str) -> bool:
    return _compiled(pattern).fullmatch(name) is not None


def _named(found: re.Match[str]) -> dict[str, str]:
    return {name: value for name, value in found.groupdict().items() if value is not None}


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


# -- what the rule says


def _completion(rule: Rule, seen: Seen, groups: Mapping[str, Any], new_id: NewId) -> Completion:
    request = seen.request

    def known(path: str) -> Any:
        return seen.known(path, groups)

    if rule.data is not None and not request.wants_json:
        raise Unknown("data")
    text = fill(rule.say, known)
    calls = [_tool_call(call, seen, known, new_id) for call in rule.calls if not call.optional or seen.takes(call)]
    match request.tool_choice:
        case "none":
            calls = []
        case "auto":
            pass
        case choice:
            wanted = [name for name in seen.tools if choice in ("required", name)]
            calls = [call for call in calls if call.name in wanted] or [
                _tool_call(Call(tool=re.escape(wanted[0])), seen, known, new_id)
            ]
    if not request.parallel_tool_calls:
        calls = calls[:1]
    if request.wants_json and not calls:
        text = json.dumps(_data(rule, request.schema, known), ensure_ascii=False)
    return Completion(
        rule=rule.name,
        text=text,
        tool_calls=tuple(calls),
        reasoning=fill(rule.reasoning, known),
        refusal=fill(rule.refusal, known),
        finish=rule.finish or ("tool_calls" if calls else "stop"),
    )


def _tool_call(call: Call, seen: Seen, known: Callable[[str], Any], new_id: NewId) -> ToolCall:
    name = next((name for name in seen.tools if is_name(call.tool, name)), None)
    if name is None:
        raise Unknown(call.tool)
    arguments = fit(fill_value(call.arguments, known), seen.tools[name].parameters, known)
    return ToolCall(id=new_id(), name=name, arguments=json.dumps(arguments, ensure_ascii=False))


def _data(rule: Rule, schema: Json | None, known: Callable[[str], Any]) -> Any:
    given = fill_value(rule.data, known) if rule.data is not None else {}
    if schema is None:
        return given or {"answer": fill(rule.say, known)}
    if isinstance(given, dict) and given:
        return fit(given, schema, known)
    return given or example(schema, schema, known)
