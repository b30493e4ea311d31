"""What is polite whoever the agent is: to wait for a callee who asks for a moment, to say so when we need one, and to
ask for words that were lost."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from outdial.background import Background
from outdial.conversation.call_facts import TurnTaking
from outdial.conversation.floor import Floor
from outdial.conversation.listening import Listening
from outdial.conversation.saying import Saying
from outdial.conversation.turn_words import Asked
from outdial.conversation.verb_results import CallEnded, Heard, SpeechFailed

MAX_HOLDS = 5  # one after the other, without an answer between them


class Courtesy:
    """Of one dialogue."""

    def __init__(
        self, turn_taking: TurnTaking, floor: Floor, saying: Saying, listening: Listening, background: Background
    ) -> None:
        self.words = turn_taking.words
        self._hold_s = turn_taking.hold_s
        self._filler_s = turn_taking.filler_s
        self._floor = floor
        self._saying = saying
        self._listening = listening
        self._background = background
        self._filler: asyncio.TimerHandle | None = None

    async def wait_if_asked(self, heard: Heard, asked: Asked, listen: Callable[..., Awaitable[Heard]]) -> Heard:
        """With the floor: what the callee answers once it is there again, if this asked us to wait and answers nothing.

        `listen` hears its next words, for as long as the agent waits or as many seconds as it is given.
        """
        if self._hold_s is None:
            return heard
        for _ in range(MAX_HOLDS):
            if not heard.text or asked.is_answered_by(heard.text) or not self.words.is_hold_on(heard.text):
                break
            await self._say(self.words.of_course)
            heard = await listen(self._hold_s)
            if heard.silent:
                await self._say(self.words.still_there)
                heard = await listen()
            if heard.text and self.words.is_back(heard.text):
                return replace(heard, back=True)
        return heard

    async def hear(self, listen: Callable[[], Awaitable[Heard]]) -> Heard:
        """With the floor: what `listen` hears. Words that were lost are asked for again; a recogniser that loses them
        again and again raises SpeechFailed in the end."""
        while (heard := await listen()).lost:
            self._listening.settle_reply()
            await self._saying.speak(self.words.sorry, interruptible=True, asks=True)
        return heard

    async def _say(self, text: str) -> None:
        self._listening.settle_reply()
        with suppress(SpeechFailed):  # silence is what was asked for
            await self._saying.speak(text, interruptible=True, asks=False)

    def agent_thinks(self) -> None:
        """The agent has been given a reply; it may take long."""
        if self._filler_s is not None:
            self._filler = asyncio.get_running_loop().call_later(self._filler_s, self._fill)

    def agent_acts(self) -> None:
        """It does something, or the call is over."""
        if self._filler is not None:
            self._filler.cancel()
            self._filler = None

    def _fill(self) -> None:
        self._filler = None
        self._background.start(self._say_filler(), name="filler")

    def words_are_late(self) -> None:
        """The callee's words take long to be recognised; the agent listens, and makes way."""
        self._background.start(self._say_that_it_takes_long(), name="filler")

    async def _say_that_it_takes_long(self) -> None:
        with suppress(SpeechFailed, CallEnded):
            async with self._floor.step_in(interrupt=True):
                if not self._floor.has_ended:
                    await self._saying.fill(self.words.one_moment)

    async def _say_filler(self) -> None:
        async with self._floor.step_in(interrupt=False):
            if not self._floor.is_free or self._listening.hearing.current is not None:
                return
            with suppress(SpeechFailed, CallEnded):
                await self._saying.fill(self.words.one_moment)
