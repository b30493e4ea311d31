"""outdial agents rehearse and talk: a script tried on callees written down, or on whoever types, without a call."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from outdial.cli.failures import CommandFailed
from outdial.cli.output import AsJson, console, print_json, progress

if TYPE_CHECKING:
    from outdial.agents.script.path import Passed
    from outdial.rehearsals.model import Rehearsal
    from outdial.rehearsals.run import Rehearsed, Tried
    from outdial.testing.callee import CalleeLine

LONGEST_S = 60.0  # of all rehearsals of a file
FAILED = 1
UNREADABLE = 2

KEYS = """Type what the callee says; an empty line is silence.
/press 12#   presses keys        /wait 5     says nothing for 5 s
/hang up     ends the call       /again      begins anew"""


def rehearse(
    file: Annotated[
        Path,
        typer.Argument(
            help="Rehearsals (YAML), or an agent in Python with its rehearsals beside it in FILE.rehearsals.yaml; - "
            "reads from standard input.",
            allow_dash=True,
        ),
    ],
    script: Annotated[
        Path | None, typer.Option(help="The agent: YAML, or FILE.py. Default: the one that the rehearsals name.")
    ] = None,
    audio: Annotated[
        bool, typer.Option("--audio", help="Speak the callees' lines, and have the agent listen to them.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Try an agent on callees written down, without a call.

    Ends with 0 when every call went as written, with 1 when one didn't, and with 2 when a file can't be read, or there
    is no voice for --audio.
    """
    from outdial.rehearsals.run import budget
    from outdial.rehearsals.run import rehearse as run
    from outdial.rehearsals.views import audio_rehearsal_view, rehearsal_view

    try:
        if _is_code(file):
            file, script = file.with_name(f"{_file_and_name(file)[0].stem}.rehearsals.yaml"), script or file
        found, parsed = _read_both(file, script)
        done = _with_audio(parsed, found) if audio else run(parsed, found, budget(LONGEST_S))
    except CommandFailed as error:
        progress.print(f"outdial: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(UNREADABLE) from None
    failed = [one for one in done if one.wrong is not None]
    if json:
        view = audio_rehearsal_view if audio else rehearsal_view
        print_json(
            {
                "passed": len(done) - len(failed),
                "failed": len(failed),
                "rehearsals": [view(one) for one in done],
            }
        )
    else:
        if audio:
            _show_spoken(done)
        _show(file, done, len(failed))
    if failed:
        raise typer.Exit(FAILED)


def talk(
    script: Annotated[Path, typer.Argument(help="A script, a YAML file; or an agent in Python, FILE.py.")],
    variable: Annotated[
        list[str] | None, typer.Option("--variable", help="Sent with the call: name=value. May be repeated.")
    ] = None,
) -> None:
    """Talk to a script by typing what the callee says, without a call."""
    from outdial.rehearsals.run import budget
    from outdial.rehearsals.run import talk as run
    from outdial.rehearsals.stage import NO_TALK

    parsed = _script(script)
    if parsed.needs_model:
        raise CommandFailed(f"{script}: {NO_TALK}")
    variables = dict(map(_variable, variable or ()))
    progress.print(KEYS, markup=False, style="dim")
    lines: list[CalleeLine] = []
    shown = 0
    typed = _typed()
    while True:
        done = run(parsed, lines, variables, budget(LONGEST_S))
        said = list(_told(done))
        for text in said[shown:]:
            console.print(text, markup=False, soft_wrap=True)
        shown = len(said)
        if not done.awaits_callee:
            _show_end(done)
        line = next(typed, None)
        if line is None:
            return
        if line == "/again" or not done.awaits_callee:
            lines, shown = [], 0
        else:
            try:
                lines.append(_line(line))
            except ValueError as error:
                progress.print(str(error), markup=False)


def _with_audio(script: "Tried", found: "tuple[Rehearsal, ...]") -> list["Rehearsed"]:
    """Raises CommandFailed where there is no voice."""
    from outdial.rehearsals.with_audio import rehearse_with_audio
    from outdial.speech.base import SpeechUnavailable
    from outdial.testing.audio_call import AudioEngines

    try:
        engines = AudioEngines.offline(script.agent.language)
    except SpeechUnavailable as error:
        raise CommandFailed(f"no rehearsal with audio: {error}") from None
    done: list[Rehearsed] = []
    with _only_errors_logged(), progress.status("") as status:
        for one in found:
            status.update(Text(f"{len(done) + 1} of {len(found)}: {one.name}"))
            done += rehearse_with_audio(script, [one], engines)
    return done


@contextmanager
def _only_errors_logged() -> Iterator[None]:
    """What goes wrong as it is written is no news here."""
    logger = logging.getLogger("outdial")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _read_both(file: Path, script: Path | None) -> "tuple[tuple[Rehearsal, ...], Tried]":
    """The rehearsals of a file, and the script they are of. Raises CommandFailed."""
    from outdial.agents.script.model import ScriptError
    from outdial.rehearsals.parse import parse_rehearsals

    try:
        found = parse_rehearsals(read_text(file))
    except ScriptError as error:
        raise CommandFailed(f"{file}: {error}") from None
    if script is None and found.script is None:
        raise CommandFailed(f"{file}: names no script; write 'script: reminder.yaml' in it, or give --script")
    return found.rehearsals, _script(script or file.parent / str(found.script))


def _script(file: Path) -> "Tried":
    from outdial.agents.script.model import ScriptError
    from outdial.rehearsals.run import Tried

    try:
        if _is_code(file):
            return Tried.python(*_file_and_name(file))
        return Tried.of(read_text(file))
    except ScriptError as error:
        raise CommandFailed(f"{file}: {error}") from None


def _is_code(file: Path) -> bool:
    """Whether it is an agent in Python: FILE.py, or one of several in it, FILE.py:name. Its code is run."""
    return file.name.partition(":")[0].endswith(".py")


def _file_and_name(file: Path) -> tuple[Path, str | None]:
    title, _, name = file.name.partition(":")
    return file.with_name(title), name or None


def read_text(file: Path) -> str:
    """Of a file, or what is typed where it is -. Raises CommandFailed."""
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise CommandFailed(f"{file}: is not text in UTF-8") from None
    except OSError as error:
        raise CommandFailed(f"{file}: {error.strerror}") from None


def _show_spoken(done: list["Rehearsed"]) -> None:
    """What was understood of each line, and how soon it was answered."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("line", "the callee says", "heard as", "reply"):
        table.add_column(column, overflow="fold")
    for one in sorted((spoken for each in done for spoken in each.spoken), key=lambda spoken: spoken.line):
        reply = "-" if one.reply_ms is None else f"{one.reply_ms / 1000:.2f} s"
        style = "red" if one.is_misheard else ""
        table.add_row(str(one.line), Text(one.said), Text(one.heard or "-", style=style), reply)
    if table.row_count:
        console.print(table)
        console.print()


def _show(file: Path, done: list["Rehearsed"], failed: int) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("rehearsal", "result", "line", "outcome", "call"):
        table.add_column(column, overflow="fold")
    for one in done:
        result = "[green]passed[/green]" if one.wrong is None else "[red]failed[/red]"
        line = str(one.line) if one.line else "-"
        table.add_row(Text(one.name), result, line, Text(one.outcome or "-"), f"{one.duration_ms / 1000:.1f} s")
    console.print(table)
    for one in done:
        if one.wrong is not None:
            place = f"{file}:{one.line}" if one.line else str(file)
            console.print(f"{place}: {one.name}: {one.wrong}", markup=False, soft_wrap=True)
    console.print(f"{len(done) - failed} of {len(done)} went as written.", style="red" if failed else "green")


def _told(done: "Rehearsed") -> Iterator[str]:
    """What was said and which steps were begun, in their order."""
    passed = list(done.path)
    for turn in done.turns:
        while passed and passed[0].at_ms <= turn.start_ms:
            yield _step(passed.pop(0))
        yield f"{turn.start_ms / 1000:6.1f} s  {turn.speaker:<7}{turn.text}{' …' if turn.interrupted else ''}"
    for one in passed:
        yield _step(one)


def _step(one: "Passed") -> str:
    return f"          → {one.step}{f' ({one.led_by})' if one.led_by else ''}"


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
