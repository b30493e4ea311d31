"""The next command after one that is done, filled in, for people: on stderr, and never beside JSON."""

import shlex
import shutil
import sys
from pathlib import Path

from outdial.cli.output import progress


def next_steps(*commands: str, where: str = "") -> None:
    progress.print(f"Next{', ' if where else ''}{where}:", markup=False)
    for each in commands:
        progress.print(f"  {each}", markup=False, soft_wrap=True)


def command(*words: str) -> str:
    """A command of ours as it can be typed where this one was."""
    return " ".join((_program(), *words))


def _program() -> str:
    """How this program was called: by its name where that leads here, else by its path."""
    called = Path(sys.argv[0])
    if called.parts[-2:] == ("outdial", "__main__.py"):
        return f"{shlex.quote(sys.executable)} -m outdial"
    if called.name != "outdial" or shutil.which("outdial") == str(called.absolute()):
        return "outdial"
    return shlex.quote(sys.argv[0])
