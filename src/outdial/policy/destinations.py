"""Where a workspace's calls may go: its destinations kept, shown, changed. The only writer of `destinations`.

Countries of its own numbers come by connecting them; everything else by people. What somebody took away stays away,
also when another number of that country is connected. A number that an API key connects brings its country for calls
through its own carrier account alone: else a key could open any country with an account of its own.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Text, delete, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.db.tables import destinations, numbers
from outdial.instants import to_json
from outdial.policy.destination_match import is_allowed, is_prefix, named_kind
from outdial.refusals import Conflict, NotFound
from outdial.telephony.numbering import Special, calling_code, countries_with, country_of
from outdial.workspaces.audit import Actor, ActorKind, ActorView, record

MOST = 1000  # destinations of a workspace: each is looked at before a dial
SUBJECT = "destinations"  # what the audit log calls the list

# Finds out what prefixes let in: milliseconds each, once in a process. One thread, so that nobody who asks for a long
# list again and again takes more than that.
_plans = ThreadPoolExecutor(1, "numbering-plans")


class DestinationSource(StrEnum):
    """How a destination came into the list."""

    NUMBER = "number"    # a number of this country was connected
    PERSON = "person"
    CLI = "cli"
    UPGRADE = "upgrade"  # called before there was a list


class DestinationView(TypedDict):
    """A country or a prefix that may be called. `only_account`: by calls through this carrier account alone, null for
    all. `special`: it names numbers that cost more; `warning` says what to think of, where there is something."""

    destination: str
    calling_code: str
    special: Special | None
    only_account: str | None
    source: DestinationSource
    by: ActorView | None
    warning: str | None
    created_at: str


# -- asked before a dial ---------------------------------------------------------------------------------------


def destinations_of(workspace_id: ColumnElement[str], account_id: ColumnElement[str]) -> ColumnElement[Sequence[str]]:
    """Part of a query: what calls of a workspace through a carrier account may reach."""
    one = destinations.c
    found = select(func.array_agg(one.destination)).where(
        one.workspace_id == workspace_id,
        one.removed_at.is_(None),
        or_(one.carrier_account_id.is_(None), one.carrier_account_id == account_id),
    )
    return func.coalesce(found.scalar_subquery(), literal([], ARRAY(Text)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a workspace may call, by whichever of its numbers."""

    own_numbers: Sequence[str]
    destinations: Collection[str]

    def covers(self, number: str) -> bool:
        """`number` is E.164."""
        return any(is_allowed(number, own, self.destinations) for own in self.own_numbers or (number,))


async def read_reach(conn: AsyncConnection, workspace_id: str) -> Reach:
    own = await conn.scalars(select(numbers.c.e164).where(numbers.c.workspace_id == workspace_id))
    one = destinations.c
    here = select(one.destination).where(one.workspace_id == workspace_id, one.removed_at.is_(None))
    return Reach(own_numbers=list(own), destinations=set(await conn.scalars(here)))


# -- changed ---------------------------------------------------------------------------------------------------


async def allow_country_of(
    conn: AsyncConnection, workspace_id: str, own_number: str, account_id: str, *, by: Actor
) -> None:
    """A number of the workspace's own is connected: its country may be called, unless somebody took it away."""
    country = country_of(own_number)
    if country is None:
        return
    one = destinations.c
    known = select(one.id).where(
        one.workspace_id == workspace_id, one.destination == country, one.carrier_account_id.is_(None)
    )
    if await conn.scalar(known) is None:
        only = account_id if by.kind is ActorKind.API_KEY else None
        values = _values(workspace_id, country, DestinationSource.NUMBER, by) | {"carrier_account_id": only}
        await conn.execute(upsert(destinations).values(values).on_conflict_do_nothing())


