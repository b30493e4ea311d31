"""What is thrown at a run, from its seed."""

import itertools

import pytest

from chaos.schedule import (
    LASTS_S,
    OF_A_PROCESS,
    OF_ALL_HOSTS,
    OF_THE_DATABASE,
    OF_THE_SIMULATOR,
    OF_THE_STORE,
    ONE_AT_A_TIME,
    Kind,
    schedule,
)

RUN = {"seconds": 600.0, "servers": 2}


def test_a_seed_says_everything():
    assert schedule(7, **RUN) == schedule(7, **RUN)
    assert schedule(7, **RUN) != schedule(8, **RUN)


@pytest.mark.parametrize("seed", range(20))
def test_in_ten_minutes_every_kind_is_thrown_several_times(seed: int):
    throws = schedule(seed, **RUN)
    thrown = [throw.kind for throw in throws]
    assert min(thrown.count(kind) for kind in Kind) >= 2
    assert {throw.server for throw in throws if throw.kind is Kind.KILL} == {0, 1}
    assert [throw.at_s for throw in throws] == sorted(throw.at_s for throw in throws)
    assert throws[-1].at_s < 600


@pytest.mark.parametrize("seed", range(20))
def test_what_is_down_is_not_hit_again(seed: int):
    until: dict[object, float] = {}
    for throw in schedule(seed, **RUN):
        database = "database" if throw.kind in OF_THE_DATABASE else throw.kind
        what = throw.server if throw.kind in OF_A_PROCESS else database
        assert throw.at_s > until.get(what, 0.0)
        until[what] = throw.at_s + throw.lasts_s


@pytest.mark.parametrize("seed", range(20))
def test_hosts_are_struck_one_at_a_time(seed: int):
    strikes = [throw for throw in schedule(seed, seconds=600.0, servers=3) if throw.kind in ONE_AT_A_TIME]
    assert {throw.kind for throw in strikes} == set(ONE_AT_A_TIME)
    for before, after in itertools.pairwise(strikes):
        assert before.at_s + before.lasts_s < after.at_s


def test_every_kind_has_somebody_to_be_thrown_at():
    others = {Kind.CARRIER_UNREACHABLE, *OF_A_PROCESS, *OF_ALL_HOSTS, *OF_THE_DATABASE, *OF_THE_STORE}
    assert others | set(OF_THE_SIMULATOR) == set(Kind)
    assert others.isdisjoint(OF_THE_SIMULATOR)


def test_only_what_was_asked_for_is_thrown():
    throws = schedule(1, seconds=120.0, servers=1, kinds=[Kind.VANISH])
    assert len(throws) > 1
    assert {(throw.kind, throw.server) for throw in throws} == {(Kind.VANISH, 0)}
    shortest, longest = LASTS_S[Kind.VANISH]
    assert all(shortest <= throw.lasts_s <= longest for throw in throws)
