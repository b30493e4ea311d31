"""What is thrown, and when: drawn from a seed, so that a run can be had again. Pure."""

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from outdial.simulator.faults import FaultKind


class Kind(StrEnum):
    KILL = "kill"                                # kill -9 of a process
    FREEZE = "freeze"                            # SIGSTOP, SIGCONT
    DRAIN = "drain"                              # SIGTERM
    VANISH = "vanish"                            # a host: its network goes silent, then its process is killed
    POWER_CUT = "power cut"                      # the same at once
    PAUSE = "pause"                              # a host stands still for longer than its lease, its network too
    CLOCK_JUMP = "clock jump"                    # a host's wall clock, by an hour
    NO_DATABASE = "no way to the database"       # of one host
    NO_CARRIERS = "no way to the carriers"       # of one host, nor from them to it
    ROLLING_DEPLOY = "rolling deploy"            # SIGTERM and a new start, one host after the other
    DATABASE_RESTART = "database restart"        # fast
    DATABASE_CRASH = "database crash"            # immediate
    DATABASE_KILL = "database kill"              # kill -9 of the postmaster
    DATABASE_FREEZE = "database freeze"
    FAILOVER = "database failover"               # the primary is killed for good, its standby promoted
    STORE_UNREACHABLE = "store unreachable"      # of recordings
    STORE_FREEZE = "store freeze"
    CARRIER_UNREACHABLE = "carrier unreachable"
    REPLY_LOST = "reply_lost"                    # from here on: faults of the simulator, as it calls them
    REPLY_AFTER_CALLBACK = "reply_after_callback"
    ERROR_BEFORE_DIALLING = "error_before_dialling"
    ERROR_AFTER_DIALLING = "error_after_dialling"
    THROTTLED = "throttled"
    CALLBACK_LOST = "callback_lost"
    CALLBACK_REPEATED = "callback_repeated"
    CALLBACK_LATE = "callback_late"
    CALLBACK_REORDERED = "callback_reordered"
    LOOK_UP_ERROR = "look_up_error"
    HANG_UP_ERROR = "hang_up_error"
    STREAM_CUT = "stream_cut"
    STREAM_NEVER_STARTED = "stream_never_started"


OF_A_HOST = (Kind.VANISH, Kind.POWER_CUT, Kind.PAUSE, Kind.CLOCK_JUMP, Kind.NO_DATABASE, Kind.NO_CARRIERS)
OF_A_PROCESS = (Kind.KILL, Kind.FREEZE, Kind.DRAIN, *OF_A_HOST)
OF_ALL_HOSTS = (Kind.ROLLING_DEPLOY,)
ONE_AT_A_TIME = (*OF_A_HOST, *OF_ALL_HOSTS)  # the other hosts have to find it out, and to go on
ENDS_A_PROCESS = (Kind.KILL, Kind.FREEZE, Kind.DRAIN, Kind.VANISH, Kind.POWER_CUT)
OF_THE_DATABASE = (
    Kind.DATABASE_RESTART, Kind.DATABASE_CRASH, Kind.DATABASE_KILL, Kind.DATABASE_FREEZE, Kind.FAILOVER
)  # fmt: skip
OF_THE_STORE = (Kind.STORE_UNREACHABLE, Kind.STORE_FREEZE)
OF_THE_SIMULATOR = tuple(kind for kind in Kind if kind in {str(fault) for fault in FaultKind})

WEIGHT = {Kind.KILL: 4, Kind.FREEZE: 2, Kind.DRAIN: 2}  # of the others: 1
LASTS_S = {  # from, to
    Kind.KILL: (0.0, 8.0),      # until it is started again
    Kind.FREEZE: (1.0, 20.0),
    Kind.DRAIN: (0.0, 5.0),
    Kind.VANISH: (25.0, 40.0),  # nobody says goodbye for it: its connections have to be found dead
    Kind.POWER_CUT: (8.0, 15.0),
    Kind.PAUSE: (8.0, 15.0),
    Kind.CLOCK_JUMP: (10.0, 20.0),  # until somebody puts it right
    Kind.NO_DATABASE: (8.0, 20.0),
    Kind.NO_CARRIERS: (5.0, 15.0),
    Kind.ROLLING_DEPLOY: (0.0, 3.0),  # between a process's end and its start
    Kind.DATABASE_RESTART: (0.0, 4.0),
    Kind.DATABASE_CRASH: (0.0, 4.0),
    Kind.DATABASE_KILL: (0.0, 4.0),
    Kind.DATABASE_FREEZE: (1.0, 10.0),
    Kind.FAILOVER: (1.0, 3.0),      # the new primary, before it gets a standby
    Kind.STORE_UNREACHABLE: (3.0, 20.0),
    Kind.STORE_FREEZE: (3.0, 20.0),
    Kind.CARRIER_UNREACHABLE: (1.0, 10.0),
}
FAULT_LASTS_S = (3.0, 12.0)
PAUSES_S = (2.0, 7.0)           # between a throw and the next one
APART_S = 3.0                   # between the end of one and the next at the same
DEPLOY_S = 12.0                 # of one host: its calls end, it starts
STANDBY_S = 40.0                # until a new primary has one, and hosts have lived with it for a while
STARTS_S = 10.0                 # until a process is one that can be hit: it has models to load; the database, clients
BUSY_S = 0.1
QUIET_AT_FIRST_S = 5.0          # calls have to be there to be hit


