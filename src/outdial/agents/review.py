"""A script looked at while it is written: what is wrong with it, what it says, which variables that needs."""

from typing import Any

from typing_extensions import TypedDict

from outdial.agents.script.model import Script, ScriptError
from outdial.agents.script.parse import parse_script
from outdial.agents.script.prompts import script_prompts
from outdial.agents.script.template import lookup


class Remark(TypedDict):
    """`line` counts from 1; null when it is about the script as a whole."""

    line: int | None
    message: str


class PromptView(TypedDict):
    """Something the agent says. `step` is the step's name, or `machine`, `do_not_call`, `anywhere`; `verb` is say, ask,
    reprompt, hang_up or message; `variables` are the names in `text`."""

    step: str
    verb: str
    line: int
    text: str
    variables: list[str]


class Review(TypedDict):
    """`errors` has the first fault, which keeps the script from being saved; then there are no prompts. `variables`
    has the default of each variable that a prompt names, null where it has none."""

    errors: list[Remark]
    warnings: list[Remark]
    prompts: list[PromptView]
    variables: dict[str, Any]


def review_script(source: str) -> Review:
    """Takes up to a second for the longest scripts: not on the event loop."""
    try:
        script = parse_script(source)
    except ScriptError as error:
        return Review(errors=[Remark(line=error.line, message=error.reason)], warnings=[], prompts=[], variables={})
    prompts = script_prompts(script)
    return Review(
        errors=[],
        warnings=[Remark(line=warning.line, message=warning.reason) for warning in script.warnings],
        prompts=[
            PromptView(
                step=one.step, verb=one.verb, line=one.line, text=one.text, variables=list(one.variables)
            )
            for one in prompts
        ],
        variables={path: _default(script, path) for one in prompts for path in one.variables},
    )


def _default(script: Script, path: str) -> Any:
    value = lookup(path, script.variables)
    return value if isinstance(value, str | int | float | bool) else None
