import resource

import pytest

from outdial import open_files


@pytest.fixture
def limits(monkeypatch):
    """The process's limits, (soft, hard), that nothing but the test sees."""
    held = [(1024, 524_288)]
    monkeypatch.setattr(resource, "getrlimit", lambda kind: held[0])
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: held.__setitem__(0, limits))
    return held


def test_a_process_takes_all_it_may(limits):
    assert (open_files.limit(), open_files.most()) == (1024, 524_288)
    assert open_files.raise_limit() == 524_288
    assert limits == [(524_288, 524_288)]


def test_unlimited_is_a_number_that_systems_take(limits):
    limits[0] = (1024, resource.RLIM_INFINITY)
    assert open_files.raise_limit() == 1_048_576
    assert limits == [(1_048_576, resource.RLIM_INFINITY)]


def test_a_system_that_refuses_leaves_it_as_it_was(limits, monkeypatch):
    def refuse(kind, wanted):
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert open_files.raise_limit() == 1024
