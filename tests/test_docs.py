"""docs/architecture.md says of the code what is so: modules, names, tables, channels, and the rows of the house."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from outdial.carriers.registry import CARRIERS
from outdial.db.tables import attempts, calls, metadata
from source_trees import tree_of
from test_house import ROWS, SRC

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/architecture.md").read_text()
PROSE = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
NOT_LISTED = ("simulator/", "dashboard/", "cli/", "db/migrations/versions/")
OF_A_CARRIER = "<carrier>"

CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"[\w<>./]+\.py")
NAMED = re.compile(rf"({PATH.pattern}): ([\w.]+)")
# As a statement of SQLAlchemy, or written out in SQL.
WRITES = re.compile(r"\b(?:insert|update|delete|upsert)\(\s*(\w+)\s*\)|\b(?:INSERT INTO|UPDATE|DELETE FROM) (\w+)")
SENDS = re.compile(r"\bnotify\(conn, \"(\w+)\"|\bpg_notify\(['\"](\w+)['\"]")
HEARS = re.compile(r"\.listening\([\w.]+, \"(\w+)\"")


def places(mentioned: str) -> set[str]:
    """The modules that a path on the page stands for: `<carrier>` is every carrier's."""
    return {mentioned.replace(OF_A_CARRIER, carrier) for carrier in CARRIERS}


def mentions() -> Iterator[str]:
    for code in CODE.findall(PROSE):
        yield from PATH.findall(code)


def modules() -> Iterator[tuple[str, str]]:
    """Each module's path below src/outdial, and its source."""
    for path in SRC.rglob("*.py"):
        yield str(path.relative_to(SRC)), path.read_text()


def table(first: str) -> dict[str, list[str]]:
    """The rows of the table whose first heading is `first`, by their first cell."""
    (_, _, rest) = PAGE.partition(f"| {first} |")
    assert rest, f"no table of {first}"
    rows: dict[str, list[str]] = {}
    for line in rest.splitlines()[2:]:
        if not line.startswith("|"):
            break
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        assert name not in rows, f"{name} stands twice in the table of {first}"
        rows[name] = cells
    return rows


def paths_in(cell: str) -> set[str]:
    return {path for code in CODE.findall(cell) for path in PATH.findall(code)}


def test_every_module_is_told_of():
    told = {place for mentioned in mentions() for place in places(mentioned)}
    untold = {
        place
        for place, _ in modules()
        if place not in told and not place.endswith("__init__.py") and not place.startswith(NOT_LISTED)
    }
    assert untold == set()


def test_every_path_leads_somewhere():
    in_a_folder = {mentioned for mentioned in mentions() if "/" in mentioned}
    lost = {
        place
        for mentioned in in_a_folder
        for place in places(mentioned)
        if not (ROOT / place if mentioned.startswith("tests/") else SRC / place).is_file()
    }
    assert lost == set()
    assert len(in_a_folder) > 100


def test_what_contributors_are_led_to_is_there():
    page = re.sub(r"```.*?```", "", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.DOTALL)
    paths = re.compile(r"(?:[\w.]+/)+[\w.]*|\w+\.(?:py|md)")
    named = {path for code in CODE.findall(page) if "*" not in code for path in paths.findall(code)}
    below = {path for path in named if path.startswith(("tests/", "bench/", "requirements/")) or path.endswith(".md")}
    lost = {path for path in named if not ((ROOT if path in below else SRC) / path).exists()}
    assert lost == set()
    assert len(named) > 30


def test_every_link_leads_somewhere():
    for page in (ROOT.glob("*.md"), (ROOT / "docs").rglob("*.md"), (ROOT / "src").rglob("*.md")):
        for path in page:
            for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
                assert (path.parent / link).exists(), f"{path.relative_to(ROOT)}: {link}"


def defined_in(source: str) -> set[str]:
    """Names a module defines, and `Class.name` of what its classes do."""
    names = set()
    for node in tree_of(source).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.ClassDef(name=name, body=body):
                names.add(name)
                names |= {
                    f"{name}.{each.target.id if isinstance(each, ast.AnnAssign) else each.name}"  # type: ignore[union-attr]
                    for each in body
                    if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.AnnAssign)
                }
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return names


def test_every_name_is_in_the_module_that_is_said_to_have_it():
    named = [found for code in CODE.findall(PROSE) for found in NAMED.findall(code)]
    assert len(named) > 50
    for mentioned, name in named:
        if mentioned == "path.py":
            continue  # how names are written on the page
        for place in places(mentioned):
            assert name in defined_in((SRC / place).read_text()), f"{place} has no {name}"


def test_the_rows_of_the_house_are_those_that_are_held():
    (drawn,) = re.findall(r"```text\n(__main__.*?)```", PAGE, re.DOTALL)
    rows = [{name.removesuffix("/").removesuffix(".py") for name in line.split()} for line in drawn.splitlines()]
    assert rows == list(ROWS)
    told = {name.strip("`/").removesuffix(".py") for name in table("room")}
    folders = {path.name for path in SRC.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert told == {*folders, "app"}


def test_who_writes_a_table_is_told():
    told = {name.strip("`"): paths_in(cells[0]) for name, cells in table("table").items()}
    written: dict[str, set[str]] = {name: set() for name in metadata.tables}
    for place, source in modules():
        for by_name, in_sql in WRITES.findall(source):
            if (by_name or in_sql) in written and not place.startswith("db/migrations/"):
                written[by_name or in_sql].add(place)
    # The pool's statement is part of the claim's, and the journal's events are written by that of calls.events.
    assert told == written


@pytest.mark.parametrize("each", [calls, attempts], ids=lambda each: each.name)
def test_who_writes_a_column_is_told(each):
    rows = table(f"columns of `{each.name}`")
    columns = [column for row in rows for column in CODE.findall(row)]
    assert sorted(columns) == sorted(column.name for column in each.columns)
    writers = paths_in(table("table")[f"`{each.name}`"][0])
    told = {path for (cell,) in rows.values() for path in paths_in(cell)} - {"telephony/state.py"}
    assert told == writers


def test_who_tells_and_who_hears_of_a_notification_is_told():
    sends: dict[str, set[str]] = {}
    hears: dict[str, set[str]] = {}
    for place, source in modules():
        for by_function, in_sql in SENDS.findall(source):
            sends.setdefault(by_function or in_sql, set()).add(place)
        for channel in HEARS.findall(source):
            hears.setdefault(channel, set()).add(place)
    told = {
        CODE.findall(name)[0]: (paths_in(sent_by), paths_in(heard_by))
        for name, (_, sent_by, heard_by) in table("channel, payload").items()
    }
    assert told == {channel: (sends[channel], hears[channel]) for channel in sends}
    assert sends.keys() == hears.keys()
