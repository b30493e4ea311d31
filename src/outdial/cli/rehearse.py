"""outdial agents rehearse: an agent tried on callees written down, without a call."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from outdial.cli.failures import CommandFailed
from outdial.cli.output import AsJson, console, print_json, progress

if TYPE_CHECKING:
    from outdial.rehearsals.model import Rehearsal
    from outdial.rehearsals.run import Rehearsed, Tried

LONGEST_S = 60.0  # of all rehearsals of a file
FAILED = 1
UNREADABLE = 2

StandIn = Annotated[
    bool, typer.Option("--stand-in", help="The simulator's model answers, by rules and without a key.")
]


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
    stand_in: StandIn = False,
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
        if audio and stand_in:
            raise CommandFailed("--stand-in is for rehearsals without audio")
        models = None
        if stand_in and parsed.needs_model:
            from outdial.cli.stand_in_model import stand_ins

            models = stand_ins(parsed)
        done = _with_audio(parsed, found) if audio else run(parsed, found, budget(LONGEST_S), models)
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



def _with_audio(script: "Tried", found: "tuple[Rehearsal, ...]") -> list["Rehearsed"]:
    """Raises CommandFailed where there is no voice."""
    from outdial.rehearsals.with_audio import rehearse_with_audio
    from outdial.speech.base import SpeechUnavailable
    from outdial.testing.audio_call import AudioEngines

    if any(model.speaks for model in script.models):
        raise CommandFailed("a model that hears and speaks itself isn't asked here: rehearse without --audio")
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
    return found.rehearsals, tried(script or file.parent / str(found.script))


def tried(file: Path) -> "Tried":
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
