"""What a brain says, taken in piece by piece and given to the voice sentence by sentence."""

import asyncio
from collections.abc import AsyncGenerator

from outdial.agents.llm.unspoken import Unspoken
from outdial.conversation.sentences import Cutter
from outdial.conversation.transcript import MS_PER_CHAR
from outdial.conversation.verb_results import Thought

SETTLE_S = 0.04     # of nothing after what may be the end of a sentence, and need not be: it is
FLUSH_S = 1.2       # of nothing after any words: what is there is said
QUIET_S = 2.5       # of silence after the last sentence, by our estimate of when it was played: a filler is due
MOST_CHARS = 8_000  # said in one go, about ten minutes; the rest isn't


class Words:
    """One thing that a brain says. `interruptible`, `preemptible`: as it wants it; `language`: in which it is, None
    where nobody says so.

    `begun` is set when there is something to say or nothing more will come; `is_whole` once it is `end`ed.
    """

    def __init__(
        self, *, interruptible: bool = True, preemptible: bool = False, language: str | None = None
    ) -> None:
        self.begun = asyncio.Event()
        self.interruptible = interruptible
        self.preemptible = preemptible
        self.language = language
        self.has_words = self.is_whole = self.is_cut = False
        self.fillers = 0  # that were said between its sentences
        self._loop = asyncio.get_running_loop()
        self.since = self._loop.time()
        self.first_token_at: float | None = None
        self._first_sentence_at: float | None = None
        self._cutter = Cutter()
        self._unspoken = Unspoken()
        self._chars = 0
        self._flush: asyncio.TimerHandle | None = None
        self._sentences: asyncio.Queue[str | None] = asyncio.Queue()

    def feed(self, text: str) -> None:
        """What comes after its end, or after too much, is left out."""
        if self.is_whole or not text:
            return
        if self._chars + len(text) > MOST_CHARS:
            self.is_cut = True
            text = text[: MOST_CHARS - self._chars]
        self._chars += len(text)
        if self.first_token_at is None and text.strip():
            self.first_token_at = self._loop.time()
        self._stop_waiting()
        for sentence in self._cutter.feed(self._unspoken.feed(text)):
            self._emit(sentence)
        if self._cutter.is_over:
            self._say_rest()
        else:
            self._flush = self._loop.call_later(SETTLE_S if self._cutter.is_whole else FLUSH_S, self._say_rest)

    def end(self) -> None:
        """Nothing more will come."""
        if self.is_whole:
            return
        self._stop_waiting()
        for sentence in self._cutter.feed(self._unspoken.rest()):
            self._emit(sentence)
        self._say_rest()
        self.is_whole = True
        self._sentences.put_nowait(None)
        self.begun.set()

    def thought(self, filler: str | None, *, open_s: float) -> Thought:
        """What is to be said, once it has `begun`. While the rest is waited for, the `filler`, where there is one;
        after `open_s` of silence it is taken for whole."""
        return Thought(
            self._spoken(filler, open_s),
            first_token_at=self.first_token_at,
            first_sentence_at=self._first_sentence_at,
        )

    async def _spoken(self, filler: str | None, open_s: float) -> AsyncGenerator[str]:
        played_at = self._loop.time()
        give_up_at = played_at + open_s
        while True:
            quiet_at = max(played_at, self._loop.time()) + QUIET_S
            try:
                async with asyncio.timeout_at(give_up_at if filler is None else min(quiet_at, give_up_at)):
                    sentence = await self._sentences.get()
            except TimeoutError:
                if filler is None or self._loop.time() >= give_up_at:
                    self.end()
                    continue
                sentence = filler
                self.fillers += 1
                played_at = max(played_at, self._loop.time()) + MS_PER_CHAR * len(sentence) / 1000
            else:
                if sentence is None:
                    return
                played_at = max(played_at, self._loop.time()) + MS_PER_CHAR * len(sentence) / 1000
                give_up_at = played_at + open_s
            yield f"{sentence}\n"

    def _say_rest(self) -> None:
        if rest := self._cutter.rest():
            self._emit(rest)

    def _stop_waiting(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None

    def _emit(self, sentence: str) -> None:
        if not any(character.isalnum() for character in sentence):
            return
        self.has_words = True
        if self._first_sentence_at is None:
            self._first_sentence_at = self._loop.time()
        self._sentences.put_nowait(sentence)
        self.begun.set()
