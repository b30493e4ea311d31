"""outdial agents talk: whoever types is the callee, and the agent answers, without a call."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outdial.cli.configuration import load_settings
from outdial.cli.failures import CommandFailed
from outdial.cli.output import console, progress
from outdial.cli.rehearse import LONGEST_S, StandIn, tried

if TYPE_CHECKING:
    from outdial.agents.llm.chat import Model
    from outdial.agents.llm.free_talk import ModelName
    from outdial.agents.llm.vendors import ModelServers
    from outdial.agents.script.path import Passed
    from outdial.rehearsals.run import Rehearsed, ToolWish, Tried
    from outdial.rehearsals.tape import TapedAnswer
    from outdial.testing.callee import CalleeLine

KEYS = """Type what the callee says; an empty line is silence.
/press 12#   presses keys        /wait 5     says nothing for 5 s
/hang up     ends the call       /again      begins anew"""
STAND_IN = (
    "The model is a stand-in: it answers by rules and doesn't think, whatever the agent is for. It is part of the "
    "simulator, and costs nothing."
)


def talk(
    script: Annotated[Path, typer.Argument(help="An agent: a YAML file, or in Python, FILE.py.")],
    variable: Annotated[
        list[str] | None, typer.Option("--variable", help="Sent with the call: name=value. May be repeated.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Ask this model instead of the agent's own: vendor:name, or base URL and name.", metavar="NAME"
        ),
    ] = None,
    stand_in: StandIn = False,
) -> None:
    """Talk to an agent by typing what the callee says, without a call.

    An agent with a model asks it, which may cost money: its key is in the environment, or in OUTDIAL_MODEL_SERVERS.
    """
    if model is not None and stand_in:
        raise CommandFailed("--model and --stand-in are two different models")
    from outdial.testing import virtual_time

    parsed = tried(script)
    variables = dict(map(_variable, variable or ()))
    if not parsed.needs_model:
        _talk(virtual_time.run, parsed, variables, ())  # an agent in Python may sleep
        return
    with asyncio.Runner() as runner:
        if stand_in:
            from outdial.cli.stand_in_model import stand_ins

            progress.print(STAND_IN, markup=False, style="yellow")
            _talk(runner.run, parsed, variables, stand_ins(parsed))
        else:
            servers, names = runner.run(_usable(parsed, model))
            try:
                _talk(runner.run, parsed, variables, servers.open(names))
            finally:
                runner.run(servers.aclose())


async def _usable(parsed: "Tried", written: str | None) -> "tuple[ModelServers, list[ModelName]]":
    """The agent's models, or the one written for each of them. Raises CommandFailed where none can be asked."""
    from outdial.agents.llm.vendors import ModelServers
    from outdial.cli.named_model import cost_of, named_model, usable_model

    keys = load_settings().model_keys
    usable, why = [], ""
    for name in parsed.models if written is None else [named_model(written)]:
        try:
            usable.append(await usable_model(name, keys, trusted=written is not None))
        except CommandFailed as error:
            why = why or str(error)
    if not usable:
        raise CommandFailed(f"{why}. Without a key: --stand-in")
    first = usable[0]
    cost = cost_of(first, at_most_dollars=None)
    progress.print(f"{first.name} is asked, a real model. {cost}", markup=False, soft_wrap=True, style="yellow")
    names = [*parsed.models] if written is None else [first] * len(parsed.models)
    own = {first.base_url: ""} if written is not None and first.base_url else {}
    return ModelServers({**own, **keys}), names


