"""How a callee leaves its agent: connected to another number at once, or to somebody who was asked first."""

import asyncio
import logging
from contextlib import suppress

from outdial.conversation.call_facts import CarrierControl
from outdial.conversation.floor import Floor
from outdial.conversation.media_line import MediaLine
from outdial.conversation.saying import Saying
from outdial.conversation.stopping import PATIENCE_S, stop
from outdial.conversation.understanding.language import language_of
from outdial.conversation.verb_results import CallEnded, TransferFailed
from outdial.conversation.warm import IfNotPossible, Warm
from outdial.media.frames import duration_ms
from outdial.media.hold_music import hold_music
from outdial.telephony.failures import CallError, FailureCode

logger = logging.getLogger(__name__)

FED_BEFORE_MS = 1000  # the next round of music is there so long before the one that plays is over
CHECK_MS = 200

NOT_POSSIBLE = CallError(
    code=FailureCode.CARRIER_REFUSED, message="This carrier can't connect a call with somebody who was asked first."
)


class Transferring:
    """The transfers of one agent on one call. `transferred`: the callee has left by one."""

    def __init__(
        self, call_id: str, control: CarrierControl, floor: Floor, media_line: MediaLine, saying: Saying, language: str
    ) -> None:
        self.transferred = False
        self._asked = asyncio.Event()  # not set while the carrier is asked to connect the callee
        self._asked.set()
        self._joining = False          # … with somebody who was asked first
        self._call_id = call_id
        self._control = control
        self._floor = floor
        self._media_line = media_line
        self._saying = saying
        self._language = language

    @property
    def is_leaving(self) -> bool:
        """Whether the callee is connected to somebody else, or may be in a moment."""
        return self.transferred or not self._asked.is_set()

    async def settle(self) -> None:
        """Wait for the carrier's word on a transfer that it is asked for just now, but not for long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await self._asked.wait()

    async def is_cold(self, warm: Warm | None) -> bool:
        """Whether the callee is connected at once. Raises TransferFailed where it isn't to be, and can't be otherwise.
        """
        if warm is None:
            return True
        if await self._control.can_consult():
            return False
        if warm.if_not_possible is IfNotPossible.COLD:
            return True
        raise TransferFailed(NOT_POSSIBLE)

    async def connect(self, to: str, failed_step: str | None = None) -> None:
        """Raises TransferFailed, and CallEnded when nobody was left to be transferred."""
        self._asked.clear()
        try:
            await self._control.transfer(to, failed=failed_step)
        except TransferFailed as failed:
            await self._floor.must_be_up()
            self._log(failed)
            raise
        else:
            self.transferred = True
        finally:
            self._asked.set()

    async def ask_first(self, to: str, warm: Warm) -> None:
        """Have somebody asked, while the callee hears a sentence and then music, and be connected with them. Whoever
        calls it has the floor. Raises TransferFailed when they don't take it, with the callee still there."""
        words = language_of(self._language).texts["please_hold"] if warm.hold is None else warm.hold
        if words.strip():
            await self._saying.speak(words, interruptible=False, asks=False)
        asking = asyncio.create_task(self._control.consult(to, warm, self._joins), name=f"asked: {self._call_id}")
        try:
            await self._hold_until(asking)
            asking.result()
            self.transferred = True
        except TransferFailed as failed:
            await self._floor.must_be_up()
            self._log(failed)
            raise
        finally:
            await stop(asking)
            self._media_line.clear()
            self._joining = False
            self._asked.set()

    def _joins(self) -> None:
        self._joining = True
        self._asked.clear()

    async def _hold_until(self, asking: asyncio.Task[None]) -> None:
        """Music for the callee. Raises CallEnded when it hangs up, but not while it is being connected: then its audio
        ends by that."""
        music, playback = hold_music(), self._media_line.play()
        fed_until = asyncio.get_running_loop().time()
        while not asking.done():
            if self._floor.has_ended and not self._joining:  # it hung up, or was transferred from outside
                raise CallEnded
            left_ms = (fed_until - asyncio.get_running_loop().time()) * 1000
            if left_ms < FED_BEFORE_MS and not playback.done.done():
                playback.feed(music)
                fed_until += duration_ms(music) / 1000
            await asyncio.wait({asking}, timeout=CHECK_MS / 1000)

    def _log(self, failed: TransferFailed) -> None:
        codes = {"code": failed.error.code, "carrier_code": failed.error.carrier_code}
        logger.warning("Transfer failed", extra={"call_id": self._call_id, **codes})
