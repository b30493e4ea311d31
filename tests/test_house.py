"""How the house is kept: what the code of a room may say and know."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from outdial.carriers.registry import CARRIERS

SRC = Path(__file__).parents[1] / "src/outdial"

# -- carriers' names -------------------------------------------------------------------------------------------

KNOWS_CARRIERS = ("carriers/", "simulator/", "db/migrations/", "cli/demo", "cli/simulator.py")
COMMENTS = {
    ".html": re.compile(r"{#.*?#}|<!--.*?-->", re.DOTALL),
    ".js": re.compile(r"/\*.*?\*/|(?<!:)//[^\n]*", re.DOTALL),
    ".css": re.compile(r"/\*.*?\*/", re.DOTALL),
}


def said_in_python(source: str) -> Iterator[str]:
    """Every name and text of a module's code. Docstrings are none of it, and comments never were."""
    tree = ast.parse(source)
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