def _talk(
    run: "Callable[[Coroutine[Any, Any, Rehearsed]], Rehearsed]",
    parsed: "Tried",
    variables: Mapping[str, Any],
    models: "Sequence[Model]",
) -> None:
    """`run`: an event loop's, with which each talk is held."""
    from outdial.rehearsals.run import budget, talk_with_models
    from outdial.rehearsals.tape import Tape, TapedAnswer

    progress.print(KEYS, markup=False, style="dim")
    lines: list[CalleeLine] = []
    answers: list[TapedAnswer] = []
    shown = 0
    typed = _typed()
    while True:
        tape = Tape(answers)
        done = run(talk_with_models(parsed, lines, variables, models, tape, budget(LONGEST_S)))
        answers = tape.answers
        said = list(_told(done, answers))
        for text in said[shown:]:
            console.print(text, markup=False, soft_wrap=True)
        shown = len(said)
        if not done.awaits_callee:
            _show_end(done)
        line = next(typed, None)
        if line is None:
            return
        if line == "/again" or not done.awaits_callee:
            lines, answers, shown = [], [], 0
        else:
            try:
                lines.append(_line(line))
            except ValueError as error:
                progress.print(str(error), markup=False)


def _told(done: "Rehearsed", answers: "Sequence[TapedAnswer]" = ()) -> Iterator[str]:
    """What was said, what a model took for it and wanted, and which steps were begun, in their order."""
    between = sorted(
        [
            *((one.at_ms, 1, _step(one)) for one in done.path),
            *((one.at_ms, 0, _answered(one)) for one in answers),
            *((one.at_ms, 2, _wish(one)) for one in done.tools),
        ],
        key=lambda one: one[:2],
    )
    for turn in done.turns:
        while between and (between[0][0], between[0][1] == 2) <= (turn.start_ms, False):
            yield between.pop(0)[2]
        yield f"{turn.start_ms / 1000:6.1f} s  {turn.speaker:<7}{turn.text}{' …' if turn.interrupted else ''}"
    for _, _, text in between:
        yield text


def _step(one: "Passed") -> str:
    return f"          → {one.step}{f' ({one.led_by})' if one.led_by else ''}"


def _answered(one: "TapedAnswer") -> str:
    if one.fails is not None:
        return f"          · {one.model} failed: {one.fails}"
    first = "" if one.first_word_ms is None else f"first word after {one.first_word_ms} ms, "
    return f"          · {one.model}: {first}all after {one.total_ms} ms, {one.tokens} tokens"


def _wish(one: "ToolWish") -> str:
    shown = {name: ", ".join(value) if isinstance(value, list) else value for name, value in one.arguments.items()}
    given = ", ".join(f"{name}: {value}" for name, value in shown.items() if value)
    return f"          · it wants {one.tool}{f' ({given})' if given else ''}{'' if one.done else ': not done'}"


def _show_end(done: "Rehearsed") -> None:
    if done.wrong:
        progress.print(f"Stopped: {done.wrong}", markup=False)
    else:
        noted = ", ".join(f"{name}: {value}" for name, value in done.noted.items())
        ended = f"The {done.ended_by} hung up after {done.duration_ms / 1000:.1f} s. Outcome: {done.outcome or '-'}"
        console.print(f"{ended}. Noted: {noted or '-'}.", markup=False, soft_wrap=True)
    progress.print("Enter begins anew; Ctrl+D ends.", style="dim")


def _typed() -> Iterator[str]:
    while True:
        if sys.stdin.isatty():
            progress.print("callee> ", end="", markup=False)
        line = sys.stdin.readline()
        if not line:
            return
        yield line.strip()


def _line(typed: str) -> "CalleeLine":
    """What the callee does. Raises ValueError."""
    from outdial.rehearsals.parse import KEYS_PRESSED
    from outdial.testing.callee import HangsUp, Presses, Says, Silent, Waits

    command, _, rest = typed.partition(" ")
    match command, rest.strip():
        case ("", ""):
            return Silent()
        case ("/press", keys) if KEYS_PRESSED.fullmatch(keys):
            return Presses(keys)
        case ("/wait", seconds) if seconds.isdecimal() and 0 < int(seconds[:4]) <= 600:
            return Waits(float(seconds))
        case ("/hang", _):
            return HangsUp()
        case (command, _) if command.startswith("/"):
            raise ValueError(KEYS)
    return Says(typed)


def _variable(given: str) -> tuple[str, Any]:
    from outdial.agents.script.tree import Scalar

    name, equals, value = given.partition("=")
    if not name or not equals:
        raise CommandFailed(f"--variable takes name=value, not {given!r}")
    return name, Scalar(value, quoted=False, line=0).value
