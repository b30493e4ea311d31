"""What is thrown, and when: drawn from a seed, so that a run can be had again. Pure."""

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from outdial.simulator.faults import FaultKind


class Kind(StrEnum):
    KILL = "kill"                                # kill -9 of a process
    FREEZE = "freeze"                            # SIGSTOP, SIGCONT
    DRAIN = "drain"                              # SIGTERM
    VANISH = "vanish"                            # a host: its network goes silent, then its process is killed
    DATABASE_RESTART = "database restart"        # fast
    DATABASE_CRASH = "database crash"            # immediate
    DATABASE_KILL = "database kill"              # kill -9 of the postmaster
    DATABASE_FREEZE = "database freeze"
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


OF_A_PROCESS = (Kind.KILL, Kind.FREEZE, Kind.DRAIN, Kind.VANISH)
OF_THE_DATABASE = (Kind.DATABASE_RESTART, Kind.DATABASE_CRASH, Kind.DATABASE_KILL, Kind.DATABASE_FREEZE)
OF_THE_SIMULATOR = tuple(kind for kind in Kind if kind in {str(fault) for fault in FaultKind})

WEIGHT = {Kind.KILL: 4, Kind.FREEZE: 2, Kind.DRAIN: 2}  # of the others: 1
LASTS_S = {  # from, to
    Kind.KILL: (0.0, 8.0),      # until it is started again
    Kind.FREEZE: (1.0, 20.0),
    Kind.DRAIN: (0.0, 5.0),
    Kind.VANISH: (25.0, 40.0),  # nobody says goodbye for it: its connections have to be found dead
    Kind.DATABASE_RESTART: (0.0, 4.0),
    Kind.DATABASE_CRASH: (0.0, 4.0),
    Kind.DATABASE_KILL: (0.0, 4.0),
    Kind.DATABASE_FREEZE: (1.0, 10.0),
    Kind.CARRIER_UNREACHABLE: (1.0, 10.0),
}
FAULT_LASTS_S = (3.0, 12.0)
PAUSES_S = (1.0, 6.0)           # between a throw and the next one
APART_S = 3.0                   # between the end of one and the next at the same
STARTS_S = 10.0                 # a process, until it is one that can be hit: it has models to load
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
    those that weigh more. What is over a process or the database already is not hit a second time at once."""
    rng = random.Random(seed)
    throws: list[Throw] = []
    free_at: dict[object, float] = {}
    deck = _deck(rng, kinds)
    at_s = QUIET_AT_FIRST_S + rng.uniform(*PAUSES_S)
    while at_s < seconds:
        kind = next(deck)
        server = rng.randrange(servers) if kind in OF_A_PROCESS else None
        what: list[object] = [kind if server is None else server, *(["database"] if kind in OF_THE_DATABASE else [])]
        if kind is Kind.VANISH:
            what.append(kind)  # one host at a time: the other one has to find it dead
        lasts_s = rng.uniform(*LASTS_S.get(kind, FAULT_LASTS_S))
        strength = rng.uniform(0.2, 1.0)
        pause_s = rng.uniform(*PAUSES_S)
        if all(free_at.get(each, 0.0) <= at_s for each in what):
            throws.append(Throw(kind=kind, at_s=at_s, lasts_s=lasts_s, server=server, strength=strength))
            free_again_at = at_s + lasts_s + (APART_S if server is None else STARTS_S)
            free_at |= dict.fromkeys(what, free_again_at)
            at_s += pause_s
        else:
            at_s += BUSY_S
    return throws


def _deck(rng: random.Random, kinds: Collection[Kind]) -> Iterator[Kind]:
    """All kinds, shuffled, again and again."""
    wanted: Sequence[Kind] = [kind for kind in Kind if kind in kinds for _ in range(WEIGHT.get(kind, 1))]
    while True:
        cards = list(wanted)
        rng.shuffle(cards)
        yield from cards
