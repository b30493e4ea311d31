"""Whose connections on this machine are: of the processes that are known by a name."""

from collections.abc import Callable

import psutil

Pid = Callable[[], int | None]


class Peers:
    """`add` a name, with what tells its process id at the moment."""

    def __init__(self) -> None:
        self._pids: dict[str, Pid] = {}

    def add(self, name: str, pid: Pid) -> None:
        self._pids[name] = pid

    def ports_of(self, name: str) -> set[int]:
        """From which ports it has TCP connections open; none where it doesn't run."""
        try:
            if (pid := self._pids[name]()) is None:
                return set()
            return {at.laddr.port for at in psutil.Process(pid).net_connections("tcp4") if at.laddr}
        except psutil.Error:
            return set()
