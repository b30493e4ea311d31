"""The example scripts that come with Outdial."""

from importlib.resources import files


def load_example(name: str) -> str:
    """The YAML of `agents/examples/<name>.yaml`. Raises LookupError when there is none of that name."""
    folder = files("outdial.agents").joinpath("examples")
    found = {file.name.removesuffix(".yaml"): file for file in folder.iterdir()}
    if name not in found:
        raise LookupError(f"no example is named {name!r}; there are: {', '.join(sorted(found))}")
    return found[name].read_text(encoding="utf-8")
