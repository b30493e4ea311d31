"""Whom a workspace's alerts are told by e-mail, and when not. The only writer of `alert_settings`."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial.alerts.quiet_hours import QuietHours, time_of
from outdial.db.alert_tables import alert_settings
from outdial.db.tables import members, people
from outdial.instants import zone_named
from outdial.refusals import Invalid
from outdial.workspaces.access import Role
from outdial.workspaces.audit import Actor, record
from outdial.workspaces.store import workspace_name

logger = logging.getLogger(__name__)

MOST = 20  # addresses
# Narrower than what mail allows: nothing that means something in a header, a list of addresses or SMTP.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,188}[A-Za-z0-9])?")


class QuietView(TypedDict):
    """`starts` and `ends` are times of day in the time zone, such as 22:00 and 07:00."""

    starts: str
    ends: str


class NoticesView(TypedDict):
    """`emails`: who gets e-mails, null: the operators of the workspace. `addresses`: who that is now. `quiet`: e-mails
    wait until these hours are over, null: never. `email`: the server can send e-mails."""

    emails: list[str] | None
    addresses: list[str]
    quiet: QuietView | None
    time_zone: str
    email: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    emails: tuple[str, ...] | None = None
    quiet: QuietHours | None = None
    time_zone: str = "UTC"


def is_address(text: str) -> bool:
    dots_are_inside = ".." not in text and ".@" not in text and not text.startswith(".")
    return _ADDRESS.fullmatch(text) is not None and dots_are_inside


async def read_notices(conn: AsyncConnection, workspace_id: str) -> Notices:
    query = select(alert_settings).where(alert_settings.c.workspace_id == workspace_id)
    row = (await conn.execute(query)).mappings().one_or_none()
    return Notices() if row is None else _of(row)


async def addresses_of(conn: AsyncConnection, workspace_id: str, notices: Notices) -> Sequence[str]:
    """Who gets e-mails now."""
    if notices.emails is not None:
        return notices.emails
    query = (
        select(people.c.email)
        .join(members, members.c.person_id == people.c.id)
        .where(members.c.workspace_id == workspace_id, members.c.role == Role.OPERATOR)
        .order_by(people.c.email)
    )
    found = (await conn.scalars(query)).all()
    return [email for email in found if is_address(email) and not email.endswith("@localhost")][:MOST]


async def get_notices(conn: AsyncConnection, workspace_id: str, *, can_mail: bool) -> NoticesView:
    notices = await read_notices(conn, workspace_id)
    quiet = notices.quiet
    return NoticesView(
        emails=None if notices.emails is None else list(notices.emails),
        addresses=list(await addresses_of(conn, workspace_id, notices)),
        quiet=None if quiet is None else QuietView(starts=f"{quiet.starts:%H:%M}", ends=f"{quiet.ends:%H:%M}"),
        time_zone=notices.time_zone,
        email=can_mail,
    )


async def change_notices(
    engine: AsyncEngine, workspace_id: str, changes: Mapping[str, Any], *, can_mail: bool, by: Actor
) -> NoticesView:
    """Only what is among `changes`: `emails`, `quiet` (`starts`, `ends`), `time_zone`. Raises Invalid."""
    columns = _columns(changes)
    async with engine.begin() as conn:
        before = await get_notices(conn, workspace_id, can_mail=can_mail)
        if columns:
            stored = upsert(alert_settings).values(workspace_id=workspace_id, **columns)
            await conn.execute(stored.on_conflict_do_update(index_elements=["workspace_id"], set_=columns))
        after = await get_notices(conn, workspace_id, can_mail=can_mail)
        if before != after:
            # How many, not who: addresses of people don't belong into a log that is kept for good.
            details = {
                "emails": None if after["emails"] is None else len(after["emails"]),
                "quiet": None if after["quiet"] is None else f"{after['quiet']['starts']} to {after['quiet']['ends']}",
                "time_zone": after["time_zone"],
            }
            name = await workspace_name(conn, workspace_id)
            act = "alert_notices.changed"
            await record(conn, workspace_id, by, act, subject_id=workspace_id, subject_name=name, details=details)
    return after


def _columns(changes: Mapping[str, Any]) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    if "emails" in changes:
        columns["emails"] = None if changes["emails"] is None else _checked(changes["emails"])
    if "quiet" in changes:
        quiet = changes["quiet"]
        for name in ("starts", "ends"):
            columns[{"starts": "quiet_from", "ends": "quiet_until"}[name]] = None if quiet is None else quiet[name]
            if quiet is not None:
                _check(f"quiet.{name}", time_of, quiet[name])
        if quiet is not None and quiet["starts"] == quiet["ends"]:
            raise Invalid("quiet.ends", "must be another time than they start at")
    if "time_zone" in changes:
        _check("time_zone", zone_named, changes["time_zone"])
        columns["time_zone"] = changes["time_zone"]
    return columns


def _checked(emails: Sequence[str]) -> list[str]:
    if len(emails) > MOST:
        raise Invalid("emails", f"must be {MOST} at most")
    for number, email in enumerate(emails):
        if not is_address(email):
            raise Invalid(f"emails[{number}]", "must be an e-mail address")
    return list(dict.fromkeys(emails))


def _check(field: str, read: Any, text: str) -> None:
    try:
        read(text)
    except ValueError as error:
        raise Invalid(field, str(error)) from None


def _of(row: RowMapping) -> Notices:
    """Quiet hours that nobody can read are none: whoever evaluates reads those of all workspaces."""
    quiet = None
    if row["quiet_from"] is not None:
        try:
            zone_named(row["time_zone"])
            starts, ends = time_of(row["quiet_from"]), time_of(row["quiet_until"])
            quiet = QuietHours(starts=starts, ends=ends, time_zone=row["time_zone"])
        except ValueError:
            logger.warning("Quiet hours not readable", extra={"workspace_id": row["workspace_id"]})
    emails = None if row["emails"] is None else tuple(row["emails"])
    return Notices(emails=emails, quiet=quiet, time_zone=row["time_zone"])
