import logging
from dataclasses import replace

import pytest

from outdial.api.connections import ConnectionLimits, Connections

LIMITS = ConnectionLimits(
    in_all=4, of_an_address=3, head_s=15.0, body_s=30.0, body_bytes_per_s=1000, unread_s=300.0
)
HERE, THERE = "198.51.100.7", "203.0.113.9"
PROXY = "127.0.0.1"


class Peer:
    """A connection that says what became of it."""

    def __init__(self):
        self.body_bytes = 0
        self.reads = True
        self.unsent_bytes = 0
        self.became = None

    def give_way(self):
        self.became = "gave way"

    def give_up(self):
        self.became = "too late"


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def door(clock, limits=LIMITS):
    return Connections(limits, is_trusted=lambda address: address == PROXY, clock=clock)


def arrive(connections, address, *, asks=False):
    """A new connection; `asks`: its request's head came as well."""
    peer = Peer()
    assert connections.admit(peer, address)
    if asks:
        connections.asks(peer)
    return peer


# -- how many ------------------------------------------------------------------------------------------------


def test_who_has_waited_longest_makes_room_where_all_places_are_taken(clock):
    connections = door(clock)
    asking = arrive(connections, HERE, asks=True)
    silent = [arrive(connections, address) for address in (THERE, HERE, THERE)]
    arrive(connections, "192.0.2.1")
    assert [peer.became for peer in (asking, *silent)] == [None, "gave way", None, None]
    assert len(connections) == 4


def test_who_is_being_answered_makes_no_room(clock):
    connections = door(clock)
    held = [arrive(connections, address, asks=True) for address in (HERE, THERE, HERE, THERE)]
    assert not connections.admit(Peer(), "192.0.2.1")
    assert {peer.became for peer in held} == {None}
    connections.leave(held[0])
    assert connections.admit(Peer(), "192.0.2.1")


def test_an_address_has_a_limit_of_its_own(clock):
    connections = door(clock, replace(LIMITS, in_all=100))
    first, *others = [arrive(connections, HERE) for _ in range(3)]
    elsewhere = arrive(connections, THERE)
    fourth = arrive(connections, HERE)
    assert [peer.became for peer in (first, *others, elsewhere, fourth)] == ["gave way", None, None, None, None]
    for peer in (*others, fourth):
        connections.asks(peer)
    assert not connections.admit(Peer(), HERE)
    assert connections.admit(Peer(), THERE)


def test_a_network_of_ipv6_addresses_counts_as_one(clock):
    connections = door(clock, replace(LIMITS, in_all=100))
    for host in "123":
        arrive(connections, f"2001:db8::{host}", asks=True)
    assert not connections.admit(Peer(), "2001:db8::4")
    assert connections.admit(Peer(), "2001:db8:0:1::4")


def test_a_trusted_proxy_stands_for_many(clock):
    connections = door(clock, replace(LIMITS, in_all=100))
    assert all(arrive(connections, PROXY, asks=True) for _ in range(50))


def test_who_leaves_is_counted_no_more(clock):
    connections = door(clock)
    for _ in range(3):
        for peer in [arrive(connections, HERE, asks=True) for _ in range(3)]:
            connections.leave(peer)
            connections.leave(peer)  # closed after it was counted out
    assert len(connections) == 0


def test_a_full_server_is_told_once_a_minute(clock, caplog):
    connections = door(clock, replace(LIMITS, in_all=1))
    with caplog.at_level(logging.WARNING):
        for _ in range(50):
            arrive(connections, HERE)
    [told] = caplog.records
    assert (told.getMessage(), told.limit, told.address) == ("Connections at their limit", "in all", HERE)


# -- how long ------------------------------------------------------------------------------------------------


def test_a_head_has_its_time_and_no_more(clock):
    connections = door(clock)
    silent, asking = arrive(connections, HERE), arrive(connections, HERE, asks=True)
    clock.now = 14.9
    connections.close_late()
    assert silent.became is None
    clock.now = 15.1
    connections.close_late()
    assert (silent.became, asking.became, len(connections)) == ("too late", None, 1)


def test_the_next_head_has_its_time_from_the_answer_on(clock):
    connections = door(clock)
    peer = arrive(connections, HERE, asks=True)
    clock.now = 100.0
    connections.waits(peer)
    clock.now = 114.0
    connections.close_late()
    assert peer.became is None
    clock.now = 115.1
    connections.close_late()
    assert peer.became == "too late"


def look_every_second(connections, clock, seconds, each=lambda: None):
    for _ in range(seconds):
        clock.now += 1
        each()
        connections.close_late()


def test_a_body_that_comes_slowly_has_more_time_and_one_that_drips_has_not(clock):
    connections = door(clock)
    slow, dripping, silent = (arrive(connections, HERE, asks=True) for _ in range(3))
    for peer in (slow, dripping, silent):
        connections.sends_body(peer)

    def more():
        slow.body_bytes += 1000
        dripping.body_bytes += 1

    look_every_second(connections, clock, 31, more)
    assert (slow.became, dripping.became, silent.became) == (None, "too late", "too late")
    look_every_second(connections, clock, 600, more)
    assert slow.became is None
    look_every_second(connections, clock, 31)
    assert slow.became == "too late"


def test_a_body_that_we_do_not_read_is_not_late(clock):
    connections = door(clock)
    peer = arrive(connections, HERE, asks=True)
    connections.sends_body(peer)
    peer.reads = False
    look_every_second(connections, clock, 120)
    peer.reads = True
    look_every_second(connections, clock, 29)
    assert peer.became is None
    look_every_second(connections, clock, 2)
    assert peer.became == "too late"


def test_a_body_that_is_whole_has_no_time_any_more(clock):
    connections = door(clock)
    peer = arrive(connections, HERE, asks=True)
    connections.sends_body(peer)
    connections.has_sent_body(peer)
    look_every_second(connections, clock, 100)
    assert peer.became is None


def test_who_never_reads_what_is_sent_is_let_go(clock):
    connections = door(clock)
    stuck, reading = arrive(connections, HERE, asks=True), arrive(connections, HERE, asks=True)
    connections.is_stuck(stuck)
    connections.is_stuck(reading)
    clock.now = 200.0
    connections.reads_again(reading)
    clock.now = 301.0
    connections.close_late()
    assert (stuck.became, reading.became) == ("gave way", None)


def test_a_slow_reader_of_the_last_answer_is_not_late_with_the_next_request(clock):
    connections = door(clock)
    peer = arrive(connections, HERE)
    peer.unsent_bytes = 1
    clock.now = 16.0
    connections.close_late()
    assert peer.became is None
    clock.now = 317.0
    connections.close_late()
    assert peer.became == "gave way"


def test_connections_closed_for_lateness_are_told_in_one_line(clock, caplog):
    connections = door(clock, replace(LIMITS, in_all=100))
    for host in range(50):
        arrive(connections, f"192.0.2.{host}")
    clock.now = 16.0
    with caplog.at_level(logging.INFO):
        connections.close_late()
    [told] = caplog.records
    assert (told.getMessage(), told.times) == ("Connections closed: request not complete in time", 50)
