"""The next command after one that is done, filled in, for people: on stderr, and never beside JSON."""

import shlex
import shutil
import sys
from pathlib import Path

from outdial.cli.output import progress

SIMULATED_CALLEE = "+12025550100"  # a human: whom to call from a number on the simulator
EXAMPLE_FILE = "reminder.yaml"


def next_steps(*commands: str, where: str = "") -> None:
    progress.print(f"Next{', ' if where else ''}{where}:", markup=False)
    for each in commands:
        progress.print(f"  {each}", markup=False, soft_wrap=True)


def command(*words: str, anywhere: bool = False) -> str:
    """A command of ours as it can be typed where this one was, or `anywhere` on this machine."""
    return " ".join((_program(anywhere=anywhere), *words))


def _program(*, anywhere: bool) -> str:
    """How this program was called: by its name where that leads here, else by its path."""
    called = Path(sys.argv[0])
    if called.parts[-2:] == ("outdial", "__main__.py"):
        return f"{shlex.quote(sys.executable)} -m outdial"
    if called.name != "outdial" or shutil.which("outdial") == str(called.absolute()):
        return "outdial"
    return shlex.quote(str(called.absolute()) if anywhere else sys.argv[0])
