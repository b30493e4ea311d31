"""Which tests share a process, and which begin first, where several processes share the work (pytest-xdist)."""

import os

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

# A folder whose tests stay together, one after the other: calls in real time on one server, pages of one demo.
TOGETHER = {"conformance": "calls", "end_to_end": "calls", "browser": "browser"}

# What takes longest, most of it waiting, in that order. Begun last, it would be waited for when all else is done.
LONG = (
    "calls",
    "browser",
    "bench/test_running.py",
    "chaos/test_short_run.py",
    "journeys/test_days.py",
    "journeys/test_newcomer.py",
    "journeys/test_first_steps.py",
    "cli/test_demo.py",
    "live/test_conversations.py",
    "test_database_away.py",
    "webhooks/test_sender.py",
    "live/test_left_behind.py",
    "dashboard/test_phone_audio.py",
    "db/test_embedded.py",
    "agents/tools/test_reached.py",
    "carriers/test_a_new_carrier.py",
    "dispatch/test_dispatcher.py",
    "cli/test_two_folders.py",
    "live/test_handshake.py",
    "bench/talk/test_listens.py",
    "callbacks/test_handled_once.py",
    "live/test_leases.py",
    "jobs/test_runner.py",
    "test_app.py",
    "api/test_typescript_client.py",
)

MOST = 5  # each has a PostgreSQL server of its own, and speech models


def processes() -> int:
    """One more than there are processors, for much of the time is spent waiting for calls."""
    return min((os.cpu_count() or 1) + 1, MOST)


class SideBySide(LoadScopeScheduling):
    """Every module goes to one process as a whole, for it shares what it has set up."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.split("::", 1)[0].removeprefix("tests/")
        return TOGETHER.get(module.split("/", 1)[0], module)

    def _assign_work_unit(self, node: WorkerController) -> None:
        """One process has the long ones last: what it computes costs no time while the others wait for calls."""
        computes = len(self.nodes) > 1 and node is self.nodes[-1]
        next_ = min(self.workqueue, key=lambda scope: (computes and scope in LONG, *self._place(scope)))
        self.workqueue.move_to_end(next_, last=False)
        super()._assign_work_unit(node)

    def _place(self, scope: str) -> tuple[int, int]:
        return LONG.index(scope) if scope in LONG else len(LONG), -len(self.workqueue[scope])


def scheduler(config: pytest.Config, log: Producer) -> SideBySide | None:
    """None where somebody asked for another way of sharing."""
    return SideBySide(config, log) if config.getoption("dist") == "load" else None
