"""A test of the mail server: an e-mail to everybody who gets those of alerts, now."""

import asyncio
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import TypedDict

from outdial import clock
from outdial.alerts.mail_text import trial_message
from outdial.alerts.notices import MOST, addresses_of, read_notices
from outdial.alerts.smtp import MailFailed, send
from outdial.alerts.watching import Postbox, postbox
from outdial.db.tables import audit_log
from outdial.refusals import Conflict, LimitReached
from outdial.settings import Settings
from outdial.workspaces.audit import Actor, ActorKind, record
from outdial.workspaces.store import workspace_name

WITHIN_S = 45.0
AGAIN_AFTER = timedelta(seconds=20)
ACT = "alert_notices.tested"


class AddressTested(TypedDict):
    """`error` is null where the mail server has taken it."""

    address: str
    error: str | None


class MailTest(TypedDict):
    """`sent`: the mail server has taken all of them."""

    sent: bool
    addresses: list[AddressTested]


async def send_test(
    engine: AsyncEngine, settings: Settings, workspace_id: str, *, to: str | None = None, by: Actor
) -> MailTest:
    """`to`: this address alone. Raises Conflict where there is no mail server, or nobody to be told, and LimitReached
    right after another test: whoever has a key must not fill strangers' mailboxes."""
    box = postbox(settings)
    if box is None:
        raise Conflict(
            "no_mail_server", "The server sends no e-mails: whoever runs it sets OUTDIAL_SMTP_URL and _SMTP_SENDER."
        )
    async with engine.begin() as conn:
        addresses = [to] if to is not None else list(
            await addresses_of(conn, workspace_id, await read_notices(conn, workspace_id))
        )[:MOST]
        if not addresses:
            raise Conflict("nobody_to_mail", "Nobody gets e-mails of alerts: enter an address.")
        await _once_in_a_while(conn, workspace_id, by)
        name, told = await workspace_name(conn, workspace_id), {"emails": len(addresses)}
        await record(conn, workspace_id, by, ACT, subject_id=workspace_id, subject_name=name, details=told)
    errors = await asyncio.gather(*(_try(box, address, settings.base_url) for address in addresses))
    tested = [AddressTested(address=each, error=error) for each, error in zip(addresses, errors, strict=True)]
    return MailTest(sent=not any(errors), addresses=tested)


async def _once_in_a_while(conn: AsyncConnection, workspace_id: str, by: Actor) -> None:
    """Whoever is at the server itself may test as often as they like."""
    if by.kind is ActorKind.COMMAND_LINE:
        return
    await conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"alert test {workspace_id}", 0))))
    log = audit_log.c
    recent = select(log.id).where(log.workspace_id == workspace_id, log.act == ACT, log.at > func.now() - AGAIN_AFTER)
    if await conn.scalar(recent.limit(1)) is not None:
        seconds = int(AGAIN_AFTER.total_seconds())
        raise LimitReached("tested_just_now", f"A test was sent just now: wait {seconds} s.", retry_after_s=seconds)


async def _try(box: Postbox, address: str, base_url: str) -> str | None:
    message = trial_message(address, sender=box.sender, base_url=base_url, now=clock.now())
    try:
        async with asyncio.timeout(WITHIN_S):
            await send(box.server, message)
    except MailFailed as error:
        return error.reason
    except TimeoutError:
        return "The mail server took too long."
    return None
