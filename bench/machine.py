"""The machine a figure was measured on, and what else it was doing meanwhile."""

import importlib.metadata
import os
import platform
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

PACKAGES = ("uvloop", "uvicorn", "websockets", "msgspec", "numpy", "onnxruntime", "sqlalchemy", "psycopg")
SERVER_CORE, CARRIER_CORE = 0, 1
PREFERRED_NICE = -15
AUTOGROUPS = Path("/proc/self/autogroup")


def describe() -> dict[str, str]:
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES),
    }


def can_pin() -> bool:
    """Whether server and carrier can have a core each."""
    return hasattr(os, "sched_setaffinity") and {SERVER_CORE, CARRIER_CORE} <= os.sched_getaffinity(0)


def pin(core: int | None) -> None:
    """Keep this process, with all threads it will start, on one core."""
    if core is not None:
        os.sched_setaffinity(0, {core})


def prefer(pid: int) -> None:
    """Let the session of a process go before everything else on this machine (Linux, root): other work then
    disturbs a measurement less. Linux shares the cores out among sessions first ("autogroups"), so the nice value
    of a process alone wouldn't do."""
    if AUTOGROUPS.exists():
        with suppress(FileNotFoundError, ProcessLookupError):  # a process that ended meanwhile
            Path(f"/proc/{pid}/autogroup").write_text(str(PREFERRED_NICE))
    else:
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).nice(PREFERRED_NICE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a stretch of time cost. Percentages are of one core; `foreign` and `stolen` of the whole machine."""

    seconds: float
    cpu_s: dict[str, float]      # of each process group
    resident_mb: dict[str, float]
    foreign_percent: float | None  # what other processes of this machine took of it …
    stolen_percent: float | None   # … and other machines on the same hardware

    @property
    def percent(self) -> dict[str, float]:
        return {name: spent / self.seconds * 100 for name, spent in self.cpu_s.items()}


class Watch:
    """Counts CPU time of named processes from its creation to `stop`: their children's, too, also of those that
    ended meanwhile."""

    def __init__(self, processes: dict[str, Sequence[int]]) -> None:
        self._processes = {name: [psutil.Process(pid) for pid in pids] for name, pids in processes.items()}
        self._began = time.perf_counter()
        self._cpu = self._cpu_s()
        self._machine = _machine_s()

    def stop(self) -> Work:
        seconds = time.perf_counter() - self._began
        cpu = self._cpu_s()
        used = {name: max(0.0, cpu[name] - self._cpu[name]) for name in cpu}
        foreign = stolen = None
        if self._machine is not None and (now := _machine_s()) is not None:
            busy, steal, total = (after - before for after, before in zip(now, self._machine, strict=True))
            if total > 0:
                foreign = max(0.0, busy - sum(used.values())) / total * 100
                stolen = steal / total * 100
        return Work(
            seconds=seconds,
            cpu_s=used,
            resident_mb={name: self._resident_mb(name) for name in used},
            foreign_percent=foreign,
            stolen_percent=stolen,
        )

    def _cpu_s(self) -> dict[str, float]:
        return {name: sum(map(_cpu_s, _with_children(processes))) for name, processes in self._processes.items()}

    def _resident_mb(self, name: str) -> float:
        return sum(process.memory_info().rss for process in self._processes[name]) / 2**20


def _with_children(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    return [one for process in processes for one in (process, *process.children(recursive=True))]


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    # Children that ended and were waited for are counted with their parent (on Linux).
    return float(times.user + times.system + times.children_user + times.children_system)


def _machine_s() -> tuple[float, float, float] | None:
    """Seconds busy, stolen and in all, over all cores, since the start of the machine."""
    times = psutil.cpu_times()
    if not hasattr(times, "steal"):
        return None
    idle = times.idle + times.iowait
    total = times.user + times.nice + times.system + times.irq + times.softirq + idle + times.steal
    return total - idle - times.steal, times.steal, total


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
