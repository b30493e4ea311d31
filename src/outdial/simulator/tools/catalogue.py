"""The tools by name: what a model is told of each, what it takes and gives, and how it is done."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from outdial.simulator.tools.calendar import Calendar, CannotDo

Json = dict[str, Any]
TEXT: Json = {"type": "string"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """`reads` is so for a tool that changes nothing. Parameters are texts; the first `required` of them are."""

    name: str
    title: str
    description: str
    parameters: Mapping[str, str]  # what each is
    required: tuple[str, ...]
    results: Mapping[str, Json]
    reads: bool
    run: Callable[..., Json]

    @property
    def schema(self) -> Json:
        properties = {name: {**TEXT, "description": description} for name, description in self.parameters.items()}
        return {
            "type": "object",
            "properties": properties,
            "required": list(self.required),
            "additionalProperties": False,
        }

    @property
    def result_schema(self) -> Json:
        return {"type": "object", "properties": dict(self.results), "required": list(self.results)}


TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            name="look_up_appointment",
            title="Look up an appointment",
            description="When somebody's next appointment is.",
            parameters={"name": "First and last name."},
            required=("name",),
            results={"name": TEXT, "day": TEXT, "time": TEXT, "practice": TEXT},
            reads=True,
            run=Calendar.look_up_appointment,
        ),
        Tool(
            name="free_slots",
            title="Find free times",
            description="The next times that are free, in words that can be said.",
            parameters={"day": "Only times of this day of the week."},
            required=(),
            results={"slots": {"type": "array", "items": TEXT}},
            reads=True,
            run=Calendar.free_slots,
        ),
        Tool(
            name="book_slot",
            title="Book a time",
            description="Move somebody's appointment to one of the free times.",
            parameters={"slot": "One of the free times, in the same words.", "name": "Whose appointment it is."},
            required=("slot",),
            results={"booked": TEXT, "name": TEXT, "reference": TEXT},
            reads=False,
            run=Calendar.book_slot,
        ),
    )
}


class BadArguments(Exception):
    """The text says which one is wrong, for a model to read."""


def run(tool: Tool, calendar: Calendar, arguments: object) -> Json:
    """Raises BadArguments and CannotDo."""
    if not isinstance(arguments, dict):
        raise BadArguments("An object of arguments is expected.")
    for name, value in arguments.items():
        if name not in tool.parameters:
            raise BadArguments(f"{name}: no such argument. There are: {', '.join(tool.parameters)}.")
        if not isinstance(value, str):
            raise BadArguments(f"{name}: a text is expected.")
    for name in tool.required:
        if not arguments.get(name):
            raise BadArguments(f"{name}: is required.")
    return tool.run(calendar, **arguments)


__all__ = ["TOOLS", "BadArguments", "CannotDo", "Tool", "run"]
