"""A model that is asked before it is sure that the callee has finished: with the words so far, as soon as they are
known, while their end is still waited for.

Its answer counts when the callee said exactly that and no more. Until then nothing of it is said, no tool it calls is
read, and it is asked nothing further: a wrong guess costs what the model takes for it, and nothing else.
"""

from collections.abc import Callable

from outdial.agents.llm.answering import Answering
from outdial.agents.llm.chat import Request
from outdial.background import Background

MOST = 2  # of a turn: who stops again and again is heard out


class Guesses:
    """Of one conversation, one at a time. `ask`: has a model answer this, on a guess; `dropped`: told of one that was
    wrong, with what it cost."""

    def __init__(
        self, request_for: Callable[[str], Request | None], ask: Callable[[Request], Answering],
        dropped: Callable[[Answering], object],
    ) -> None:  # fmt: skip
        self._request_for = request_for
        self._ask = ask
        self._dropped = dropped
        self._made = 0
        self._guess: tuple[Request, Answering] | None = None
        self._background = Background()

    def heard(self, text: str | None) -> None:
        """What the callee has said if that was all; None when it goes on."""
        request = self._request_for(text) if text else None
        if self._guess is not None and self._guess[0] == request:
            return
        self._drop()
        if request is not None and self._made < MOST:
            self._made += 1
            self._guess = request, self._ask(request)

    def take(self, request: Request) -> Answering | None:
        """The answer to what was asked in the end, if that was guessed."""
        self._made = 0
        if self._guess is None or self._guess[0] != request or self._guess[1].failure is not None:
            self._drop()
            return None
        answering = self._guess[1]
        self._guess = None
        answering.confirm()
        return answering

    async def end(self) -> None:
        self._drop()
        await self._background.finish(0.0)

    def _drop(self) -> None:
        if self._guess is not None:
            answering, self._guess = self._guess[1], None
            self._background.start(self._cancel(answering), name="guess dropped")

    async def _cancel(self, answering: Answering) -> None:
        try:
            await answering.cancel()
        finally:
            self._dropped(answering)
