"""What a process does for alerts: it evaluates them once a minute, where no other has, and sends e-mails of them."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial import clock
from outdial.alerts.evaluate import EVERY, evaluate
from outdial.alerts.mail_queue import Mail, MailResult, finish, put_off, take
from outdial.alerts.mail_text import written
from outdial.alerts.smtp import WHOLE_S, MailFailed, MailPutOff, MailRefused, send
from outdial.db.notify import Notifications
from outdial.db.trouble import tell_trouble
from outdial.db.wake import Wake
from outdial.net.mail_server import MailServer
from outdial.repeating import Pauses
from outdial.settings import Settings

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 20.0  # for e-mails that are due by now, and should a notification be lost
AGAIN = Pauses(first_s=2.0, longest_s=30.0)
SERVER_AGAIN = Pauses(first_s=5.0, longest_s=300.0)  # after a mail server that couldn't be used


@dataclass(frozen=True, slots=True, kw_only=True)
class Postbox:
    """Where e-mails are handed in, and whose they are."""

    server: MailServer
    sender: str


def postbox(settings: Settings) -> Postbox | None:
    """Of the settings; None where there is none."""
    if settings.smtp_url is None or settings.smtp_sender is None:
        return None
    return Postbox(server=MailServer.parse(settings.smtp_url.get_secret_value()), sender=settings.smtp_sender)


class Watching:
    """Any number of processes may do so beside each other."""

    def __init__(
        self, engine: AsyncEngine, notifications: Notifications, postbox: Postbox | None, *, base_url: str
    ) -> None:
        self._engine = engine
        self._notifications = notifications
        self._postbox = postbox
        self._base_url = base_url

    async def run(self) -> None:
        """Until cancelled. E-mails go their own way: a mail server that is dead delays nothing."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_evaluating(), name="alerts evaluated")
            if self._postbox is not None:
                group.create_task(self._keep_mailing(self._postbox), name="alerts mailed")

    async def _keep_evaluating(self) -> None:
        failures = 0
        while True:
            try:
                await evaluate(self._engine, mail=self._postbox is not None)
                failures = 0
            except Exception as error:
                failures += 1
                tell_trouble(self._engine, logger, "Alerts not evaluated; trying again", error)
            await asyncio.sleep(AGAIN.after(failures) if failures else EVERY.total_seconds())

    async def _keep_mailing(self, postbox: Postbox) -> None:
        failures = 0
        with Wake().listening(self._notifications, "outdial_alert_mails") as left:
            while True:
                try:
                    is_well = await send_due(self._engine, postbox, base_url=self._base_url)
                    failures = 0 if is_well else failures + 1
                except Exception as error:
                    failures += 1
                    tell_trouble(self._engine, logger, "E-mails of alerts not sent; trying again", error)
                await left.wait(SERVER_AGAIN.after(failures) if failures else LOOK_EVERY_S)


async def send_due(
    engine: AsyncEngine,
    postbox: Postbox,
    *,
    base_url: str,
    clock: Callable[[], datetime] = clock.now,
) -> bool:
    """All that is due, one after the other; False where the mail server failed: the others wait with it. Where it
    answers, but takes an e-mail later, those of the same workspace wait, and nobody else's: it may be the address."""
    put_off_of: set[str] = set()
    has_taken = False
    while (mail := await take(engine, now=clock(), leaving_out=put_off_of)) is not None:
        try:
            if not await _send(engine, postbox, mail, base_url=base_url, clock=clock):
                return False
            has_taken = True
        except MailPutOff:
            put_off_of.add(mail.workspace_id)
    return has_taken or not put_off_of


async def _send(
    engine: AsyncEngine, postbox: Postbox, mail: Mail, *, base_url: str, clock: Callable[[], datetime]
) -> bool:
    """False: the mail server can't be used. Raises MailPutOff."""
    fields = {"workspace_id": mail.workspace_id, "alerts": len(mail.notices)}
    try:
        message = _message(mail, postbox, base_url=base_url, now=clock())
        async with asyncio.timeout(WHOLE_S):
            await send(postbox.server, message)
    except MailRefused as error:
        await finish(engine, mail, MailResult.REFUSED, now=clock(), error=error.reason)
        logger.warning("E-mail of alerts refused", extra=fields | {"reason": error.reason})
        return True
    except (MailFailed, TimeoutError) as error:
        reason = error.reason if isinstance(error, MailFailed) else "The mail server took too long."
        will_try = await put_off(engine, mail, reason, now=clock())
        told = "E-mail of alerts not sent; trying again" if will_try else "E-mail of alerts given up"
        logger.warning(told, extra=fields | {"reason": reason, "failures": mail.failures + 1})
        if isinstance(error, MailPutOff):
            raise
        return False
    await finish(engine, mail, MailResult.SENT, now=clock())
    return True


def _message(mail: Mail, postbox: Postbox, *, base_url: str, now: datetime) -> EmailMessage:
    """Raises MailRefused where none can be written to this address: others don't wait for it."""
    try:
        return written(mail, sender=postbox.sender, base_url=base_url, now=now)
    except Exception as error:
        raise MailRefused(f"The e-mail couldn't be written ({type(error).__name__}).") from error
