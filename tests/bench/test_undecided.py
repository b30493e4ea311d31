"""Of the benchmark with undecided calls: who hangs up is followed by another one, and what its figures are made of."""

from itertools import islice
from types import SimpleNamespace

import pytest

from bench.callee import STAYS_S, stays
from bench.load import Step
from bench.machine import Work
from bench.undecided import DETECTED, Cost, Round, _keep_up, result


class Scene:
    """Two of ten hang up each time somebody looks."""

    def __init__(self):
        self.placed, self.over, self.asked = 0, -2, []
        self.carrier = SimpleNamespace(ask=self._over)
        self.server = SimpleNamespace(ask=lambda do: 1)

    def _over(self, do):
        self.over = min(self.placed, self.over + 2)
        return self.over

    def place_calls(self, count, **asked):
        self.placed += max(0, count)
        self.asked.append(asked)


def test_for_each_who_hangs_up_another_one_is_called():
    scene = Scene()
    shares = _keep_up(scene, 10, DETECTED, 0.5)
    assert scene.placed - scene.over == 10
    assert scene.asked[-1]["amd"]["by"] == "local"
    assert shares == [0.1]


def test_as_many_leave_at_first_as_later():
    lasts = list(islice(stays(), 1000))
    assert sum(lasts) / 1000 == pytest.approx(STAYS_S, rel=0.02)
    for from_s in (0, 20, 40):  # of those who stayed so long, an eighteenth leaves soon
        left = [one for one in lasts if one >= from_s]
        assert sum(one < from_s + STAYS_S / 17.5 for one in left) / len(left) == pytest.approx(1 / 18, abs=0.01)


def cost(server_ms, share):
    spread = {"p50": 1.0, "p99": 5.0, "p999": 9.0, "max": 9.0}
    heard = {"late_ms": spread, "own_late_ms": spread, "gaps": 0}
    spent = {"server": server_ms * 3, "postgresql": 0.3}
    work = Work(seconds=30, cpu_s=spent, resident_mb={"server": 200}, foreign_percent=1.0, stolen_percent=0.0)
    step = Step(calls=100, heard=heard, work=work)
    return Cost(server_ms=server_ms, postgres_ms=0.1, undecided=share, started=30, step=step)


def test_the_ratio_is_of_what_was_measured_one_after_the_other():
    rounds = [
        Round(alone=cost(alone, 0.0), detected=cost(detected, 0.1))
        for alone, detected in ((2.0, 2.04), (4.0, 4.04), (3.0, 3.09))
    ]
    told = result(rounds, 100)
    assert {figure.name: (round(figure.value, 4), figure.holds) for figure in told.figures} == {
        "server, without detection": (3.0, None),
        "server, with it": (3.09, None),
        "with to without": (1.02, True),
        "undecided": (10.0, None),
    }
    assert [row["ratio"] for row in told.rows] == [None, 1.02, None, 1.01, None, 1.03]
