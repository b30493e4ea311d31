"""A stretch of the callee's speech, and what is known of its words."""

import asyncio
from collections.abc import Callable

from outdial.conversation.quiet import Quiet
from outdial.conversation.stopping import retrieve
from outdial.media.g711 import rms
from outdial.speech.base import NotRecognised, Recognition

ECHO_WINDOWS = 4         # of 32 ms
FIRST_PARTIAL_MS = 1000  # of speech; the next when it has grown by …
PARTIALS_APART = 0.6     # … this, so that all of them together cost less than two more recognitions at its end
GUESSES_APART = 0.25     # of its length, between two guesses that it has ended, and …
LEAST_APART_MS = 300     # … no less


class Utterance:
    """`end_ms` moves on while it lasts. Its words are guessed while it lasts (`partial`) and whenever it seems to have
    ended (`words`); they are certain (`text`) once it has."""

    def __init__(self, start_ms: int, recognition: Recognition, noise_rms: float = 0.0) -> None:
        self.start_ms = start_ms
        self.end_ms = start_ms
        self.quiet = Quiet(start_ms, noise_rms)
        self._recognition = recognition
        self._text: asyncio.Task[str] | None = None
        self._text_until_ms = start_ms  # the sound that is in it
        self._asked_ms = start_ms - LEAST_APART_MS  # when its words were asked for last
        self._partial: asyncio.Task[str | None] | None = None
        self._partial_ms = start_ms
        self.level_dbfs: float | None = None  # at its loudest
        self.is_reply = False  # said to us, and not over our voice only
        self.voiced = 0        # windows with the callee's voice, and …
        self.ours = 0          # … with ours
        self.enough_ms = 0  # of silence, to end it
        self.guessed: str | None = None  # the reply it would be, told before it had ended
        self.told = False  # its words so far, to whoever wants to know them early

    @property
    def words(self) -> str | None:
        """What was said until its last pause; None until that is recognised. "" also when it couldn't be: `text` says
        so."""
        task = self._text
        if task is None or not task.done() or task.cancelled():
            return None
        return "" if task.exception() else task.result()

    @property
    def is_lost(self) -> bool:
        """Whether its words won't be known, and those of the next one may be."""
        task = self._text
        return task is not None and task.done() and not task.cancelled() and isinstance(task.exception(), NotRecognised)

    @property
    def is_being_recognised(self) -> bool:
        """Whether its words, until its last pause, are asked for and not known."""
        return self._text is not None and not self._text.done()

    @property
    def quiet_since_ms(self) -> int:
        """The end of its newest sound."""
        return min(self.end_ms, max(self.start_ms, self.quiet.sound_ms))

    @property
    def waited_ms(self) -> int:
        """What its words waited for the words of other calls."""
        return self._recognition.waited_ms

    @property
    def is_echo(self) -> bool:
        """Whether it is the first moment of our own voice, come back, which was taken for somebody's."""
        return self.voiced <= ECHO_WINDOWS <= self.ours

    def feed(self, pcm: bytes, end_ms: int) -> None:
        self.quiet.frame(rms(pcm), end_ms)
        self._recognition.feed(pcm)

    def voice(self, until_ms: int) -> None:
        """The voice detector has heard it until then."""
        self.end_ms = until_ms
        if self._text is not None and self.quiet_since_ms > self._text_until_ms:
            self.discard()

    def recognise(self, at_ms: int, then: Callable[[], object] = lambda: None) -> None:
        """Start on what there is, if that isn't under way; `then` is called when its words are known."""
        if self._text is not None:
            return
        self._stop_partial()
        self._asked_ms, self._text_until_ms = at_ms, self.quiet_since_ms
        self._text = asyncio.create_task(self._recognition.text())
        self._text.add_done_callback(retrieve)
        self._text.add_done_callback(lambda task: None if task.cancelled() else then())

    def may_guess(self, at_ms: int) -> bool:
        """Whether it is worth its cost to have the words recognised at a moment of quiet: mostly more will be said."""
        apart_ms = max(LEAST_APART_MS, GUESSES_APART * (at_ms - self.start_ms))
        return self._text is None and at_ms - self._asked_ms >= apart_ms

    def pushed(self, then: Callable[[str], object]) -> None:
        """Its recogniser has new words: they are there already, so they are asked for whenever that happens."""
        if self._text is None and (self._partial is None or self._partial.done()):
            self._ask_partial(then)

    def guess(self, at_ms: int, then: Callable[[str], object]) -> None:
        """While it lasts: have its words so far recognised, from time to time and if there is time for that."""
        length_ms, known_ms = at_ms - self.start_ms, self._partial_ms - self.start_ms
        if length_ms < max(FIRST_PARTIAL_MS, (1 + PARTIALS_APART) * known_ms):
            return
        if self._text is not None or (self._partial is not None and not self._partial.done()):
            return
        self._partial_ms = at_ms
        self._ask_partial(then)

    def _ask_partial(self, then: Callable[[str], object]) -> None:
        self._partial = asyncio.create_task(self._recognition.partial())
        self._partial.add_done_callback(retrieve)
        self._partial.add_done_callback(lambda task: _tell(task, then))

    def discard(self) -> None:
        """The callee goes on: what was recognised so far isn't the end of it."""
        self.told = False
        if self._text is not None:
            self._text.cancel()
            self._text = None

    def let_go(self) -> None:
        """Nobody wants to know its words any more."""
        self._stop_partial()
        self.discard()

    def ends(self, enough_ms: int) -> None:
        """It is over, after so much silence by the voice detector; the callee has been silent for a little longer."""
        self.enough_ms = enough_ms + self.end_ms - self.quiet_since_ms
        self.end_ms = self.quiet_since_ms
        self._stop_partial()

    def _stop_partial(self) -> None:
        if self._partial is not None:
            self._partial.cancel()
            self._partial = None

    async def text(self) -> str:
        """What was said in all of it."""
        if self._text is None:
            self.recognise(self.end_ms)
        assert self._text is not None
        return await self._text


def _tell(task: "asyncio.Task[str | None]", then: Callable[[str], object]) -> None:
    if not task.cancelled() and task.exception() is None and (text := task.result()):
        then(text)
