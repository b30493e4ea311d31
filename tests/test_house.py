"""How the house is kept: what the code of a room may say and know."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from outdial.carriers.registry import CARRIERS
from source_trees import tree_of

SRC = Path(__file__).parents[1] / "src/outdial"

# -- carriers' names -------------------------------------------------------------------------------------------

KNOWS_CARRIERS = (
    "carriers/", "simulator/", "db/migrations/", "cli/demo", "cli/simulator.py",
    "agents/relay/protocol.py",  # whose header has a carrier's name, whatever carrier the call is on
)  # fmt: skip
COMMENTS = {
    ".html": re.compile(r"{#.*?#}|<!--.*?-->", re.DOTALL),
    ".js": re.compile(r"/\*.*?\*/|(?<!:)//[^\n]*", re.DOTALL),
    ".css": re.compile(r"/\*.*?\*/", re.DOTALL),
}


def said_in_python(source: str) -> Iterator[str]:
    """Every name and text of a module's code. Docstrings are none of it, and comments never were."""
    tree = tree_of(source)
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str() as text) if id(node) not in alone:
                yield text
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str() as name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.alias(name=name) | ast.ImportFrom(module=str() as name):
                yield name


def said_in(path: Path) -> str:
    source = path.read_text()
    if path.suffix == ".py":
        return "\n".join(said_in_python(source))
    return COMMENTS[path.suffix].sub("", source)


def test_only_a_carriers_own_folder_its_simulator_and_the_demo_name_it():
    named = re.compile("|".join(CARRIERS), re.IGNORECASE)
    paths = [path for path in SRC.rglob("*") if path.suffix in (".py", *COMMENTS)]
    assert len({path.suffix for path in paths}) == len(COMMENTS) + 1
    told = {
        place: sorted(set(named.findall(said_in(path))))
        for path in paths
        if not (place := str(path.relative_to(SRC))).startswith(KNOWS_CARRIERS) and named.search(said_in(path))
    }
    assert told == {}


def test_a_name_is_found_in_code_and_not_in_what_is_said_about_it():
    code = '"""Of Acme."""\nimport a.acme1\ndef f(acme2):\n    "Acme."\n    return f"{x.acme3} of acme4"  # acme\n'
    assert sorted(re.findall(r"acme\d?", "\n".join(said_in_python(code)))) == ["acme1", "acme2", "acme3", "acme4"]


# -- which room may import which -------------------------------------------------------------------------------

ROWS = (  # from the top down: nothing imports what stands in a row above it
    {"__main__"},
    {"app", "shared", "role_parts", "roles", "serving", "parts", "cli", "dashboard", "api"},
    {"retention", "backup"},
    {"webhooks"},
    {"dispatch", "callbacks", "live", "history", "rehearsals", "testing", "wrap_up", "alerts"},
    {"calls", "lines", "policy", "agents", "numbers", "members"},
    {"accounts", "conversation", "workspaces", "secrets", "jobs", "self_test"},
    {"carriers", "speech", "simulator", "recordings"},
    {"media", "telephony", "db", "net", "settings", "unknown_settings", "logs", "metrics", "tracing", "lag", "ids",
     "instants", "clock", "refusals", "background", "draining", "repeating", "short_memory", "token_buckets",
     "networks", "open_files", "vendor_settings", "version"},
)  # fmt: skip
ONLY = {  # rooms that know less than their row lets them
    "telephony": set(),
    "media": set(),
    "simulator": {"media", "speech", "telephony"},
    "speech": {"media", "background", "net"},
    "carriers": {"media", "telephony", "clock", "version"},
    "conversation": {"media", "speech", "telephony", "clock", "background"},
    "testing": {"agents", "conversation", "media", "speech", "telephony"},
    "rehearsals": {"agents", "testing", "conversation", "telephony", "refusals", "token_buckets"},
    "jobs": {"db", "background", "draining", "repeating"},
    "net": set(),
    "tracing": {"logs"},
    "policy": {"workspaces", "telephony", "db", "instants", "clock", "refusals"},
}


def imports() -> Iterator[tuple[str, str, str]]:
    """(place, its room, the room it imports) of every import of ours in src."""
    for path in SRC.rglob("*.py"):
        place = path.relative_to(SRC)
        room = place.parts[0].removesuffix(".py")
        for node in ast.walk(tree_of(path.read_text())):
            match node:
                case ast.ImportFrom(module=str() as module, level=0) if module.startswith("outdial."):
                    modules = [module]
                case ast.ImportFrom(module="outdial", level=0):
                    modules = [f"outdial.{alias.name}" for alias in node.names if alias.name.islower()]
                case ast.Import():
                    modules = [alias.name for alias in node.names if alias.name.startswith("outdial.")]
                case _:
                    continue
            for module in modules:
                yield str(place), room, module.split(".")[1]


def test_every_arrow_points_down():
    row_of = {room: number for number, row in enumerate(ROWS) for room in row}
    known = {path.name.removesuffix(".py") for path in SRC.iterdir() if not path.name.startswith(("__init__", "__pyc"))}
    assert known - {"py.typed"} == row_of.keys(), "a room of the house has no row, or a row has no room"
    up = {(place, room) for place, own, room in imports() if own in row_of and row_of.get(room, 9) < row_of[own]}
    assert up == set()


