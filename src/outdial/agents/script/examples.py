"""The example agents that come with Outdial."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import takewhile

from outdial.agents.kinds import kind_of, parse_agent

BLANK = "blank"  # the least that is a script
REHEARSALS = ".rehearsals"  # what the name of an example's rehearsals ends in: they can be loaded, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """`title` is the agent's name in it, `about` the first paragraph of the comment it begins with."""

    name: str
    kind: str
    title: str
    about: str
    source: str


@cache
def list_examples() -> tuple[Example, ...]:
    """The blank one last."""
    folder = files("outdial.agents").joinpath("examples")
    files_ = [file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml")]
    names = sorted(name for name in files_ if not name.endswith(REHEARSALS))
    return tuple(_example(name) for name in sorted(names, key=BLANK.__eq__))



def load_example(name: str) -> str:
    """The YAML of `agents/examples/<name>.yaml`. Raises LookupError when there is none of that name."""
    folder = files("outdial.agents").joinpath("examples")
    found = {file.name.removesuffix(".yaml"): file for file in folder.iterdir()}
    if name not in found:
        raise LookupError(f"no example is named {name!r}; there are: {', '.join(sorted(found))}")
    return found[name].read_text(encoding="utf-8")


def _example(name: str) -> Example:
    source = load_example(name)
    comment = takewhile(lambda line: line.startswith("# "), source.splitlines())
    return Example(
        name=name,
        kind=kind_of(source),
        title=parse_agent(source).name,
        about=" ".join(line.removeprefix("# ") for line in comment),
        source=source,
    )