async def allow(
    engine: AsyncEngine, workspace_id: str, destination: str, *, source: DestinationSource, by: Actor
) -> tuple[DestinationView, bool]:
    """The destination, and whether it is new. `destination` as `parse_destination` gives it. Raises Conflict where
    there are too many."""
    one = destinations.c
    async with engine.begin() as conn:
        here = select(func.count()).where(one.workspace_id == workspace_id, one.removed_at.is_(None))
        if (await conn.scalar(here) or 0) >= MOST:
            raise Conflict("too_many_destinations", f"A workspace has at most {MOST} destinations; remove some first.")
        values = _values(workspace_id, destination, source, by)
        again = values | {"removed_at": None, "created_at": func.now()}
        added = await conn.execute(
            upsert(destinations)
            .values(values)
            .on_conflict_do_update(
                index_elements=[one.workspace_id, one.destination],
                index_where=one.carrier_account_id.is_(None),
                set_=again,
                where=one.removed_at.is_not(None),
            )
            .returning(one.id)
        )
        is_new = added.one_or_none() is not None
        if is_new:
            await _record(conn, workspace_id, by, "allowed", destination)
        query = select(destinations).where(
            one.workspace_id == workspace_id, one.destination == destination, one.carrier_account_id.is_(None)
        )
        row = (await conn.execute(query)).mappings().one()
    return (await _views([row]))[0], is_new


async def take_away(engine: AsyncEngine, workspace_id: str, destination: str, *, by: Actor) -> DestinationView:
    """Calls there are refused from now on, those that wait when they are due. Raises NotFound."""
    one = destinations.c
    mine = (one.workspace_id == workspace_id, one.destination == destination)
    async with engine.begin() as conn:
        found = select(destinations).where(*mine, one.removed_at.is_(None)).order_by(one.id).with_for_update()
        rows = (await conn.execute(found)).mappings().all()
        if not rows:
            raise NotFound("not_a_destination", f"{destination} is not among this workspace's destinations.")
        await conn.execute(delete(destinations).where(*mine, one.carrier_account_id.is_not(None)))
        kept = upsert(destinations).values(
            _values(workspace_id, destination, DestinationSource(rows[0][one.source]), by) | {"removed_at": func.now()}
        )
        await conn.execute(
            kept.on_conflict_do_update(
                index_elements=[one.workspace_id, one.destination],
                index_where=one.carrier_account_id.is_(None),
                set_={"removed_at": func.now()},
            )
        )
        await _record(conn, workspace_id, by, "removed", destination)
    return (await _views(rows[:1]))[0]


# -- shown -----------------------------------------------------------------------------------------------------


async def list_destinations(conn: AsyncConnection, workspace_id: str) -> list[DestinationView]:
    """Countries first, then prefixes, each in order. `conn` is `reading`: long lists take seconds the first time, which
    no transaction should wait for."""
    one = destinations.c
    query = select(destinations).where(one.workspace_id == workspace_id, one.removed_at.is_(None))
    found = await _views((await conn.execute(query.order_by(one.id))).mappings().all())
    return sorted(found, key=lambda view: (is_prefix(view["destination"]), view["destination"]))


async def _views(rows: Iterable[RowMapping]) -> list[DestinationView]:
    return await asyncio.get_running_loop().run_in_executor(_plans, lambda: [_view(row) for row in rows])


def _warning(destination: str, special: Special | None) -> str | None:
    """What somebody who allows a destination should know."""
    if special is not None:
        return f"Lets in {special.replace('_', '-')} numbers, whose calls cost more, some of them many times more."
    if is_prefix(destination):
        sharing = countries_with(destination)
        if len(sharing) > 1:
            return f"Lets in numbers of {len(sharing)} countries: {', '.join(sharing)}."
    return None


def _view(row: RowMapping) -> DestinationView:
    destination, kind = row["destination"], row["actor_kind"]
    special = named_kind(destination)
    by = None if kind is None else ActorView(kind=ActorKind(kind), id=row["actor_id"], name=row["actor_name"])
    return DestinationView(
        destination=destination,
        calling_code=destination if is_prefix(destination) else calling_code(destination),
        special=special,
        only_account=row["carrier_account_id"],
        source=DestinationSource(row["source"]),
        by=by,
        warning=_warning(destination, special),
        created_at=to_json(row["created_at"]),
    )


def _values(workspace_id: str, destination: str, source: DestinationSource, by: Actor) -> dict[str, Any]:
    return {
        "workspace_id": workspace_id,
        "destination": destination,
        "source": source,
        "actor_kind": by.kind,
        "actor_id": by.id,
        "actor_name": by.name,
    }


async def _record(conn: AsyncConnection, workspace_id: str, by: Actor, what: str, destination: str) -> None:
    act = f"destinations.{what}"
    await record(conn, workspace_id, by, act, subject_id=SUBJECT, subject_name=destination)
