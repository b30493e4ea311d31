"""Whose a connection on this machine is: which of the processes that are known by a name has it open."""

from collections.abc import Callable

import psutil

Pid = Callable[[], int | None]


class Peers:
    """`add` a name, with what tells its process id at the moment."""

    def __init__(self) -> None:
        self._pids: dict[str, Pid] = {}

    def add(self, name: str, pid: Pid) -> None:
        self._pids[name] = pid

    def whose(self, port: int) -> str | None:
        """Who has a TCP connection open from this port; None: a stranger, or nobody any more."""
        for name, pid in self._pids.items():
            try:
                if (known := pid()) is not None and any(
                    at.laddr and at.laddr.port == port for at in psutil.Process(known).net_connections("tcp4")
                ):
                    return name
            except psutil.Error:
                continue
        return None
