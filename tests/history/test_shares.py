import pytest

from outdial.history.shares import share


@pytest.mark.parametrize(
    ("calls", "of", "low", "high"),
    [(0, 10, 0, 0.2775), (10, 10, 0.7225, 1), (5, 10, 0.2366, 0.7634), (371, 412, 0.8679, 0.9259), (1, 1, 0.2065, 1)],
)
def test_a_share_has_wilsons_interval(calls, of, low, high):
    found = share(calls, of)
    assert (found["calls"], found["of"], found["share"]) == (calls, of, round(calls / of, 4))
    assert (found["low"], found["high"]) == (pytest.approx(low, abs=2e-4), pytest.approx(high, abs=2e-4))


def test_of_none_there_is_no_share():
    assert share(0, 0) == {"calls": 0, "of": 0, "share": None, "low": None, "high": None}
