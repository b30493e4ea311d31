"""A host's own wall clock, which may jump while its processes run. Its monotonic one goes on as it does everywhere.

A few lines of C (`clock.c`), compiled for each run, stand between a process and the system's clock, and read how far
off it is from a page that both share: a jump is there at once. Where there is no C compiler, or no Linux, no clock
jumps. (libfaketime isn't used: with 0.9.10 `time.sleep` fails in every process, whatever its clock says.)
"""

import shutil
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

COMPILER = shutil.which("cc")
IS_THERE = COMPILER is not None and sys.platform == "linux"
SOURCE = Path(__file__).with_suffix(".c")


def compiled(folder: Path) -> Path | None:
    """What is to be preloaded; None where no clock can jump."""
    if COMPILER is None or not IS_THERE:
        return None
    library = folder / "clock.so"
    options = ["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run([COMPILER, *options], check=True, capture_output=True)
    return library


class Clock:
    """`file`: its place, made anew; `library`: from `compiled`."""

    def __init__(self, file: Path, library: Path | None) -> None:
        self._file = file
        self._library = library
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(struct.pack("q", 0))

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process goes by it with."""
        if self._library is None:
            return {}
        return {"LD_PRELOAD": str(self._library), "CHAOS_CLOCK": str(self._file)}

    def jump(self, seconds: int) -> None:
        """So far off the true time from now on."""
        with self._file.open("r+b") as page:
            page.write(struct.pack("q", seconds))
