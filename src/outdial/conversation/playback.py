"""One utterance of ours on its way to the callee: what is still to be sent, and what can be taken back."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

from outdial.media.frames import FRAME_BYTES, FRAME_MS
from outdial.media.g711 import rms

KEPT_FRAMES = 40   # of what was sent: what the carrier still holds is said again after a hold, from …
BACK_FRAMES = 15   # … the quietest of so many frames before it: between two words
SILENT = 1 / 30    # of the loudest frame before and behind a hold: there is no voice in it
WORD_FRAMES = 35   # a word is mostly over within so many; …
WORD_S = 1.5       # … with what the carrier holds of it; …
PAUSE_FRAMES = 4   # … and so many silent ones are behind it: in a word, before a "t", there are fewer


class Playback:
    """One utterance on its way to the callee. Fed by speech synthesis, drained by the media line, once that plays it:
    it may be fed before."""

    __slots__ = (
        "_is_shortened", "_pump", "_rest", "begun", "complete", "done", "end_ms", "fed", "finished", "frames",
        "heard_ms", "held", "is_last_word", "mark", "recent", "sent", "start_ms",
    )  # fmt: skip

    def __init__(self, mark: str = "", pump: Callable[[], None] = lambda: None) -> None:
        self._pump = pump                  # to be called when there is something to send
        self._is_shortened = False
        self._rest = b""
        self.frames: deque[bytes] = deque()
        self.recent: deque[bytes] = deque(maxlen=KEPT_FRAMES)  # the newest that were sent
        self.finished = False              # no more audio will be fed
        self.is_last_word = False          # nothing is said behind it
        self.held = False                  # silent for the moment, and …
        self.heard_ms = 0                  # … so much of it was heard before
        self.fed = 0                       # frames fed, and …
        self.sent = 0                      # … sent
        self.start_ms: int | None = None   # when the callee began to hear it, and …
        self.end_ms: int | None = None     # … ceased to
        self.mark = mark
        self.complete = False              # the carrier's mark came back after the last frame
        loop = asyncio.get_running_loop()
        self.begun: asyncio.Future[None] = loop.create_future()  # the first frame has left
        self.done: asyncio.Future[int] = loop.create_future()    # ms played

    def plays(self, mark: str, pump: Callable[[], None]) -> None:
        """The media line has it from now on."""
        self.mark, self._pump = mark, pump

    def feed(self, pcm: bytes) -> None:
        """More audio, any length; the first frames leave at once."""
        if self._is_shortened:
            return
        data = self._rest + pcm
        whole = len(data) - len(data) % FRAME_BYTES
        self.frames.extend(data[i : i + FRAME_BYTES] for i in range(0, whole, FRAME_BYTES))
        self.fed += whole // FRAME_BYTES
        self._rest = data[whole:]
        self._pump()

    def finish(self) -> None:
        """All audio was fed; `done` follows when it has been played."""
        if self._rest:
            self.frames.append(self._rest + bytes(FRAME_BYTES - len(self._rest)))
            self._rest = b""
            self.fed += 1
        self.finished = True
        self._pump()

    def marked(self) -> None:
        """The carrier has told that all that was sent was played."""
        self.complete = not self._is_shortened

    def shorten(self, word_ends_ms: Sequence[int]) -> None:
        """Leave out all that comes behind the word which is sent just now: behind the first of `word_ends_ms` that is
        still to come, or where nothing is known of words, at the next pause, or at the quietest moment."""
        self.is_last_word = True
        sent_ms = self.sent * FRAME_MS
        end_ms = next((ms for ms in word_ends_ms if ms >= sent_ms), None)
        kept = WORD_FRAMES + 1 if end_ms is None else -(-(end_ms - sent_ms) // FRAME_MS)
        if kept > WORD_FRAMES:
            is_all = self.finished and len(self.frames) <= WORD_FRAMES
            kept = len(self.frames) if is_all else _next_pause(list(islice(self.frames, WORD_FRAMES)))
        self._is_shortened |= kept < len(self.frames) or not self.finished
        self.finished, self._rest = True, b""
        while len(self.frames) > kept:
            self.frames.pop()

    def take_back(self, heard_ms: int) -> None:
        """Have what was sent and not heard sent again, from between two words right before on; until then, that much
        was heard."""
        self.heard_ms = heard_ms
        unheard = max(0, self.sent - heard_ms // FRAME_MS)
        again = unheard + _quietest(list(self.recent), unheard)
        for _ in range(min(len(self.recent), again)):
            self.frames.appendleft(self.recent.pop())
            self.sent -= 1

    def skip_pause(self) -> None:
        """After a hold: the callee has heard silence, and needs no pause behind it."""
        near = [*self.recent, *islice(self.frames, KEPT_FRAMES)]
        voice = SILENT * max(map(rms, near), default=0.0)
        while len(self.frames) > 1 and rms(self.frames[0]) < voice > rms(self.frames[1]):
            self.recent.append(self.frames.popleft())
            self.sent += 1


def _next_pause(frames: list[bytes]) -> int:
    """How many of them are played before it begins; before the quietest ones where there is none."""
    levels = [rms(frame) for frame in frames]
    loudest = [max(levels[at : at + PAUSE_FRAMES]) for at in range(max(0, len(levels) - PAUSE_FRAMES + 1))]
    if not loudest:
        return len(frames)
    pauses = [at for at, level in enumerate(loudest) if level < SILENT * max(levels)]
    return min(pauses, default=min(range(len(loudest)), key=lambda at: loudest[at]))


def _quietest(recent: list[bytes], unheard: int) -> int:
    """How many frames before the unheard ones the quietest is, among the last few: a word begins there."""
    heard = recent[: len(recent) - unheard][-BACK_FRAMES:]
    return min(range(len(heard)), key=lambda back: (rms(heard[-1 - back]), back), default=0)
