"""The outbox emptied by this process, whenever something is left there."""

import asyncio
import logging
from collections.abc import Callable, Collection

from sqlalchemy.ext.asyncio import AsyncEngine

from outdial.db.engine import is_away
from outdial.db.notify import Notifications
from outdial.db.trouble import tell_trouble
from outdial.db.wake import Wake
from outdial.repeating import Pauses
from outdial.webhooks.outbox import BATCH, Emptied, empty, put_off_first
from outdial.workspaces.secrets import SecretBox

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0  # should a notification be lost, or whoever was at it have died
ONE_BY_ONE = 3      # failures in a row, after which the one row is looked for that is at fault
AGAIN = Pauses(first_s=0.2, longest_s=5.0)


async def keep_emptying(
    engine: AsyncEngine,
    notifications: Notifications,
    secret_box: SecretBox,
    wake: Callable[[Collection[str]], None],
    *,
    base_url: str,
) -> None:
    """Until cancelled. Any number of processes may do so; one is at it at a time. `wake` hears of the lanes that have
    something to send: this process sends it, and whoever else looks by itself before it has."""
    failures, done = 0, Emptied()
    with Wake().listening(notifications, "outdial_webhook_events") as left:
        while True:
            if not done.rows:
                await left.wait(min(LOOK_EVERY_S, done.again_s or LOOK_EVERY_S))
            try:
                at_most = 1 if failures >= ONE_BY_ONE else BATCH
                done = await empty(engine, secret_box, base_url=base_url, at_most=at_most)
                wake(done.lanes)
                failures = 0 if failures < ONE_BY_ONE or not done.rows else failures
            except Exception as error:
                tell_trouble(engine, logger, "Webhook outbox not emptied; trying again", error)
                done, failures = Emptied(), 0 if is_away(error) else failures + 1
                if failures > ONE_BY_ONE:  # this one it is: no other waits for it
                    await _put_off(engine)
                    failures = 0
                await asyncio.sleep(AGAIN.after(failures + 1))


async def _put_off(engine: AsyncEngine) -> None:
    try:
        row = await put_off_first(engine)
    except Exception as error:
        tell_trouble(engine, logger, "Webhook outbox not emptied; trying again", error)
    else:
        logger.error("Webhook event put off for an hour: it can't be told", extra={"row": row})
