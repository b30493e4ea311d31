"""Two versions compared, figure by figure."""

import pytest

from bench.paired import compare, figures_of


def a_run(name, **figures):
    return figures_of(
        {"results": [{"name": name, "figures": [{"name": n, "value": v, "unit": "ms"} for n, v in figures.items()]}]}
    )


def test_a_figure_is_compared_pair_by_pair():
    pairs = [(a_run("cpu", both=40.0), a_run("cpu", both=30.0)), (a_run("cpu", both=80.0), a_run("cpu", both=40.0))]
    [both] = compare(pairs)
    assert (both.measurement, both.figure, both.unit) == ("cpu", "both", "ms")
    assert (both.before, both.after) == ([40.0, 80.0], [30.0, 40.0])
    assert both.ratios == [0.75, 0.5]
    assert both.as_json()["ratio"] == pytest.approx(0.625)


def test_what_only_one_version_measures_is_left_out():
    [p50] = compare([(a_run("dialing", p50=10.0, steps=4.0), a_run("dialing", p50=9.0, waits=1.0))])
    assert p50.figure == "p50"


def test_a_run_without_a_value_takes_nothing_from_the_others():
    pairs = [(a_run("cpu", both=None), a_run("cpu", both=1.0)), (a_run("cpu", both=2.0), a_run("cpu", both=1.0))]
    [both] = compare(pairs)
    assert both.ratios == [0.5]


def test_nothing_before_has_no_ratio():
    [both] = compare([(a_run("cpu", both=0.0), a_run("cpu", both=1.0))])
    assert both.as_json()["ratio"] is None