def test_some_rooms_know_less_than_they_might():
    told = {(place, room) for place, own, room in imports() if own in ONLY and room not in ONLY[own] | {own}}
    assert told == set()


def test_no_two_rooms_import_each_other_by_whatever_way():
    needs: dict[str, set[str]] = {}
    for _, own, room in imports():
        if own != room:
            needs.setdefault(own, set()).add(room)
    order: list[str] = []
    while needs:
        free = {room for room in needs if not needs[room] & needs.keys()}
        assert free, f"a circle among {sorted(needs)}"
        order += sorted(free)
        needs = {room: below for room, below in needs.items() if room not in free}
    assert "calls" in order


def test_no_carrier_imports_another():
    folders = set(CARRIERS)
    for path in (SRC / "carriers").rglob("*.py"):
        own = path.relative_to(SRC / "carriers").parts[0]
        others = folders - {own}
        named = re.findall(r"from outdial\.carriers\.(\w+)", path.read_text())
        assert own not in folders or not others & set(named), path


# -- whose clock -----------------------------------------------------------------------------------------------


def test_instants_that_hosts_compare_are_of_no_host_s_own_clock():
    """One that is wrong would end everybody's calls: see outdial.clock."""
    alone = {"simulator", "testing", "cli", "backup", "clock.py"}  # a carrier's own, and commands, which learn no time
    asks = re.compile(r"datetime\.now\(|datetime\.utcnow\(")
    paths = [path.relative_to(SRC) for path in SRC.rglob("*.py") if asks.search(path.read_text())]
    assert [str(path) for path in paths if path.parts[0] not in alone] == []


# -- who writes what -------------------------------------------------------------------------------------------

KEEPERS = {
    "wrap_ups": "calls/", "consultations": "calls/", "detections": "calls/",
    "calls": "calls/", "attempts": "calls/", "call_events": "calls/", "call_counts": "calls/", "pools": "lines/",
    "seats": "lines/", "workers": "calls/",
    "call_day_counts": "calls/", "end_counts": "calls/", "attempt_counts": "calls/", "attempt_day_counts": "calls/",
    "webhooks": "webhooks/", "webhook_outbox": "webhooks/", "webhook_events": "webhooks/",
    "webhook_deliveries": "webhooks/", "webhook_lanes": "webhooks/",
    "ended_counts": "calls/", "alert_rules": "alerts/", "alert_settings": "alerts/", "alerts": "alerts/",
    "alert_mails": "alerts/", "alert_clock": "alerts/",
    "do_not_call": "policy/", "destinations": "policy/", "counted_calls": "policy/", "pauses": "policy/",
    "secrets": "secrets/", "call_backs": "calls/", "spend_limits": "policy/", "model_spend": "policy/",
    "listening_notices": "workspaces/",
    "self_tests": "self_test/",
    "erased_entries": "policy/", "number_keys": "policy/", "erasures": "retention/",
}  # fmt: skip
WRITES = re.compile(r"\b(?:insert|update|delete|upsert)\((\w+)\)|\b(?:INSERT INTO|UPDATE|DELETE FROM) (\w+)")


def test_every_table_of_a_call_has_one_keeper():
    written = {
        (place, table)
        for path in SRC.rglob("*.py")
        for by_name, in_sql in WRITES.findall(path.read_text())
        if (table := by_name or in_sql) in KEEPERS
        and not (place := str(path.relative_to(SRC))).startswith((KEEPERS[table], "db/migrations/"))
    }
    assert written == set()


def test_the_history_only_reads():
    for path in (SRC / "history").rglob("*.py"):
        assert not WRITES.findall(path.read_text()), path


def test_a_row_leaves_its_query_as_a_record():
    told = set()
    for path in SRC.rglob("*.py"):
        for node in ast.walk(tree_of(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                arguments = [*node.args.args, *node.args.kwonlyargs]
                notes = [argument.annotation for argument in arguments] + [node.returns]
                if any(note is not None and re.search(r"\bRow\[", ast.unparse(note)) for note in notes):
                    told.add(f"{path.relative_to(SRC)}: {node.name}")
    assert told == set()


# -- sizes -----------------------------------------------------------------------------------------------------

TABLES = {"db/tables.py", "db/migrations/versions/v0001_tables.py"}  # data, however long
SIGNATURES = ("cli/", "api/")                                       # a framework makes commands and endpoints of them


def test_nothing_is_too_long_to_be_read_at_once():
    long_modules, long_functions, wide = set(), set(), set()
    for path in SRC.rglob("*.py"):
        place, source = str(path.relative_to(SRC)), path.read_text()
        if place in TABLES:
            continue
        if source.count("\n") > 350:
            long_modules.add(place)
        for node in ast.walk(tree_of(source)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            first = node.body[0].lineno if place.startswith(SIGNATURES) else node.lineno
            if (node.end_lineno or 0) - first + 1 > 60:
                long_functions.add(f"{place}: {node.name}")
            given = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            if len([name for name in given if name not in ("self", "cls")]) > 8 and not place.startswith(SIGNATURES):
                wide.add(f"{place}: {node.name}")
    assert (long_modules, long_functions, wide) == (set(), set(), set())
