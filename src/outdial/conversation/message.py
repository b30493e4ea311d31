"""The message that a machine gets: said whole after its beep, and proved to be by the carrier's marks."""

from collections.abc import Callable
from typing import Any

from outdial.conversation.live_call import LiveCall

MESSAGE_PAUSE_MS = 400  # between a machine's beep and our message


class Message:
    """`is_delivered`: None where there are no words for it. May be left once more, from its beginning."""

    def __init__(self, words: Callable[[LiveCall], str]) -> None:
        self.is_delivered: bool | None = None
        self._words = words

    async def leave(self, call: Any) -> None:
        """On a dialogue."""
        if message := self._words(call):
            self.is_delivered = False
            await call.pause(MESSAGE_PAUSE_MS)
            said = await call.say(message, interruptible=False)
            self.is_delivered = said.complete
