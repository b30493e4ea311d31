"""A host's own wall clock, which may jump while its processes run. Its monotonic one goes on as it does everywhere.

libfaketime (Debian: `libfaketime`) stands between a process and the system's clock, and reads from a file how far off
it is, at most a second later. Where it isn't installed, no clock jumps.
"""

from collections.abc import Mapping
from pathlib import Path

LIBRARIES = sorted(
    path
    for folder in ("/usr/lib", "/usr/lib64", "/usr/local/lib")
    for path in Path(folder).glob("**/faketime/libfaketimeMT.so.1")
)
IS_THERE = bool(LIBRARIES)


class Clock:
    """`file`: its place, made anew."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        self.jump(0.0)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process goes by it with."""
        if not IS_THERE:
            return {}
        return {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def jump(self, seconds: float) -> None:
        """So far off the true time from now on."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+.0f}\n")
        new.replace(self._file)