@dataclass(frozen=True, slots=True, kw_only=True)
class Throw:
    """`at_s` counts from when traffic began. `server`: its number, of a throw at a process."""

    kind: Kind
    at_s: float
    lasts_s: float
    server: int | None = None
    strength: float = 1.0  # of a fault: how probable it is, how late; of a host that vanishes: how soon it is dead


def schedule(seed: int, *, seconds: float, servers: int, kinds: Collection[Kind] = tuple(Kind)) -> list[Throw]:
    """In the order of `at_s`, which is when it comes at the earliest. Every kind comes before one comes again, but for
    those that weigh more, and those that have to wait. What is over a process or the database already is not hit a
    second time at once. What strikes a whole host, one at a time, has a deck of its own: each of these comes as soon as
    the one before is over."""
    rng = random.Random(seed)
    throws: list[Throw] = []
    free_at: dict[object, float] = {}
    decks = [
        _Deck(rng, [kind for kind in kinds if (kind in ONE_AT_A_TIME) is strikes_hosts], wait=strikes_hosts)
        for strikes_hosts in (True, False)
    ]
    at_s = QUIET_AT_FIRST_S + rng.uniform(*PAUSES_S)
    while at_s < seconds:
        drawn = next(filter(None, (deck.draw(servers, free_at, at_s) for deck in decks)), None)
        if drawn is None:
            at_s += BUSY_S
            continue
        kind, server = drawn
        lasts_s = rng.uniform(*LASTS_S.get(kind, FAULT_LASTS_S))
        strength = rng.uniform(0.2, 1.0)
        throws.append(Throw(kind=kind, at_s=at_s, lasts_s=lasts_s, server=server, strength=strength))
        busy_until = at_s + _busy_s(kind, servers, lasts_s)
        free_at |= dict.fromkeys(_hit(kind, server, servers), busy_until)
        at_s += rng.uniform(*PAUSES_S)
    return throws


def _hit(kind: Kind, server: int | None, servers: int) -> list[object]:
    """What a throw is over, and is not to be hit meanwhile."""
    what: list[object] = [kind if server is None else server]
    if kind in OF_THE_DATABASE:
        what.append("database")
    if kind in OF_THE_STORE:
        what.append("store")
    if kind in ONE_AT_A_TIME:
        what.append("a host")
    if kind in OF_ALL_HOSTS:
        what += range(servers)
    return what


def _busy_s(kind: Kind, servers: int, lasts_s: float) -> float:
    if kind in OF_ALL_HOSTS:
        return servers * (DEPLOY_S + lasts_s)
    if kind is Kind.FAILOVER:
        return lasts_s + STANDBY_S
    return lasts_s + (STARTS_S if kind in (*ENDS_A_PROCESS, *OF_THE_DATABASE) else APART_S)


class _Deck:
    """All kinds, shuffled, again and again. Those that can't be thrown just now wait in the hand; where they `wait`,
    so does all that would come after them."""

    def __init__(self, rng: random.Random, kinds: Collection[Kind], *, wait: bool) -> None:
        self._rng = rng
        self._wait = wait
        self._cards = [kind for kind in Kind if kind in kinds for _ in range(WEIGHT.get(kind, 1))]
        self._hand: list[Kind] = []

    def draw(self, servers: int, free_at: Mapping[object, float], at_s: float) -> tuple[Kind, int | None] | None:
        """The next that can be thrown at this time, and at which server."""
        drawn = self._playable(servers, free_at, at_s)
        if drawn is None and (not self._hand or (not self._wait and len(self._hand) < len(self._cards))):
            self._hand += self._rng.sample(self._cards, len(self._cards))
            drawn = self._playable(servers, free_at, at_s)
        return drawn

    def _playable(self, servers: int, free_at: Mapping[object, float], at_s: float) -> tuple[Kind, int | None] | None:
        for place, kind in enumerate(self._hand):
            server = self._rng.randrange(servers) if kind in OF_A_PROCESS else None
            if all(free_at.get(each, 0.0) <= at_s for each in _hit(kind, server, servers)):
                del self._hand[place]
                return kind, server
        return None
