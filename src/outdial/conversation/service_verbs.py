"""The verbs of a live call that no agent has: what is done at a machine, and at a service that stands before the callee
(message.py, gates.py). Part of a dialogue.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from outdial.conversation.floor import Floor
from outdial.conversation.listening import Listening
from outdial.conversation.live_call import NORMAL
from outdial.conversation.media_line import MediaLine
from outdial.conversation.opening import HEARD_OUT_MS, HearOut, Opening, UntilSpoken
from outdial.conversation.picking_up import PickingUp
from outdial.conversation.saying import Saying
from outdial.conversation.transcript import Transcript
from outdial.conversation.turn_words import NOTHING
from outdial.conversation.verb_results import Heard


class ServiceVerbs:
    """What they need of a dialogue is its own."""

    picking_up: PickingUp
    _floor: Floor
    _listening: Listening
    _media_line: MediaLine
    _saying: Saying
    _transcript: Transcript

    def _verb(self) -> AbstractAsyncContextManager[None]:
        raise NotImplementedError

    # -- at a machine ----------------------------------------------------------------------------------------

    async def hear_out(self, quiet_ms: int = HEARD_OUT_MS, until: Callable[[], bool] = lambda: False) -> None:
        """Until a machine's greeting is over: it has been silent for that long, or its end is told."""
        async with self._verb():
            await self.picking_up.wait(HearOut(quiet_ms, until), faint=True)

    async def wait_until(self, is_over: Callable[[], bool], at_most_ms: int) -> None:
        """Be silent, and don't listen."""
        by_ms = self._media_line.now_ms() + at_most_ms
        async with self._verb():
            while not is_over() and (left_ms := by_ms - self._media_line.now_ms()) > 0:
                await self._floor.wait(left_ms)  # woken by whatever becomes known of who answered

    def prepare(self, text: str) -> None:
        """Have its audio made: it is said next."""
        self._saying.ahead.prepare(text)

    async def pause(self, ms: int) -> None:
        """Silence, from us, that the carrier has played."""
        async with self._verb():
            await self._saying.pause(ms)

    # -- at a service before the callee ----------------------------------------------------------------------

    async def overhear(self, no_reply_s: float) -> Heard:
        """As `listen`, but nothing is said to who asks us to wait."""
        async with self._verb():
            return await self._listening.listen(
                patience=NORMAL, no_reply_ms=round(no_reply_s * 1000), max_digits=0, asked=NOTHING
            )

    async def hear_somebody(self, at_most_s: float) -> bool:
        """Until somebody begins to speak; whether that was in time."""
        by_ms = self._media_line.now_ms() + round(at_most_s * 1000)
        opening = UntilSpoken(lambda: by_ms - self._media_line.now_ms())
        async with self._verb():
            await self.picking_up.wait(opening)
        return opening.spoken

    async def fill(self, text: str) -> None:
        """A few words of ours. What is said meanwhile is heard all the same. Raises SpeechFailed."""
        async with self._verb():
            await self._saying.fill(text)

    def meet_service(self) -> None:
        """What is said from now on is said to it, and its words are no replies of the callee's. What was heard until
        now counts no more."""
        self._listening.forget_words()
        self._transcript.begin_anew(with_callee=False)

    def begin_anew(self, opening: Opening | None) -> None:
        """Whoever is there now is talked to from the start, when it is our turn to (None: at once)."""
        self._listening.forget_words()
        self._transcript.begin_anew(with_callee=True)
        self.picking_up.begin_anew(opening)
