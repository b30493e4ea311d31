"""Whoever answers the phone is listened to until it is our turn to speak (see opening.py)."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from outdial.conversation.floor import Floor
from outdial.conversation.listening import Listening
from outdial.conversation.opening import CREDIT_MS, HeardSoFar, Opening, OpeningSoFar
from outdial.conversation.turn_words import TurnWords
from outdial.telephony.verdict import AnsweredBy

LOOK_MS = 100  # how often it is looked at whether the time has come
DUE_S = 0.3    # our own detector's word that it is our turn is its word on what is heard just now


class PickingUp:
    """Of one dialogue. `answered_by`: what is known of who answered; `detected`: whether somebody is finding it out;
    `late_ms`: how long before we could listen the call was answered."""

    def __init__(
        self,
        floor: Floor,
        listening: Listening,
        words: TurnWords,
        answered_by: Callable[[], AnsweredBy | None],
        *,
        detected: bool,
        late_ms: int = 0,
    ) -> None:
        self.opening: Opening | None = None  # still to come: our first words wait for the callee's
        self._floor = floor
        self._listening = listening
        self._words = words
        self._answered_by = answered_by
        self._detected = detected
        self._keeps_words = False
        self._late_ms = late_ms
        self._now = asyncio.get_running_loop().time
        self._due_at: float | None = None    # since then our own detector says that it is our turn

    def news(self, *, is_due: bool) -> None:
        """More is known of who answered; `is_due`: our own detector says that it is our turn."""
        if is_due and self._due_at is None:
            self._due_at = self._now()
        self._floor.wake()

    def begin_anew(self, opening: Opening | None) -> None:
        """With somebody else."""
        self.opening, self._due_at = opening, None
        self._late_ms = 0

    async def open(self) -> str:
        """With the floor: the opening, if it is still to come; what the callee says in it."""
        opening, self.opening = self.opening, None
        if opening is None:
            return ""
        words = await self.wait(opening)
        self._keeps_words = self._words.answering(words) is AnsweredBy.MENU  # the agent may know what to press
        return words

    def forget_words(self) -> None:
        """We are about to speak: what was said before is no answer to that."""
        if self._listening.reply is None and not self._keeps_words:
            self._listening.forget_words()
        self._keeps_words = False

    async def wait(self, opening: Opening, *, faint: bool = False) -> str:
        """With the floor: until we are to speak. What the callee has said, as far as it is known by then. `faint`
        voices count, too."""
        with self._listening.attentive():
            while (left_ms := self._left_ms(opening, self._so_far(faint))) != 0:
                await self._floor.wait(LOOK_MS if left_ms is None else min(left_ms, LOOK_MS))
                self._listening.hearing.check()
                if self._floor.is_wanted(callee_speaks=self._listening.hearing.current is not None):
                    await self._listening.make_way()
            return self._so_far(faint).heard.words or ""

    def _left_ms(self, opening: Opening, so_far: OpeningSoFar) -> int | None:
        """Nobody is spoken to over a hello that we couldn't hear yet."""
        left_ms = opening.left_ms(so_far)
        if left_ms is None or so_far.heard.talk_ms or so_far.is_human or so_far.is_due:
            return left_ms
        return max(left_ms, self._listening.hearing.unheard_ms())

    def _so_far(self, faint: bool) -> OpeningSoFar:
        answered_by, due_at = self._answered_by(), self._due_at
        return OpeningSoFar(
            heard=self._since_answer(self._listening.heard_so_far(faint=faint)),
            undecided=self._detected and answered_by is None,
            is_human=answered_by is AnsweredBy.HUMAN,
            is_due=due_at is not None,
            is_due_now=due_at is not None and self._now() - due_at <= DUE_S,
        )

    def _since_answer(self, heard: HeardSoFar) -> HeardSoFar:
        """Who hasn't spoken has waited since the answer."""
        if heard.talk_ms:
            return heard
        return replace(heard, silence_ms=heard.silence_ms + min(self._late_ms, CREDIT_MS))
