"""How fast an account of a carrier dials: the carrier counts what leaves, whichever workspace or process sends it.

A **departure** is a dial that is sent. Each has a slot, one after the other (`paces` holds the last one of an account,
`calls/departure.py` takes the next), and leaves when its slot begins or a little later; one that can't takes another
slot. So that no second sees more departures than `calls_per_second`, that many slots take a second and as much longer
as a departure may be late: LATE_S, or what a busy process asks for. Then the account is a little slower for everybody,
until for a second (and that much longer) nobody has asked for it.

Workspaces that have connected the same account share its pace, and the lowest that one of them has set holds.
"""

from collections.abc import Mapping

from sqlalchemy import CTE, Boolean, Double, all_, and_, bindparam, case, func, literal_column, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from outdial.db.tables import carrier_accounts, paces

# Between the beginning of a slot and the departure lies a round trip to the database. It costs the account a fiftieth
# of its pace.
LATE_S = 0.02
REMEMBERED_S = 1.01  # and as long as that: how long a slot for which somebody may be later makes all of them longer
# A dial whose slot is farther away gives its line back, instead of waiting with it.
LONGEST_WAIT_S = 1.0
FARTHEST_S = 2 * LONGEST_WAIT_S  # no slot is given that is farther away
# Claims are made ahead of their slots, or each slot would begin only when a claim is through: they begin when the next
# slot is this near, and are made for slots up to so far away.
SOON_S, AHEAD_S = 0.2, 0.3
# Of one account a process has so many dials under way: fewer than its client opens connections, where a dial would wait
# that is to be sent at once. When they are many the carrier is slow, and others may have the lines.
MOST_OF_ACCOUNT = 40


def full_accounts(under_way: Mapping[str, int]) -> list[str]:
    """Those that nothing more is claimed for, of accounts with so many dials under way."""
    return [account_id for account_id, dials in under_way.items() if dials >= MOST_OF_ACCOUNT]


def apart_s(pace: str, late_s: str) -> str:
    """SQL: how many seconds lie between two slots at a pace (calls a second) when departures may be so late; both are
    SQL, too."""
    return f"(CASE WHEN {pace} >= 1 THEN (1 + {late_s}) / {pace} ELSE 1 / {pace} + {late_s} END)"


def is_of_our_clock(slot_at: str) -> str:
    """SQL: whether the last slot of an account counts. One that is farther away than any that is given is of another
    clock: the database has failed over to a host that is behind, and the account would wait for that clock."""
    return f"({slot_at} <= clock_timestamp() + make_interval(secs => {FARTHEST_S}))"


def accounts_in_turn() -> CTE:
    """The accounts of `:workspace` but for `:accounts`: how far apart the slots of each are, and when its next dial may
    be claimed for."""
    account, same = carrier_accounts.c, carrier_accounts.alias("same")
    lowest = (
        select(func.min(same.c.calls_per_second).label("calls_per_second"))
        .where(same.c.account_ref == account.account_ref, same.c.carrier == account.carrier)
        .lateral("lowest")
    )
    late_s = f"coalesce(paces.late_s, {LATE_S})"
    apart = literal_column(apart_s("lowest.calls_per_second", late_s), Double)
    counts = literal_column(is_of_our_clock("paces.slot_at"), Boolean)
    after_the_last = case((counts, paces.c.slot_at + func.make_interval(0, 0, 0, 0, 0, 0, apart)))
    its_pace = and_(paces.c.carrier == account.carrier, paces.c.account_ref == account.account_ref)
    return (
        select(
            account.id,
            account.carrier,
            apart.label("apart_s"),
            func.greatest(account.next_dial_at, after_the_last).label("next_dial_at"),  # of NULL it takes no notice
        )
        .select_from(carrier_accounts.join(lowest, true()).outerjoin(paces, its_pace))
        .where(
            account.workspace_id == bindparam("workspace", type_=Text),
            account.id != all_(bindparam("accounts", type_=ARRAY(Text))),
        )
        .cte("accounts_in_turn")
    )
