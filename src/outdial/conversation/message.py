"""The message that a machine gets: said whole after its beep, or after its greeting, and proved to be by the carrier's
marks. While the machine talks, its audio is made."""

from collections.abc import Callable
from typing import Any, Protocol

from outdial.conversation.answering import Answering
from outdial.conversation.live_call import LiveCall

MESSAGE_PAUSE_MS = 400       # between a machine's beep and our message
LONGEST_GREETING_MS = 30_000  # that is waited for; then the message is left all the same


class AtMachine(LiveCall, Protocol):
    """What is needed of a call, beside an agent's verbs."""

    def prepare(self, text: str) -> None:
        """Have its audio made: it is said next."""
        ...

    async def hear_out(self, *, until: Callable[[], bool]) -> None:
        """Until what speaks has been silent for long enough, or something else is the case."""
        ...

    async def wait_until(self, is_over: Callable[[], bool], at_most_ms: int) -> None:
        """Be silent, and don't listen."""
        ...

    async def pause(self, ms: int) -> None: ...


class Message:
    """`is_delivered`: None where there are no words for it, or nobody takes them. May be left once more, from its
    beginning."""

    def __init__(self, words: Callable[[LiveCall], str], answering: Answering) -> None:
        self.is_delivered: bool | None = None
        self._words = words
        self._answering = answering
        self._beeps = 0           # before it was left, and …
        self._heard_out = False   # … whether nobody had told the greeting's end

    async def leave(self, call: Any) -> None:
        """On a dialogue."""
        if not (message := self._words(call)):
            return
        self.is_delivered, self._heard_out = False, False
        self._beeps = self._answering.beeps
        await self._greeting_ends(call, message)
        if self._answering.mailbox_is_full:
            self.is_delivered = None
            return
        if self._answering.takes_message and not self._answering.heard_out:
            await call.pause(MESSAGE_PAUSE_MS)
        said = await call.say(message, interruptible=False)
        # What a machine says of itself may be known only now.
        self.is_delivered = None if self._answering.mailbox_is_full else said.complete

    @property
    def begins_again(self) -> bool:
        """Whether it was begun too early: only now the machine has beeped. That its greeting is over is no news
        to a message under way: a machine that records is silent."""
        answering = self._answering
        return answering.beeps > self._beeps or (self._heard_out and answering.has_beeped)

    async def _greeting_ends(self, call: AtMachine, message: str) -> None:
        """Be silent until the machine takes a message, but not for longer than it is silent itself: our own detector
        tells that, where it follows the call; else we listen, for a carrier may tell it late."""
        answering = self._answering

        def is_over() -> bool:
            return answering.takes_message or answering.mailbox_is_full

        call.prepare(message)
        if answering.is_followed:
            await call.wait_until(lambda: is_over() or not answering.is_followed, LONGEST_GREETING_MS)
        if not answering.is_followed and not is_over():
            await call.hear_out(until=is_over)
        self._heard_out = not answering.takes_message
