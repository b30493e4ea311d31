"""Finds python agents: in a file, in a folder of files, in installed packages (the entry points `outdial.agents`).

A file is run as it stands, and stands alone: what is to be imported is installed. What is wrong with one keeps the
others from nothing.
"""

import hashlib
import linecache
import sys
import traceback
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from itertools import count
from pathlib import Path

import yaml

from outdial.agents.python.definition import PythonAgent
from outdial.agents.python.description import FAULT, describe, parse_description
from outdial.agents.script.model import ScriptError

GROUP = "outdial.agents"
MODULE = "outdial_agent_files"  # the name under which a file is run, with its own and a number
MAX_FILE_BYTES = 1_000_000

_numbers = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with an agent. `name`: its file's, where its own can't be told; `reason` has the place."""

    name: str
    file: str
    reason: str
    fingerprint: str = ""

    @property
    def source(self) -> str:
        """What is stored in the place of its description."""
        sections = {"agent": {"name": self.name}, "fingerprint": self.fingerprint or None, FAULT: self.reason}
        return describe(self.file, sections)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """By name."""

    agents: Mapping[str, PythonAgent]
    faults: Mapping[str, Fault]


def find_agents(path: Path | None, points: Iterable[EntryPoint] | None = None) -> Found:
    """All there are. Runs their code: not on the event loop."""
    agents: list[PythonAgent] = []
    faults: list[Fault] = []
    for file in files_in(path):
        try:
            agents += load_file(file)
        except ScriptError as error:
            reason = _place(file.name, error)
            faults.append(Fault(name=file.stem, file=file.name, reason=reason, fingerprint=_seen(file)))
    for point in entry_points(group=GROUP) if points is None else points:
        try:
            agents.append(load_entry_point(point))
        except ScriptError as error:
            faults.append(Fault(name=point.name, file=point.value, reason=_place(point.value, error)))
    return _sorted_out(agents, faults)


def files_in(path: Path | None) -> list[Path]:
    """The files of agents; tests, and what begins with "_", are none."""
    if path is None:
        return []
    if not path.is_dir():
        return [path]
    found = (one for one in sorted(path.glob("*.py")) if one.is_file())
    return [one for one in found if not one.name.startswith(("_", ".", "test_")) and one.name != "conftest.py"]


def load_file(path: Path) -> list[PythonAgent]:
    """The agents of a file. Raises ScriptError with the line of what is wrong."""
    try:
        written = path.read_bytes()
    except OSError as error:
        raise ScriptError(f"the file can't be read: {error.strerror}") from None
    if len(written) > MAX_FILE_BYTES:
        raise ScriptError(f"the file is longer than {MAX_FILE_BYTES:,} bytes")
    module = types.ModuleType(f"{MODULE}.{path.stem}_{next(_numbers)}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # types that are looked up by their names are found there
    try:
        linecache.checkcache(str(path))
        # Not by an importer: it believes what it compiled before when a file was changed within a second.
        exec(compile(written, str(path), "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - the operator's own
    except BaseException as error:
        del sys.modules[module.__name__]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise _fault_of(error, str(path)) from error
    found = [one for one in vars(module).values() if isinstance(one, PythonAgent) and _is_of(one, module.__name__)]
    fingerprint = _fingerprint(written)
    return [_located(one, path.name, fingerprint, None) for one in {id(one): one for one in found}.values()]


def load_entry_point(point: EntryPoint) -> PythonAgent:
    """Raises ScriptError."""
    try:
        found = point.load()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise _fault_of(error, "") from error
    if not isinstance(found, PythonAgent) or found.code is None:
        raise ScriptError(f"{point.value} is no agent: it has no @agent")
    package = None if point.dist is None else f"{point.dist.name} {point.dist.version}"
    return _located(found, point.value, _seen(Path(found.code.file)), package)


def _located(agent: PythonAgent, file: str, fingerprint: str, package: str | None) -> PythonAgent:
    sections = yaml.safe_load(agent.source)
    sections |= {"fingerprint": fingerprint, "package": package}
    first = {key: sections.pop(key) for key in ("line", "fingerprint", "package")}
    del sections["python"]
    source = describe(file, first | sections)
    parsed = parse_description(source)
    return replace(parsed, code=agent.code, workspaces=agent.workspaces, source=source)


def _is_of(agent: PythonAgent, module: str) -> bool:
    return agent.code is not None and agent.code.talk.__module__ == module


def _sorted_out(agents: list[PythonAgent], faults: list[Fault]) -> Found:
    """Of two with the same name neither is taken: which one is meant can't be told."""
    by_name: dict[str, PythonAgent] = {}
    broken = {one.name: one for one in faults}
    for one in agents:
        if one.name in by_name or one.name in broken:
            first = by_name.pop(one.name, None)
            places = f"{_where(first)} and {_where(one)}" if first else f"{_where(one)} and elsewhere"
            reason = f"two agents are named {one.name}: {places}" if first else broken[one.name].reason
            broken[one.name] = Fault(name=one.name, file=one.file, reason=reason, fingerprint=one.fingerprint)
        else:
            by_name[one.name] = one
    return Found(agents=by_name, faults=broken)


def _where(agent: PythonAgent) -> str:
    return f"{agent.file}, line {agent.line}"


def _fault_of(error: BaseException, file: str) -> ScriptError:
    """With the line of the file: where the syntax is wrong, or the innermost that was run."""
    match error:
        case ScriptError():
            return error
        case SyntaxError():
            return ScriptError(error.msg, error.lineno if error.filename == file else None)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return ScriptError(f"{type(error).__name__}: {error}"[:300], lines[-1] if lines else None)


def _place(file: str, error: ScriptError) -> str:
    return f"{file}: {error.reason}" if error.line is None else f"{file}, line {error.line}: {error.reason}"


def _fingerprint(written: bytes) -> str:
    return f"sha256 {hashlib.sha256(written).hexdigest()[:32]}"


def _seen(path: Path) -> str:
    """Of a file as it is; "" where it can't be read."""
    try:
        return _fingerprint(path.read_bytes())
    except OSError:
        return ""


def states(path: Path | None) -> Iterator[tuple[str, int, int]]:
    """By which a change of the files is noticed."""
    for file in files_in(path):
        try:
            stat = file.stat()
        except OSError:
            continue
        yield file.name, stat.st_mtime_ns, stat.st_size
